#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the sets that the shipped model is measured on, and is never trained on.

    evalsets.py DATA OUT

DATA is what fetch.sh has filled, OUT what pairs.py has. For each set, OUT/eval holds

    SET.tsv          a picture, a tab and its label a line: --truth of clip-eval and clip-classify
    SET.raw.tsv      the same with the packages' own files, where they have alpha or are no SVG
    SET.labels       all labels, one a line
    SET.pairs.tsv    a table of path and text, for clip-train --val

so that a set is measured by

    cut -f1 SET.tsv | clip-eval zeroshot --truth SET.tsv --labels SET.labels

The pictures of SET.tsv are copies below OUT/eval/pictures, of at most 256 pixels and on white where
they were transparent. Pictures that are nearly one that is trained on are left out, and named in
OUT/eval/left-out.tsv. Needs python3-pil, python3-numpy and librsvg2-bin.
"""

import gzip
import json
import os
import re
import sys

import numpy
from PIL import Image

import emoji
import heldout
from captions import PROMPT, clean
from pictures import draw_svg, on_colour, open_picture, small, write_png

SIDE = 256
# Two pictures are one where both of these correlations are higher: of 32 x 32 greys and of 16 x 16
# colours, after trimming and on white.
GREY, COLOUR = 0.985, 0.97

FASHION = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
           "ankle boot"]
FASHION_TRAIN = 10_000  # of 60,000: the first, which are in no order


def features(image):
    """Two rows of unit length, whose products are correlations."""
    image = small(image, 96)
    ground = Image.new("RGB", (96, 96), "white")
    if image:
        place = ((96 - image.width) // 2, (96 - image.height) // 2)
        ground.paste(image, place, image if image.mode == "RGBA" else None)
    out = []
    for mode, side in (("L", 32), ("RGB", 16)):
        pixels = numpy.asarray(ground.convert(mode).resize((side, side), Image.BOX), numpy.float32)
        pixels = pixels.ravel() - pixels.mean()
        out.append(pixels / (numpy.linalg.norm(pixels) + 1e-3))
    return out


def training_features(out):
    """The paths of all training pictures and their features; None where there are none."""
    if not os.path.exists(f"{out}/train.jsonl"):
        print("evalsets: no train.jsonl: nothing is looked for among the training pictures")
        return None
    with open(f"{out}/train.jsonl", encoding="utf-8") as lines:
        paths = [json.loads(line)["path"] for line in lines]
    rows = [features(Image.open(os.path.join(out, path))) for path in paths]
    return paths, numpy.stack([row[0] for row in rows]), numpy.stack([row[1] for row in rows])


def twin_of(image, training):
    """The training picture that is nearly this one, or None."""
    if training is None:
        return None
    paths, greys, colours = training
    grey, colour = features(image)
    both = (greys @ grey > GREY) & (colours @ colour > COLOUR)
    return paths[int(both.argmax())] if both.any() else None


def read_held_out(data, out):
    """Writes the copies. Returns {set: [(copy, file, label)]}; file is empty for an SVG."""
    training, sets, left_out, copies = training_features(out), {}, [], set()
    for source in heldout.SOURCES:
        for path, labels in source(data):
            is_svg = path.endswith(".svg")
            image = draw_svg(path, SIDE) if is_svg else open_picture(path)
            if image is None:
                continue
            twin = twin_of(image, training)
            if twin:
                left_out.append((path, twin))
                continue
            flat = on_colour(image)
            flat.thumbnail((SIDE, SIDE), Image.LANCZOS)
            stem = re.sub(r"\W+", "-", os.path.relpath(path, data).split("/usr/share/")[-1][:-4])
            copy = f"{out}/eval/pictures/{source.__name__}/{stem[-80:]}.png"
            if copy in copies:  # a name that two endings share
                copy = f"{copy[:-4]}-{len(copies)}.png"
            copies.add(copy)
            write_png(flat, copy)
            for name, label in labels.items():
                sets.setdefault(name, []).append((copy, "" if is_svg else path, label))
    with open(f"{out}/eval/left-out.tsv", "w", encoding="utf-8") as file:
        file.writelines(f"{path}\t{twin}\n" for path, twin in left_out)
    print(f"evalsets: {len(left_out)} pictures left out, as good as trained on")
    return sets


def read_fashion(data, out, part, count):
    """Fashion-MNIST, inverted: clothes on white, 28 x 28."""
    folder = f"{data}/dataset-fashion-mnist/usr/share/datasets/fashion-mnist"
    if not os.path.isdir(folder):
        return []
    with gzip.open(f"{folder}/{part}-images-idx3-ubyte.gz") as file:
        pixels = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(f"{folder}/{part}-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    rows = []
    for i in range(count):
        path = f"{out}/eval/pictures/fashion-mnist/{part}/{i:05d}.png"
        write_png(Image.fromarray(255 - pixels[i]), path)
        rows.append((path, "", FASHION[labels[i]]))
    return rows


def write_set(name, rows, labels, out):
    stem = f"{out}/eval/{name}"
    with open(f"{stem}.tsv", "w", encoding="utf-8") as file:
        file.writelines(f"{copy}\t{label}\n" for copy, _, label in rows)
    if any(path for _, path, _ in rows):
        with open(f"{stem}.raw.tsv", "w", encoding="utf-8") as file:
            file.writelines(f"{path}\t{label}\n" for _, path, label in rows if path)
    with open(f"{stem}.labels", "w", encoding="utf-8") as file:
        file.writelines(f"{label}\n" for label in labels)
    with open(f"{stem}.pairs.tsv", "w", encoding="utf-8") as file:
        file.write("path\ttext\n")
        file.writelines(f"{copy}\t{PROMPT.format(label)}\n" for copy, _, label in rows)
    print(f"evalsets: {name}: {len(rows)} pictures, {len(labels)} labels", flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: evalsets.py DATA OUT")
    data, out = map(os.path.abspath, sys.argv[1:])
    os.makedirs(f"{out}/eval", exist_ok=True)
    sets = read_held_out(data, out)
    sets["fashion-mnist"] = read_fashion(data, out, "t10k", 10_000)
    sets["fashion-mnist-train"] = read_fashion(data, out, "train", FASHION_TRAIN)
    for name, rows in sorted(sets.items()):
        labels = {label for _, _, label in rows}
        if name == "emojione-names":  # against the names that EmojiOne has no picture of, too
            labels |= {clean(one.name) for one in emoji.read_emoji(data)
                       if one.subgroup != "country-flag"}
        if rows:
            write_set(name, rows, sorted(labels), out)


if __name__ == "__main__":
    main()
