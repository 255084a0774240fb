#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws tests/tools/pictures, which the examples of the manual pages run on. Needs Pillow."""
import pathlib
import sys

from PIL import Image, ImageDraw

FOLDER = pathlib.Path(__file__).parent / "pictures"


def disc(colour, ground, size=(64, 48)):
    picture = Image.new("RGB", size, ground)
    width, height = size
    radius = height * 3 // 8
    box = (width // 2 - radius, height // 2 - radius, width // 2 + radius, height // 2 + radius)
    ImageDraw.Draw(picture).ellipse(box, fill=colour)
    return picture


def bars(mode, colours, size, step):
    picture = Image.new(mode, size, colours[0])
    draw = ImageDraw.Draw(picture)
    for left in range(step, size[0], 2 * step):
        draw.rectangle((left, 0, left + step - 1, size[1]), fill=colours[1])
    return picture


def main():
    for name in ("disc", "bars"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    disc("#c22020", "#f4efe4").save(FOLDER / "disc/red.png", optimize=True)
    # No chroma subsampling: how it is undone differs between versions of libjpeg-turbo.
    disc("#2040b0", "#101018").save(FOLDER / "disc/blue.jpg", quality=90, subsampling=0)
    bars("L", (30, 210), (64, 64), 8).save(FOLDER / "bars/grey.png", optimize=True)
    bars("RGB", ("#0a5020", "#a8e0b0"), (32, 24), 4).save(FOLDER / "bars/green.ppm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
