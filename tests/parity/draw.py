#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What lib/draw writes, read by Pillow, Python's HTML parser, xmllint and rsvg-convert.

  draw.py DRIVER PICTURE...

The PICTUREs are copied under hostile names. What is not installed is skipped, and said.
"""
import base64
import html.parser
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import numpy
from PIL import Image, ImageOps

NAMES = [b'"><script>alert(1)<x>', b"caf\xe9 \xff", b"a b%20c?d#e&amp;", "\u732b".encode(),
         b"javascript:alert(1)", b"'onerror='x", b"new\nline"]
failures = 0


def check(ok, what):
    global failures
    if not ok:
        failures += 1
        print(f"draw.py: {what}", file=sys.stderr)


class Sheet(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.images, self.links = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        given = dict(attributes)
        check(not any(name.startswith("on") for name in given), f"{tag} has a handler: {given}")
        if tag == "img":
            self.images.append(given)
        if tag == "a":
            self.links.append(given["href"])


def thumbnail(path):
    """The picture as it should look, in RGBA at full size."""
    with Image.open(os.fsdecode(path)) as image:
        return ImageOps.exif_transpose(image).convert("RGBA")


def check_html(folder, pictures):
    with open(os.path.join(folder, "sheet.html"), encoding="utf-8") as file:
        text = file.read()
    sheet = Sheet()
    sheet.feed(text)
    sheet.close()
    check("script" not in sheet.tags, "sheet.html holds a script element")
    check(sheet.tags.count("figure") == len(pictures) + 2, "sheet.html: not a figure a hit")
    base = "file://" + urllib.parse.quote(folder) + "/sheet.html"
    for link in sheet.links:
        url = urllib.parse.urlsplit(urllib.parse.urljoin(base, link))
        check(url.scheme == "file" and not url.netloc and not url.query and not url.fragment,
              f"not a link to a file: {link}")
        check(os.path.exists(urllib.parse.unquote_to_bytes(url.path)), f"leads nowhere: {link}")
    check(len(sheet.images) == len(pictures) + 1, "sheet.html: not an image a picture")
    for picture, given in zip(pictures, sheet.images):
        kind, data = given["src"].split(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            check(kind == f"data:image/{image.format.lower()}", f"{picture}: not {kind}")
            got = image.convert("RGBA")
        check((str(got.width), str(got.height)) == (given["width"], given["height"]),
              f"{picture}: another size than the tag says")
        want = thumbnail(picture)
        if b"grey16" in picture:
            continue  # Pillow shows the lower bits
        check(max(got.size) == min(224, max(want.size)), f"{picture}: wrong size {got.size}")
        want = numpy.asarray(want.resize(got.size, Image.BICUBIC), dtype=float)
        got = numpy.asarray(got, dtype=float)
        # Colours only as far as they are seen; JPEG blurs colours at edges.
        difference = numpy.abs(want * want[..., 3:] - got * got[..., 3:]) / 255
        most = 8 if min(image.size) > 8 else 16  # of a line of noise JPEG keeps little colour
        check(difference.mean() < most, f"{picture}: differs by {difference.mean():.1f} on average")


def check_pngs(folder):
    for name in sorted(os.listdir(folder)):
        if name.endswith(".png") and name.split("-")[0] in ("confusion", "curve.png", "sheet.png"):
            with Image.open(os.path.join(folder, name)) as image:
                check(image.mode == "RGB" and image.format == "PNG", f"{name}: not RGB")
                image.load()


def count_dark(path):
    with Image.open(path) as image:
        pixels = numpy.asarray(image.convert("RGB"), dtype=int)
    blue = (pixels[..., 2] - pixels[..., 0] > 60) & (pixels[..., 0] < 120)
    return blue.sum()


def check_svgs(folder):
    for tool in ("xmllint", "rsvg-convert"):
        if shutil.which(tool) is None:
            print(f"draw.py: without {tool}: not installed")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not name.endswith(".svg"):
            continue
        if shutil.which("xmllint"):
            done = subprocess.run(["xmllint", "--noout", path], capture_output=True, check=False)
            check(done.returncode == 0 and not done.stderr, f"{name}: {done.stderr.decode()}")
        if shutil.which("rsvg-convert"):
            drawn = path + ".rsvg"
            done = subprocess.run(["rsvg-convert", "--zoom", "2", "-o", drawn, path],
                                  capture_output=True, check=False)
            check(done.returncode == 0 and not done.stderr, f"{name}: {done.stderr.decode()}")
            # Both formats show the same shares: as much dark blue, up to the letters' edges.
            ours, theirs = count_dark(path[:-4] + ".png"), count_dark(drawn)
            check(abs(ours - theirs) <= 0.06 * max(ours, theirs, 1000),
                  f"{name}: {theirs} dark pixels, the PNG has {ours}")


def check_without_plugin(driver, folder):
    """Away from the build there is no plugin: SVG and HTML come all the same."""
    away = os.path.join(folder, "away")
    os.mkdir(away)
    shutil.copy(driver, away)
    done = subprocess.run([os.path.join(away, os.path.basename(driver)), away],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        print("draw.py: without a check of the absent plugin: one is installed")
        return
    lines = done.stderr.splitlines()
    check(all("needs the OpenCV plugin" in line for line in lines), f"other errors: {lines}")
    check(any(line.endswith("(hint: .svg does without)") for line in lines), f"no hint: {lines}")
    check(any(line.endswith("(hint: .html does without)") for line in lines), f"no hint: {lines}")
    written = os.listdir(away)
    check("sheet.html" in written and "curve.svg" in written, f"not written: {written}")
    check(not any(name.endswith((".png", ".tmp")) for name in written), f"left: {written}")


def main():
    driver, pictures = os.path.abspath(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for i, picture in enumerate(pictures):
            ending = os.path.splitext(picture)[1].encode()
            stem = os.path.splitext(os.path.basename(picture))[0].encode()
            copy = os.path.join(os.fsencode(folder), NAMES[i % len(NAMES)] + stem + ending)
            shutil.copy(picture, copy)
            copies.append(copy)
        subprocess.run([driver, folder, *copies], check=True)
        check_html(folder, copies)
        check_pngs(folder)
        check_svgs(folder)
        check_without_plugin(driver, folder)
        if os.environ.get("KEEP"):
            shutil.copytree(folder, os.environ["KEEP"], dirs_exist_ok=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
