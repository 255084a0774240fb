# SPDX-License-Identifier: MIT
"""The captions of a picture, from its name and what is known besides.

clip-train draws one caption of the list each time that it sees the picture, so that a caption that
stands there twice is drawn twice as often. The first is the one that validation takes.
"""

import html
import re

# The default prompt of clip-classify, with which zero-shot labels are asked for.
PROMPT = "a photo of a {}."


def read_table(text):
    """Lines of "key: value, value" as {key: [value, value]}."""
    rows = (line.strip().split(":") for line in text.strip().splitlines())
    return {key: [value.strip() for value in values.split(",") if value] for key, values in rows}


def clean(text):
    """In lower case, without underscores, curly quotes, and stops at its ends."""
    plain = str.maketrans("\u201c\u201d\u2018\u2019\u2014_", "\"\"''- ")
    text = html.unescape(text).translate(plain)
    return re.sub(r"\s+", " ", text).strip(" .!\"").lower()


def captions(name, medium=None, also=(), classes=()):
    """About three in four captions name the picture, and one in four says what class it is of.

    `medium` is such as "an emoji of", `also` other names or lists of words, `classes` what it is
    an example of, from the narrowest to the widest.
    """
    name = clean(name)
    classes = [text for text in dict.fromkeys(map(clean, classes)) if text and text != name][:4]
    also = [text for text in dict.fromkeys(map(clean, also)) if text]
    also = [text for text in also if text not in (name, *classes)]
    out = [name, PROMPT.format(name)]
    if medium:
        out.append(f"{medium} {name}")
    out += also[:3]
    if classes and classes[0] not in name:
        out.append(f"{name}, {classes[0]}")
    while len(out) < 3 * len(classes):
        out.append(out[len(out) % 2])  # so that a picture of few names keeps to the share
    # Bare and in the prompt by turns: both are asked for.
    out += [PROMPT.format(text) if i % 2 == 0 else text for i, text in enumerate(classes)]
    return [text[:200] for text in out]
