#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the pictures and captions that the shipped model is trained on.

    pairs.py DATA OUT [SOURCE]...

DATA is what fetch.sh has filled. Writes OUT/train.jsonl, a JSON object a line with `path` (relative
to OUT), `text` (a list of captions, of which clip-train draws one each time), and `source`; and
OUT/pictures/SOURCE/NAME.png, trimmed, at most 160 pixels, with their alpha. The same packages give
the same bytes. What is absent is skipped, with a line that says so.

Needs python3-pil, python3-fonttools and librsvg2-bin.
"""

import json
import os
import sys
import time

import clipart
import emoji
import lettering
import scenes
from pictures import small, write_png

# Each yields (name, picture, captions).
SOURCES = {
    "noto": emoji.noto,
    "twemoji": emoji.twemoji,
    "round-flags": emoji.round_flags,
    "openclipart": clipart.openclipart,
    "furniture": scenes.furniture,
    "landscapes": scenes.landscapes,
    "tango": scenes.icons,
    "letters": lettering.letters,
}


def write_source(source, data, out, lines):
    """Returns how many pairs there were, and their first captions."""
    names, count = set(), 0
    for name, image, texts in SOURCES[source](data):
        try:
            picture = small(image)
        except OSError as error:
            print(f"pairs: {source}/{name}: {error}", file=sys.stderr)
            continue
        if picture is None:
            continue
        path = f"pictures/{source}/{name}.png"
        write_png(picture, os.path.join(out, path))
        lines.write(json.dumps({"path": path, "text": texts, "source": source}) + "\n")
        names.add(texts[0])
        count += 1
    return count, names


def main():
    if len(sys.argv) < 3 or any(source not in SOURCES for source in sys.argv[3:]):
        sys.exit(f"usage: pairs.py DATA OUT [SOURCE]...   (of {', '.join(SOURCES)})")
    data, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    total, all_names = 0, set()
    with open(f"{out}/train.jsonl.part", "w", encoding="ascii") as lines:
        for source in sys.argv[3:] or SOURCES:
            start = time.monotonic()
            count, names = write_source(source, data, out, lines)
            total += count
            all_names |= names
            if count == 0:
                print(f"pairs: {source}: skipped, its package is not below {data}")
            else:
                print(f"pairs: {source}: {count} pictures, {len(names)} names, "
                      f"{time.monotonic() - start:.0f} s", flush=True)
    if total == 0:
        sys.exit(f"pairs: nothing below {data}: run fetch.sh first")
    os.replace(f"{out}/train.jsonl.part", f"{out}/train.jsonl")
    print(f"pairs: {total} pictures, {len(all_names)} names")


if __name__ == "__main__":
    main()
