#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/hdf5/*.h5: embedding files that h5py makes, good ones and wrong ones.

Usage: make_hdf5.py FOLDER        (python3 with h5py and numpy)
"""
import sys

import h5py
import numpy as np

ROWS = np.array([[1, 0, -0.5], [0.25, 2, 3]], dtype="<f4")
TEXT = h5py.string_dtype("utf-8")


def write(name, change=None, user_block=0, libver="earliest", track_order=None, **parts):
    """A good file, with `parts` in place of its datasets and attributes; None leaves one out."""
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "w", libver=libver, userblock_size=user_block,
                   track_order=track_order) as file:
        values = {
            "embedding": ROWS,
            "item": np.array(["a.jpg", "caf\u00e9"], dtype=object),
            "kind": np.array([0, 1], dtype="u1"),
        }
        attributes = {"format": "clip-embeddings", "version": 1, "model": "tiny@0123456789ab",
                      "normalized": 0, "logit_scale": 100.0, "tool": "h5py"}
        for key, value in parts.items():
            (values if key in ("embedding", "item", "kind", "extra") else attributes)[key] = value
        for key, value in attributes.items():
            if value is not None:
                file.attrs[key] = value
        for key, value in values.items():
            if value is None:
                continue
            if isinstance(value, dict):
                file.create_dataset(key, **value)
            elif value.dtype == object:
                file.create_dataset(key, data=value, dtype=TEXT)
            else:
                file.create_dataset(key, data=value)
        if change:
            change(file)


write("good")
write("good_other_types",
      embedding=dict(data=ROWS.astype(">f2"), chunks=(1, 3), compression="gzip"),
      item=np.array(["a.jpg".encode(), "caf\u00e9".encode()], dtype="S8"),
      kind=np.array([0, 1], dtype="i1"),
      extra=np.array(['{"id": 7}', ""], dtype=object),
      normalized=np.bool_(True), logit_scale=np.float32(14.5), version=np.int8(1),
      format=np.bytes_(b"clip-embeddings"), tool=None)
write("good_user_block", user_block=512, embedding=dict(data=ROWS, chunks=(1, 3)))
ITEMS = np.array(["a.jpg", "caf\u00e9"], dtype=object)
KINDS = np.array([0, 1], dtype="u1")
EXTRAS = np.array(['{"id": 7}', "{}"], dtype=object)
# What newer files have: other headers, and three ways to find chunks.
write("good_v108", libver=("v108", "v108"), track_order=True,
      embedding=dict(data=ROWS, chunks=(1, 2), maxshape=(None, 3)),
      item=dict(data=ITEMS, dtype=TEXT, chunks=(1,), compression="gzip"), extra=EXTRAS)
write("good_latest", libver="latest",
      embedding=dict(data=ROWS, chunks=(1, 2), maxshape=(None, 5), compression="gzip", shuffle=True,
                     fletcher32=True),
      item=dict(data=ITEMS, dtype=TEXT, chunks=(1,), maxshape=(3,), shuffle=True, compression="gzip"),
      kind=dict(data=KINDS, chunks=(2,)),
      extra=dict(data=EXTRAS, dtype=TEXT, chunks=(1,), maxshape=(None,)))
write("many_attributes", libver="latest", **{f"more_{i}": i for i in range(9)})
write("lzf", embedding=dict(data=ROWS, chunks=(1, 3), compression="lzf"))
write("good_empty", embedding=dict(shape=(0, 3), maxshape=(None, 3), dtype="<f4"),
      item=dict(shape=(0,), maxshape=(None,), dtype=TEXT),
      kind=dict(shape=(0,), maxshape=(None,), dtype="u1"))
write("no_format", format=None)
write("other_format", format="something-else")
write("version_2", version=2)
write("no_model", model=None)
write("no_embedding", embedding=None)
write("no_item", item=None)
write("no_kind", kind=None)
write("model_is_a_number", model=3)
write("logit_scale_is_nan", logit_scale=float("nan"))
write("rank_3", embedding=ROWS.reshape(2, 3, 1))
write("rank_1", embedding=ROWS.reshape(6))
write("scalar_item", item=dict(data="a", dtype=TEXT))
write("float64", embedding=ROWS.astype("<f8"))
write("int32", embedding=ROWS.astype("<i4"))
write("item_is_a_number", item=np.array([1, 2], dtype="u1"))
write("rows_differ", item=np.array(["a", "b", "c"], dtype=object))
write("kind_2", kind=np.array([0, 2], dtype="u1"))
write("not_finite", embedding=np.array([[0, 0, 0], [0, np.nan, 0]], dtype="<f4"))
write("item_not_utf8", item=np.array([b"a", b"caf\xe9"], dtype="S4"))
write("bad_escape", item=np.array(["file:%zz", "b"], dtype=object))
write("extra_is_no_object", extra=np.array(["{}", "[1]"], dtype=object))


def make_compact(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    for name, data, kind in (("embedding", ROWS, h5py.h5t.IEEE_F32LE),
                             ("item", ITEMS, h5py.h5t.py_create(TEXT, logical=True)),
                             ("kind", KINDS, h5py.h5t.STD_U8LE)):
        del file[name]
        space = h5py.h5s.create_simple(data.shape)
        h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, properties))[:] = data


write("good_compact", change=make_compact)
HUGE = 1 << 40
write("huge_and_empty", embedding=dict(shape=(HUGE, 3), maxshape=(None, 3), chunks=(4, 3), dtype="<f4"),
      item=dict(shape=(HUGE,), maxshape=(None,), chunks=(4,), dtype=TEXT),
      kind=dict(shape=(HUGE,), maxshape=(None,), chunks=(4,), dtype="u1"))
write("huge_contiguous", embedding=dict(shape=(HUGE, 3), dtype="<f4"))
write("huge_width", embedding=dict(shape=(2, HUGE), maxshape=(None, HUGE), chunks=(1, 1024), dtype="<f4"))
write("huge_chunk", embedding=dict(shape=(2, 3), maxshape=(None, 3), chunks=(1 << 27, 3), dtype="<f4"))


def link_softly(file):
    file.move("kind", "other")
    file["kind"] = h5py.SoftLink("/other")


write("soft_link", change=link_softly)


def replace_embedding_by_group(file):
    del file["embedding"]
    file.create_group("embedding")


write("embedding_is_a_group", change=replace_embedding_by_group)


def link_outside(file):
    del file["kind"]
    file["kind"] = h5py.ExternalLink("good.h5", "/kind")


write("external_link", change=link_outside)


def store_outside(file):
    del file["kind"]
    space = h5py.h5s.create_simple((2,))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_external(b"good.h5", 0, 2)
    h5py.h5d.create(file.id, b"kind", h5py.h5t.STD_U8LE, space, properties)


write("external_storage", change=store_outside)
