#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Embedding files in every shape that h5py can give them, read by this toolkit and by h5py.

Usage: hdf5_variants.py BUILD        (a build folder that holds lib/*/libclip_*.a)
       hdf5_variants.py --make FOLDER        only writes the files, for fuzz_hdf5.py
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import drivers

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"hdf5_variants.py: skipped: {error}")
    sys.exit(0)

N, D = 700, 24
ROWS = np.random.default_rng(1).standard_normal((N, D)).astype("<f4")
ITEMS = [f"photos/{i}.jpg" if i % 3 else f"a caf\u00e9 {i} " + "x" * (i % 300) for i in range(N)]
KINDS = np.array([0 if i % 3 else 1 for i in range(N)], "u1")
EXTRAS = ['{"id":%d}' % i if i % 2 else "{}" for i in range(N)]
TEXT = h5py.string_dtype("utf-8")
UNREAD = ("lzf", "both-v110", "both-latest", "many-latest")  # refused by name


def fill(file, count=N, dtype="<f4", fixed=False, embedding=None, texts=None, kinds=None):
    for key, value in dict(format="clip-embeddings", version=1, model="m@1", normalized=1,
                           logit_scale=100.0, tool="h5py").items():
        file.attrs[key] = value
    file.create_dataset("embedding", data=ROWS[:count].astype(dtype), **embedding or {})
    items = np.array([text.encode() for text in ITEMS[:count]], dtype="S400" if fixed else object)
    file.create_dataset("item", data=items, dtype=None if fixed else TEXT, **texts or {})
    file.create_dataset("kind", data=KINDS[:count], **kinds or {})
    file.create_dataset("extra", data=np.array(EXTRAS[:count], dtype=object), dtype=TEXT, **texts or {})


def make_files(folder):
    def make(name, libver, options=None, **parts):
        with h5py.File(f"{folder}/{name}.h5", "w", libver=libver, **options or {}) as file:
            fill(file, **parts)

    for label, libver in (("earliest", "earliest"), ("v108", ("v108", "v108")),
                          ("v110", ("v110", "v110")), ("latest", "latest")):
        def variant(name, *parts, label=label, libver=libver, options=None, **others):
            keys = ("embedding", "texts", "kinds")
            make(f"{name}-{label}", libver, options, **dict(zip(keys, parts)), **others)

        rows, grows = dict(chunks=(64, D)), dict(maxshape=(None, D))
        text = dict(chunks=(50,), maxshape=(None,))
        packed = dict(compression="gzip", shuffle=True, fletcher32=True)
        variant("contiguous")
        variant("chunks", rows | grows, text, text)
        variant("bounded", dict(chunks=(64, D), maxshape=(5000, D)), dict(chunks=(50,)), dict(chunks=(3,)))
        deflated = dict(compression="gzip", shuffle=True)  # fletcher32 is not for references
        variant("gzip", rows | grows | packed, text | deflated, dict(chunks=(50,), fletcher32=True))
        variant("gzip-cut", dict(chunks=(64, 7), compression="gzip"), dict(chunks=(50,)) | deflated)
        variant("cut", dict(chunks=(33, 5)) | grows)
        variant("cut-wider", dict(chunks=(33, 5), maxshape=(None, 50)))
        variant("cut-bounded", dict(chunks=(33, 5), maxshape=(900, 50)))
        variant("both", dict(chunks=(33, 5), maxshape=(None, None)))
        variant("single", dict(chunks=(N, D)), dict(chunks=(N,)), dict(chunks=(N,)))
        variant("single-gzip", dict(chunks=(N, D)) | packed, dict(chunks=(N,), compression="gzip"))
        variant("tiny-chunks", dict(chunks=(1, 1)) | grows, dict(chunks=(1,)), dict(chunks=(1,)))
        variant("guessed", dict(chunks=True) | grows, dict(chunks=True))
        variant("half", dtype="<f2")
        variant("big-endian-half", dtype=">f2")
        variant("big-endian", dict(chunks=True), dtype=">f4")
        variant("fixed-strings", fixed=True)
        variant("user-block", rows, options=dict(userblock_size=1024))
        variant("tracked", options=dict(track_order=True))
        if label != "v108":
            variant("paged", options=dict(fs_strategy="page", fs_persist=True))
    make("lzf", "earliest", embedding=dict(chunks=(64, D), compression="lzf"))
    make("empty", "earliest", count=0)
    for libver in ("earliest", "latest"):  # a long list of attributes and of other datasets
        make(f"many-{libver}", libver)
        with h5py.File(f"{folder}/many-{libver}.h5", "a", libver=libver) as file:
            for i in range(200):
                file.attrs[f"other {i}"] = i
                if libver == "earliest":
                    file[f"other {i}"] = i
    with h5py.File(f"{folder}/shrunk.h5", "w") as file:
        fill(file, embedding=dict(chunks=(32, D), maxshape=(None, D)),
             texts=dict(chunks=(32,), maxshape=(None,)), kinds=dict(chunks=(32,), maxshape=(None,)))
        for name in ("embedding", "item", "kind", "extra"):
            file[name].resize(333, axis=0)


def make_long_file(path):
    """So many chunks that the arrays of the newest format have pages and super blocks."""
    count = 140000
    with h5py.File(path, "w", libver="latest") as file:
        fill(file, count=0, embedding=dict(chunks=(1, 2), maxshape=(None, D)),
             texts=dict(chunks=(1,), maxshape=(3 * count,)),
             kinds=dict(chunks=(1,), maxshape=(None,), fletcher32=True))
        del file["embedding"]
        file.create_dataset("embedding", data=np.arange(2 * count, dtype="<f4").reshape(count, 2),
                            chunks=(1, 2), maxshape=(None, 2))
        for name, value in (("item", [str(i) for i in range(count)]), ("extra", ["{}"] * count),
                            ("kind", [1] * count)):
            file[name].resize(count, axis=0)
            file[name][:] = value


def check(program, path):
    name = path.stem
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    if name in UNREAD:
        assert done.returncode == 1 and "this build does not read" in done.stderr, (name, done.stderr)
        return
    assert done.returncode == 0, (name, done.stderr)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    with h5py.File(path) as file:
        rows = file["embedding"][:].astype("<f4")
        got = np.array([record["embedding"] for record in records], "<f8").astype("<f4")
        assert np.array_equal(got.reshape(rows.shape), rows), name
        kinds = file["kind"][:]
        assert [record.get("path", record.get("text")) for record in records] == list(
            file["item"].asstr("utf-8")[:]), name
        assert ["text" in record for record in records] == [kind == 1 for kind in kinds], name
        extras = [json.loads(extra) for extra in file["extra"].asstr("utf-8")[:]]
        assert [{k: v for k, v in record.items() if k == "id"} for record in records] == extras, name


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make_files(sys.argv[2])
        sys.exit(0)
    with tempfile.TemporaryDirectory() as temporary:
        here = pathlib.Path(temporary)
        driver = drivers.link("hdf5_fuzz.cpp", sys.argv[1], here)
        make_files(here)
        make_long_file(here / "long.h5")
        files = sorted(here.glob("*.h5"))
        for one in files:
            check(driver, one)
        print(f"hdf5_variants.py: ok: {len(files)} files, of which {len(UNREAD)} are refused by name")
