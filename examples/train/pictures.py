# SPDX-License-Identifier: MIT
"""Small PNGs with their alpha, trimmed of margins that show nothing."""

import io
import os
import subprocess
import warnings

from PIL import Image

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = None  # sizes are looked at before pixels are

SIDE = 160  # the longest side of what is written, in pixels
MOST_PIXELS = 30_000_000


def draw_svg(svg, side=2 * SIDE):
    """An SVG's file or its text (bytes) as a picture."""
    command = ["rsvg-convert", "-w", str(side), "-h", str(side), "-a"]
    if isinstance(svg, bytes):
        made = subprocess.run(command, input=svg, capture_output=True, timeout=60, check=True)
    else:
        made = subprocess.run(command + [svg], capture_output=True, timeout=60, check=True)
    return Image.open(io.BytesIO(made.stdout))


def open_picture(path):
    """A picture that is not too large to decode, or None."""
    image = Image.open(path)
    return image if image.width * image.height <= MOST_PIXELS else None


def has_alpha(image):
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def small(image, side=SIDE):
    """RGB or RGBA, trimmed, of at most `side` pixels, never enlarged; None if it shows nothing."""
    if not has_alpha(image):
        image = image.convert("RGB")
    else:
        image = image.convert("RGBA")
        # Alpha below 8 is the haze of shadows and of careless erasers.
        box = image.getchannel("A").point(lambda a: 255 if a >= 8 else 0).getbbox()
        if box is None:
            return None
        margin = max(1, max(box[2] - box[0], box[3] - box[1]) // 32)
        left, top, right, bottom = box
        image = image.crop((left - margin, top - margin, right + margin, bottom + margin))
        if image.getchannel("A").getextrema()[0] == 255:
            image = image.convert("RGB")
    image.thumbnail((side, side), Image.LANCZOS)
    return image


def on_colour(image, colour="white"):
    """The picture as RGB, what is transparent filled with `colour`."""
    if not has_alpha(image):
        return image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, colour)
    ground.alpha_composite(image)
    return ground.convert("RGB")


def write_png(image, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image.save(path, compress_level=6)


def files_below(folder, ending):
    """All regular files whose names end so, in a fixed order."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.lower().endswith(ending) and not os.path.islink(path):
                yield path
