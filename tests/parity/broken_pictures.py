#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""10,000 pictures of which 1 % are broken in every way at hand: 9,900 rows, 100 named errors, status 1.

  broken_pictures.py --model FOLDER [--count 10000] [--keep FOLDER]

Needs Pillow, numpy and h5py; clip-embed is taken from PATH.
"""
import argparse, json, os, random, struct, subprocess, sys, tempfile, time, zlib
import h5py
import numpy as np
from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width, height):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def break_file(way, path, jpeg, png, webp):
    """Writes the `way`-th kind of broken picture."""
    ways = [
        lambda: b"",                                     # empty
        lambda: jpeg[:len(jpeg) // 2],                   # cut in the middle
        lambda: jpeg[:20],                               # cut in the header
        lambda: png[:len(png) // 2],
        lambda: png[:33],                                # a header and nothing else
        lambda: png[:60] + bytes(b ^ 255 for b in png[60:90]) + png[90:],   # wrong checksum
        lambda: b"This is a text, not a picture.\n" * 20,
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda: b"\0" * 4096,
        lambda: random.Random(7).randbytes(5000),
        lambda: png_claiming(100000, 100000),            # a bomb by its header
        lambda: png_claiming(0, 10),
        lambda: png_claiming(0x7fffffff, 0x7fffffff),
        lambda: webp[:len(webp) // 2],
        lambda: b"RIFF\x04\0\0\0WEBP",
        lambda: b"BM" + b"\xff" * 60,
        lambda: b"II*\0" + b"\xff" * 40,
        lambda: b"P6 999999 999999 255\n\0",
        lambda: b"\xff\xd8\xff\xd9",                     # a JPEG of two markers
    ]
    kind = way % (len(ways) + 3)
    if kind < len(ways):
        with open(path, "wb") as f:
            f.write(ways[kind]())
    elif kind == len(ways):
        os.mkdir(path)                                   # a folder named like a picture
    elif kind == len(ways) + 1:
        os.symlink("nowhere.jpg", path)                  # a link that leads nowhere
    # else: listed, but not there at all


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--count", type=int, default=10000)
    p.add_argument("--keep")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = a.keep or temp
        rng, paths, broken = np.random.default_rng(3), [], set()
        for i in range(a.count):
            kind = ("jpg", "png", "jpg", "webp", "png")[i % 5] if i % 100 != 57 else "jpg"
            path = os.path.join(folder, f"{i:05d}.{kind}")
            paths.append(path)
            if i % 100 == 57:
                broken.add(path)
                continue
            w, h = rng.integers(8, 65, 2)
            mode = ("RGB", "L", "RGB")[i % 3] if kind != "webp" else "RGB"
            pixels = rng.integers(0, 256, (h, w, 3) if mode == "RGB" else (h, w), dtype=np.uint8)
            Image.fromarray(pixels, mode).save(path)
        read = lambda suffix: open(next(q for q in paths if q.endswith(suffix) and q not in broken), "rb").read()
        for way, path in enumerate(sorted(broken)):
            break_file(way, path, read(".jpg"), read(".png"), read(".webp"))
        out, errors = os.path.join(temp, "out.h5"), os.path.join(temp, "errors.jsonl")
        start = time.time()
        done = subprocess.run(["clip-embed", "--quiet", "-m", a.model, "-o", out, "--errors", errors], text=True,
                              input="".join(q + "\n" for q in paths), stderr=subprocess.PIPE, check=False)
        seconds = time.time() - start
        with h5py.File(out) as f:
            items = [s.decode() if isinstance(s, bytes) else s for s in f["item"][:]]
            rows = f["embedding"].shape[0]
            finite = bool(np.isfinite(f["embedding"][:]).all())
        messages = [line for line in done.stderr.splitlines() if line.startswith("clip-embed: ")]
        named = sum(any(line.startswith(f"clip-embed: {q}: ") for line in messages) for q in broken)
        recorded = {json.loads(line)["path"] for line in open(errors)}
        good = items == [q for q in paths if q not in broken] and finite and named == len(broken) == len(messages) \
            and recorded == broken and done.returncode == 1
        print(f"{rows} rows of {a.count} pictures, {named} of {len(broken)} broken ones named, {len(messages)} messages, "
              f"status {done.returncode}, {seconds:.1f} s: {'as promised' if good else 'NOT as promised'}")
        if not good:
            print("\n".join(messages[:120]))
        sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
