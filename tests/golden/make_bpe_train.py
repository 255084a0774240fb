#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes bpe_train_words.txt, bpe_train_merges.txt and bpe_train_ids.jsonl beside itself.

Words with counts; the merges that the package tokenizers learns from them; the ids that
transformers' CLIPTokenizer gives texts with these merges. Python needs tokenizers and
transformers (and ftfy, so that texts are cleaned as CLIP does it).

Both trainers take the smaller pair among equally frequent ones, but number their symbols
differently. Merges are written up to the first step at which two pairs are equally frequent.
"""
import collections
import json
import os
import random
import tempfile

import tokenizers
import transformers
from tokenizers import models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
SUFFIX = "</w>"


def make_words():
    """Words whose counts are drawn, so that pairs are rarely equally frequent."""
    rng = random.Random(4)
    parts = list("aaaabcdeeefghiinoorstt'!.\"\\7") + ["an", "the", "ing", "caf\u00e9", "\u00e9", "\u00e8", "\u00e0", "\u0429",
                                                   "\u0169", "\u4e09", "\u4e49", "\u5e09", "\u4e32", "\u5e72"]
    words = {}
    while len(words) < 500:
        word = "".join(rng.choice(parts) for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 6])))
        words[word] = int(rng.random() ** 3 * 30000) + 1
    return words


def byte_letters():
    printable = [b for b in range(256) if 33 <= b <= 126 or (b >= 161 and b != 173)]
    letters = {b: chr(b) for b in printable}
    letters.update({b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in letters)})
    return letters, printable + [b for b in range(256) if b not in printable]


def train(words, size):
    tokenizer = tokenizers.Tokenizer(models.BPE(end_of_word_suffix=SUFFIX))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, end_of_word_suffix=SUFFIX, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((" ".join([word] * count) for word, count in words.items()), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]


def without_ties(words, merges):
    """The merges before the first tie, each checked to be the most frequent pair."""
    letters, _ = byte_letters()
    split = []
    for word, count in words.items():
        symbols = [letters[b] for b in word.encode()]
        symbols[-1] += SUFFIX
        split.append((symbols, count))
    for step, merge in enumerate(merges):
        counts = collections.Counter()
        for symbols, count in split:
            for pair in zip(symbols, symbols[1:]):
                counts[pair] += count
        (best, most), (_, second) = counts.most_common(2)
        if most == second:
            return merges[:step]
        assert best == merge, (step, best, merge)
        for symbols, _ in split:
            at = 0
            while at + 1 < len(symbols):
                if (symbols[at], symbols[at + 1]) == merge:
                    symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
                at += 1
    return merges


def ids_of(merges, texts):
    letters, order = byte_letters()
    vocabulary = [letters[b] for b in order] + [letters[b] + SUFFIX for b in order]
    vocabulary += ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        vocab_file, merges_file = os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")
        with open(vocab_file, "w") as out:
            json.dump({word: i for i, word in enumerate(vocabulary)}, out)
        with open(merges_file, "w", encoding="utf-8") as out:
            out.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
            json.dump({"tokenizer_class": "CLIPTokenizer"}, out)
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
        return [tokenizer(text)["input_ids"] for text in texts]


def main():
    words = make_words()
    merges = without_ties(words, train(words, 256 + 256 + 300))
    with open(os.path.join(HERE, "bpe_train_words.txt"), "w", encoding="utf-8") as out:
        out.writelines(f"{count} {word}\n" for word, count in words.items())
    with open(os.path.join(HERE, "bpe_train_merges.txt"), "w", encoding="utf-8") as out:
        out.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    texts = ["a photo of a dog", "The banana's re-staging", "caf\u00e9 \u6771\u4eac \u041c\u043e\u0441\u043a\u0432\u0430",
             "anananan!?!?... 77 \"quoted\" \\ back", "\U0001f600 zzz #<#", "cat" * 9, "it's the other thing", ""]
    with open(os.path.join(HERE, "bpe_train_ids.jsonl"), "w", encoding="utf-8") as out:
        for text, ids in zip(texts, ids_of(merges, texts)):
            out.write(json.dumps({"text": text, "tokens": ids}, ensure_ascii=False) + "\n")
    print(len(merges), "merges; tokenizers", tokenizers.__version__, "transformers", transformers.__version__)


if __name__ == "__main__":
    main()
