#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Embedding files as other people's tools see them: h5py, NumPy, h5dump, jq.

Usage: hdf5.py BUILD        (a build folder that holds lib/*/libclip_*.a; compiles hdf5_files.cpp)
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import drivers

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"hdf5.py: skipped: {error}")
    sys.exit(0)


def make_files(folder):
    subprocess.run([drivers.link("hdf5_files.cpp", sys.argv[1], folder), folder], check=True)


def check_hdf5(path, dtype, want):
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
        assert attributes == {"format": "clip-embeddings", "version": 1, "model": "tiny@0123456789ab",
                              "normalized": 1, "logit_scale": 100.0, "tool": "clip-embed 0.1",
                              "settings": "crop=center"}, attributes
        assert all(isinstance(attributes[key], str) for key in ("format", "model", "tool", "settings"))
        embedding = file["embedding"]
        assert embedding.dtype == dtype and embedding.shape == (1300, 512), embedding
        assert embedding.maxshape == (None, 512)
        assert embedding.chunks == ((1 << 20) // (512 * embedding.dtype.itemsize), 512)
        assert np.array_equal(embedding[:], want.astype(dtype))
        items = file["item"].asstr()[:]
        assert items[0] == "file:caf%E9 0", items[0]
        assert items[1] == "caf\u00e9 1"
        assert h5py.check_string_dtype(file["item"].dtype).encoding == "utf-8"
        assert file["kind"].dtype == np.uint8 and list(file["kind"][:4]) == [0, 1, 0, 1]
        extra = [json.loads(text) for text in file["extra"].asstr()[:]]
        assert extra == [{}] * 600 + [{"id": row} for row in range(600, 1300)]
        return list(items)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    make_files(folder)
    rows = [json.loads(line) for line in open(folder / "rows.jsonl", encoding="utf-8")]
    want = np.array([row["embedding"] for row in rows], dtype=np.float64).astype(np.float32)
    items = check_hdf5(folder / "f32.h5", "<f4", want)
    check_hdf5(folder / "f16.h5", "<f2", want)
    assert items == [row.get("path", row.get("text")) for row in rows]
    assert np.array_equal(np.load(folder / "f32.npy"), want)
    assert np.array_equal(np.load(folder / "f16.npy"), want.astype(np.float16))
    with h5py.File(folder / "f32.h5", "a") as file:  # extendable, as promised
        file["embedding"].resize(1301, axis=0)
    if shutil.which("h5dump"):
        text = subprocess.run(["h5dump", "-H", folder / "f16.h5"], check=True, capture_output=True,
                              text=True).stdout
        assert "16-bit little-endian floating-point" in text and "H5T_CSET_UTF8" in text
    else:
        print("hdf5.py: h5dump is absent: that part is skipped")
    if shutil.which("jq"):
        count = subprocess.run(["jq", "-c", ".embedding|length", folder / "rows.jsonl"], check=True,
                               capture_output=True, text=True).stdout.split()
        assert count == ["512"] * 1300
    else:
        print("hdf5.py: jq is absent: that part is skipped")
print("hdf5.py: ok")
