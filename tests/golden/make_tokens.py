#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tokens_bpe.txt (the first 510 merges, so 1,024 words) and tokens.jsonl beside itself.

usage: make_tokens.py ORACLE BPE_FILE

The ids are the oracle's; Python needs regex and ftfy 6.3.
"""
import gzip
import importlib.util
import json
import os
import random
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = [
    "", " ", "a photo of a dog", "A PHOTO of the dog's cat!", "it's we'll they've i'm you're don't she'd",
    "'said 'tis rock'n'roll ''s !'s ...", "IT'S A 'SAID", "'\u017faid \u2019s", "1234 3.14 \u00bd \u2167 \u0663",
    "  several\t\tkinds \n of\r\nwhite\u00a0space\u3000here\u2003 ", "caf\u00e9 cafe\u0301 na\u00efve", "\u0130stanbul I\u0307",
    "\u039f\u0394\u039f\u03a3 \u03a3 \u03a3\u0391 \u0391\u03a3. \u0391\u03a3' \u0391'\u03a3 \u0391\u03a3\u0301 \u0391\u03a3\u0301\u0391",
    "\u6771\u4eac\u30bf\u30ef\u30fc \u041c\u043e\u0441\u043a\u0432\u0430 \u0627\u0644\u0642\u0627\u0647\u0631\u0629 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001d54f", "a\u0345b \u0345 !\u0345! \u1fb3",
    "<|startoftext|>a<|endoftext|>", "!<|startoftext|> <|\u017ftartoftext|> <|STARTOFTEXT|> <|startoftext| >",
    "x &amp; y &lt;b&gt; &copy &copy; &notit; &notin; &ampamp; &amp;amp;amp; &CounterClockwiseContourIntegral;x",
    "&#65; &#x41; &#X41 &#0; &#128; &#x81; &#55296; &#1114112; &#99999999999999999999; &#1; &#xfdd0; &#59; &# &#x &#65a;",
    "&NTILDE; &szlig; &SZLIG; &EACUTE; &AMP; &Amp; &fjlig; &FJLIG; & &; &;;", "<br> &amp;lt; &eacute;\n&eacute; &lt;",
    "&eacute;\n<br>\n&eacute;", "&nbsp;&ensp;x&NewLine;y&Tab;z", "\ufb01sh \ufb05op \u01c6 \u0149 \u0132 \ufb06",
    "\uff21\uff22\uff23\uff01 \uff76\uff9e \uff02\uff07 \uffe3 \uffe5", "\u201cquoted\u201d \u2018single\u2019 \u02bc \u201a low\u201e",
    "\x1b[31mred\x1b[0m \x1b[ \x1b[1;\u0661m \x1b]0", "a\x00b\x01c\x0bd\x0ce\x1cf\x7fg\x85h\x92i\u2028j\u2029k\ufeffl\u206am\ufffan\ufffdo",
    "\u212b \u2126 \u212a \u1100\u1161\u11a8 \u0344 \u0958 q\u0323\u0307 q\u0307\u0323 \u0f71\u0f72 \u0f73\u0f71",
    "\u00e2\u0153\u201d No problems", "s\u00c3\u00b3 caf\u00c3\u00a9", "voil\u00c3 le travail", "\u00c3\u0192\u00c2\u00a9", "l\u00e2\u20ac\u2122ami \u2014 \u00e9t\u00e9",
    "(\u00e3\u0083\u0084)", "\u0432\u0402\u045a\u0440\u0438\u0432\u0435\u0442\u0432\u0402\u045c", "\u00d0\u00b4\u00d0\u00b0", "\u00ed\u00a0\u00bd\u00ed\u00b8\u008d",
    "\u00c0\u0080x\u00c3\u00a9", "Ren\u221a\u00a9e \u221a\u00b1", "r\u251c\u00aavolution", "\u00c3\ufffd\u00c3\u00a9", "\u00c5\u00c4\u00d6 \u00d8l \u00c3 o",
    "a" * 60, "ab" * 40 + "c", "!?" * 70, "the" * 30, "\u00e9" * 30, "z" * 47, "z" * 48, "z" * 49, "anan" * 12, "\u4e00" * 40,
]


def random_texts(count, seed):
    rng = random.Random(seed)
    assigned = [c for c in range(0x30000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    words = "the a of and dog's cat It's we'll &amp; &lt &#233; \u00c3\u00a9 \u03a3 \u2019 . , ! 12".split()
    for _ in range(count):
        yield "".join(rng.choice((rng.choice(words), " ", chr(rng.choice(assigned)), chr(rng.randrange(0x20, 0x250)))) for _ in range(rng.randrange(1, 16)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    spec = importlib.util.spec_from_file_location("oracle", sys.argv[1])
    oracle = importlib.util.module_from_spec(spec)
    sys.modules["oracle"] = oracle
    spec.loader.exec_module(oracle)
    import ftfy  # noqa: F401: without it the oracle would make other ids
    lines = gzip.open(sys.argv[2]).read().decode().split("\n")
    with open(os.path.join(HERE, "tokens_bpe.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(line + "\n" for line in lines[1:511]))
    tokenizer = oracle.Tokenizer(1024, sys.argv[2])
    with open(os.path.join(HERE, "tokens.jsonl"), "w", encoding="ascii") as f:
        for text in TEXTS + list(random_texts(150, 5)):
            f.write(json.dumps({"text": text, "tokens": tokenizer.encode(text)}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
