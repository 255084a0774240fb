#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares token ids with the oracle's on random texts from all over Unicode.

Texts are written NUL-separated to the standard input of COMMAND -0, which prints one line a text:
a JSON object with "tokens", or the array itself. Such commands are `clip-model tokens` and
`clip_tokens_driver BPE_FILE`. Needs the Python packages regex and ftfy 6.3; says so and exits 77
where they are absent. Texts on which ftfy repairs mojibake are counted apart. Exits 1 where any ids
differ.
"""
import argparse
import html.entities
import importlib.util
import json
import os
import random
import shlex
import subprocess
import sys
import unicodedata

WORDS = """a photo of the dog's cat It's we'll they've I'm you're don't she'd 1st 2024 3.14 U.S.A. e-mail
caf\u00e9 na\u00efve \u00dcber stra\u00dfe \u0130stanbul \u03a3\u0395\u03a3 \u039f\u0394\u039f\u03a3 \u03a3. \u03c3\u03a3\u0301 A\u03a3' \u041c\u043e\u0441\u043a\u0432\u0430 \u6771\u4eac \u30ab\u30bf\u30ab\u30ca
\uff21\uff22\uff23 \uff76\uff9e \uff02 \uff07 \ufb01sh \ufb05op \u01c6 \u0149 '\u017faid <|startoftext|> <|endoftext|> <|\u017ftartoftext|> <|STARTOFTEXT|>
!'s ''s \u2019s \u201cquoted\u201d x<y a&b &amp;lt; &lt;b&gt; <br/> #tag @me \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u0345 \u1e9e\u0345a
e\u0301 \u1100\u1161\u11a8 \u212b \u212a \u2126 \u0344 \u0f73\u0f71 \u0958""".split()
MOJIBAKE = ["latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso-8859-2", "mac-roman", "cp437"]
CONTROLS = ["\r", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x1b[31m", "\x1b[\u0661;m", "\x1b", "\x00", "\x01", "\x1c", "\x7f", "\x85", "\x92", "\xa0", "\xad",
            "\u2028", "\u2029", "\u200b", "\u200d", "\u206a", "\u3000", "\u1680", "\ufeff", "\ufffa", "\ufffd", "\uffff", "\u180e"]


def pieces(rng, assigned):
    entities = sorted(html.entities.html5)

    def entity():
        kind = rng.randrange(6)
        name = rng.choice(entities)
        if kind == 0:
            return "&" + name
        if kind == 1:
            return "&" + name.rstrip(";") + rng.choice(["", ";", "x", "x;", "&", "\u00e9;"])
        if kind == 2:
            return "&" + name.upper()
        if kind == 3:
            return "&amp;" + name
        number = rng.choice([rng.randrange(0x120000), rng.randrange(0x100), rng.randrange(0x30000)])
        return rng.choice(["&#%d", "&#x%x", "&#X%X", "&#%d.", "&#0%d"]) % number + rng.choice([";", ";", ";", "", "a;"])

    def broken():
        for _ in range(20):
            try:
                text = "".join(rng.choice(rng.choice(WORDS + ["\u2019", "\u2014", "\u00e0 la", "\u20ac", "\u00a0", "\u30c4"])) for _ in range(rng.randrange(1, 4)))
                text = rng.choice([text, rng.choice(WORDS)])
                for _ in range(rng.choice([1, 1, 1, 2])):
                    text = text.encode().decode(rng.choice(MOJIBAKE), rng.choice(["strict", "strict", "replace", "ignore"]))
                return text
            except UnicodeDecodeError:
                pass
        return "\u00c3\u00a9"

    def cesu():
        pair = chr(rng.randrange(0x10000, 0x110000)).encode("utf-16-be")
        return b"".join(chr(int.from_bytes(pair[i:i + 2], "big")).encode("utf-8", "surrogatepass") for i in (0, 2)).decode("latin-1")

    def character():
        return chr(rng.choice(assigned))

    def block():
        first = rng.choice(assigned)
        return "".join(c for c in (chr(min(first + rng.randrange(40), 0x10ffff)) for _ in range(6)) if unicodedata.category(c) not in ("Cn", "Cs"))

    def latin():
        return "".join(chr(rng.randrange(0x20, 0x250)) for _ in range(rng.randrange(1, 6)))

    def marks():
        return "a" + "".join(chr(rng.choice((rng.randrange(0x300, 0x370), rng.choice(assigned)))) for _ in range(4))

    return [lambda: rng.choice(WORDS), lambda: " ", entity, broken, character, character, block, latin, marks, cesu,
            lambda: rng.choice(CONTROLS), lambda: chr(rng.randrange(0x20, 0x7f)) * rng.randrange(1, 4)]


def main():
    parser = argparse.ArgumentParser(description="Compares token ids with the oracle's.")
    parser.add_argument("--oracle", required=True, help="path of clip_oracle.py")
    parser.add_argument("--command", required=True, help="what makes the tokens")
    parser.add_argument("--vocab", default=os.environ.get("CLIP_VOCAB"), help="the oracle's BPE file")
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        import ftfy
        import regex  # noqa: F401: the oracle needs it
    except ImportError as error:
        print(f"skipped: {error}")
        sys.exit(77)
    spec = importlib.util.spec_from_file_location("oracle", options.oracle)
    oracle = importlib.util.module_from_spec(spec)
    sys.modules["oracle"] = oracle
    spec.loader.exec_module(oracle)
    tokenizer = oracle.Tokenizer(path=options.vocab)
    rng = random.Random(options.seed)
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")] + [0xe000, 0xf8ff, 0x100000]
    makers = pieces(rng, assigned)
    texts = []
    for _ in range(options.count):
        favourites = rng.sample(makers, rng.randrange(1, len(makers)))
        texts.append("".join(rng.choice(favourites)() for _ in range(rng.randrange(1, 12))).replace("\0", "\x01"))
    answer = subprocess.run(shlex.split(options.command) + ["-0"], stdout=subprocess.PIPE,
                            input=b"".join(t.encode() + b"\0" for t in texts), check=False)
    lines = answer.stdout.decode().split("\n")[:-1]
    if answer.returncode != 0 or len(lines) != len(texts):
        sys.exit(f"{options.command}: exit {answer.returncode}, {len(lines)} lines for {len(texts)} texts")
    clean = different = repaired = repaired_different = 0
    for text, line in zip(texts, lines):
        fires = ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False)
        want = tokenizer.encode(text)
        got = json.loads(line)
        wrong = (got["tokens"] if isinstance(got, dict) else got) != want
        if fires:
            repaired += 1
            repaired_different += wrong
        else:
            clean += 1
            different += wrong
        if wrong and different + repaired_different <= 20:
            print(f"differs{' (mojibake)' if fires else ''}: {ascii(text)}\n  got  {line}\n  want {want}")
    print(f"{clean} texts: {different} differ; {repaired} texts with mojibake that ftfy repairs: {repaired_different} differ")
    sys.exit(different + repaired_different > 0)


if __name__ == "__main__":
    main()
