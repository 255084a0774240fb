#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/pixels: small pictures of every kind, each with what the oracle makes of it
for a side of 24, as the (24, 24, 3) bytes before they are normalised, in NAME.u8.

  make_pixels.py ORACLE.py OUT_FOLDER

Pictures named turned-K have EXIF orientation K, and what they should give is that of the picture
turned by Pillow."""
import importlib.util, os, sys
import numpy as np
from PIL import Image, ImageOps

SIZE = 24
spec = importlib.util.spec_from_file_location("oracle", sys.argv[1])
oracle = importlib.util.module_from_spec(spec)
sys.modules["oracle"] = oracle
spec.loader.exec_module(oracle)
out = sys.argv[2]
random = np.random.default_rng(6)


def noise(w, h, channels):
    small = random.integers(0, 256, (h // 8 + 1, w // 8 + 1, channels), dtype=np.uint8)
    big = small.repeat(8, 0).repeat(8, 1)[:h, :w].astype(int) + random.integers(-8, 9, (h, w, channels))
    return np.clip(big, 0, 255).astype(np.uint8)


def rgb(w, h):
    return Image.fromarray(noise(w, h, 3))


def grey(w, h):
    return Image.fromarray(noise(w, h, 1)[:, :, 0])


def write(name, picture, **options):
    path = os.path.join(out, name)
    picture.save(path, **options)
    reference = path
    if name.startswith("turned"):
        reference = os.path.join(out, "turned.png")
        ImageOps.exif_transpose(Image.open(path)).save(reference, exif=b"")
    x = oracle.preprocess(reference, SIZE)
    pixels = (x * np.float32(oracle.STD).reshape(3, 1, 1) + np.float32(oracle.MEAN).reshape(3, 1, 1)) * 255
    np.rint(pixels).astype(np.uint8).transpose(1, 2, 0).tofile(path + ".u8")
    if reference != path:
        os.remove(reference)


write("rgb.png", rgb(45, 37))
write("grey.png", grey(37, 50))
write("palette.png", rgb(41, 33).quantize(20))
write("rgba.png", Image.fromarray(noise(40, 31, 4), "RGBA"))
write("grey-alpha.png", Image.fromarray(noise(31, 44, 2), "LA"))
write("bilevel.png", grey(61, 40).convert("1"))
write("grey16.png", Image.fromarray(noise(40, 33, 1)[:, :, 0].astype(np.uint16) * 2))
write("rgb.jpg", rgb(70, 49), quality=80)
write("progressive.jpg", rgb(49, 70), quality=80, progressive=True)
write("grey.jpg", grey(50, 33), quality=80)
write("cmyk.jpg", Image.fromarray(noise(33, 40, 4), "CMYK"), quality=80)
write("palette.gif", rgb(41, 33).quantize(20), interlace=True)
write("grey.gif", Image.fromarray((np.arange(33 * 41) % 256).astype(np.uint8).reshape(41, 33)))
write("rgb.bmp", rgb(30, 26))
write("palette.bmp", rgb(26, 30).quantize(20))
write("grey.bmp", grey(27, 30))
write("rgb.ppm", rgb(26, 31))
write("grey16.pgm", Image.fromarray(np.asarray(grey(27, 29), np.int32) * 2))
write("bilevel.pbm", grey(50, 40).convert("1"))
write("rgba.tif", Image.fromarray(noise(31, 27, 4), "RGBA"), compression="tiff_lzw")
write("palette.tif", rgb(31, 27).quantize(20), compression="packbits")
write("rgba.webp", Image.fromarray(noise(31, 27, 4), "RGBA"), lossless=True, exact=True)
write("rgb.jp2", rgb(33, 31))
write("one.png", rgb(1, 1))
write("wide.png", rgb(700, 3))
write("tall.png", rgb(3, 700))
write("same.png", Image.fromarray(noise(24, 24, 4), "RGBA"))
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    write(f"turned-{orientation}.jpg", rgb(39, 31), exif=exif, quality=70)
exif = Image.Exif()
exif[0x0112] = 6
write("turned-6.png", rgb(39, 30), exif=exif)
first = np.zeros((40, 50, 4), np.uint8)      # its empty margin is left out of the file
first[10:31, 12:37] = noise(25, 21, 4) | 1
write("animated.webp", Image.fromarray(first, "RGBA"), lossless=True, exact=True, save_all=True,
      append_images=[Image.fromarray(noise(50, 40, 4), "RGBA")], duration=100)
