# SPDX-License-Identifier: MIT
"""Letters and digits, drawn with fonts under free licences, filled or in outline."""

import os
import string

from PIL import Image, ImageDraw, ImageFont

from captions import captions

FONTS = {
    "fonts-dejavu-core": ["dejavu/DejaVuSans-Bold.ttf", "dejavu/DejaVuSerif.ttf",
                          "dejavu/DejaVuSansMono.ttf"],
    "fonts-liberation2": ["liberation2/LiberationSans-Regular.ttf",
                          "liberation2/LiberationSans-Bold.ttf",
                          "liberation2/LiberationSerif-Italic.ttf"],
}
COLOURS = ["black", "#c02020", "#2040c0", "#108030", "#e08000", "#802090", "#705030"]
DIGITS = "zero one two three four five six seven eight nine".split()


def draw(character, font, colour, outlined):
    image = Image.new("RGBA", (220, 220), (255, 255, 255, 0))
    fill = "white" if outlined else colour
    ImageDraw.Draw(image).text((110, 110), character, fill, font, anchor="mm",
                               stroke_width=5 if outlined else 0, stroke_fill=colour)
    return image


def letters(data):
    fonts = [f"{data}/{package}/usr/share/fonts/truetype/{name}"
             for package, names in FONTS.items() for name in names]
    for number, path in enumerate(filter(os.path.exists, fonts)):
        font = ImageFont.truetype(path, 160)
        for i, character in enumerate(string.ascii_letters + string.digits):
            colour = COLOURS[(i + 3 * number) % len(COLOURS)]
            image = draw(character, font, colour, (i + number) % 3 == 0)
            if character.isdigit():
                texts = captions("number " + character, None, ["digit " + DIGITS[int(character)]],
                                 ["digit", "number"])
            else:
                size = "capital" if character.isupper() else "small"
                texts = captions("letter " + character, None, [f"{size} letter {character}"],
                                 ["letter", "letter of the alphabet"])
            yield f"{number}-{ord(character):x}", image, texts
