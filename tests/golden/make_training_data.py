#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the folder training_data/ beside itself: archives by tarfile, a table by csv, and what is in them.

usage: make_training_data.py
"""
import csv
import io
import json
import os
import random
import tarfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training_data")
MEMBERS = [
    ("000.jpg", b"first picture"), ("000.txt", b"a first caption\n"),
    ("folder/with/depth/001.png", bytes(range(256)) * 2), ("folder/with/depth/001.json", b'{"caption": "b"}'),
    ("long/" + "d" * 60 + "/" + "e" * 60 + "/002.jpg", b"x" * 511), ("long/" + "d" * 60 + "/" + "e" * 60 + "/002.txt", b""),
    ("caf\u00e9 \u6771.jpg", b"y" * 513), ("../up.txt", b"climbs"),
    ("f" * 99, b"99"), ("g" * 100, b"100"), ("h" * 101, b"101"), ("i" * 300, b"300"),
]


def write_tar(name, kind):
    members = [m for m in MEMBERS if kind != tarfile.USTAR_FORMAT or len(m[0].encode()) <= 100 or "/" in m[0]]
    with tarfile.open(os.path.join(HERE, name), "w", format=kind) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "z" * (150 if kind != tarfile.USTAR_FORMAT else 20)
        tar.addfile(link)
        for path, content in members:
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(content), 1700000000.25 if kind == tarfile.PAX_FORMAT else 1700000000
            if kind == tarfile.PAX_FORMAT and path == "000.txt":
                info.pax_headers = {"comment": "a = b\nc"}
            tar.addfile(info, io.BytesIO(content))
    size = 0
    with tarfile.open(os.path.join(HERE, name)) as tar, open(os.path.join(HERE, name + ".jsonl"), "w") as out:
        for info in tar:
            if info.isreg():
                data = tar.extractfile(info).read()
                out.write(json.dumps({"name": info.name, "size": info.size, "first": info.offset, "data": info.offset_data,
                                      "sum": sum(data)}, ensure_ascii=False) + "\n")
                size = info.offset_data + (info.size + 511) // 512 * 512
    with open(os.path.join(HERE, name), "r+b") as tar:
        tar.truncate(size + 1024)


def write_table():
    rng = random.Random(8)
    pieces = ["a", "dog", ",", '"', '""', "\n", "\r\n", "\t", " ", "caf\u00e9", "'", ""]
    rows = [["".join(rng.choice(pieces) for _ in range(rng.randrange(8))) for _ in range(4)] for _ in range(60)]
    rows = [[f"{i}.jpg"] + row for i, row in enumerate(rows)]
    for name, ending in (("table.csv", "\r\n"), ("table_lf.csv", "\n")):
        with open(os.path.join(HERE, name), "w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator=ending).writerows(rows)
    with open(os.path.join(HERE, "table.jsonl"), "w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    for name, kind in (("ustar.tar", tarfile.USTAR_FORMAT), ("gnu.tar", tarfile.GNU_FORMAT), ("pax.tar", tarfile.PAX_FORMAT)):
        write_tar(name, kind)
    write_table()
