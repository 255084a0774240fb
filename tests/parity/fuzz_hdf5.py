#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads thousands of broken embedding files under sanitizers; none may crash.

Usage: fuzz_hdf5.py BUILD [COUNT [FIRST]]        (COUNT mutants, by default 3000, from number FIRST)

The files that are broken: those of tests/golden/hdf5, one that this toolkit writes and, where there
is h5py, those of hdf5_variants.py. Mutant N is the same whenever these files are: see hdf5_fuzz.cpp.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import drivers

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
FIRST = int(sys.argv[3]) if len(sys.argv) > 3 else 0
READER = ("io/hdf5/*.cpp", "io/embedding_columns.cpp", "io/embedding_reader.cpp", "io/embedding_jsonl.cpp",
          "io/input_record.cpp", "io/json_text.cpp", "io/path_escape.cpp", "io/utf8.cpp", "base/error.cpp",
          "base/dtype.cpp")

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    seeds = folder / "seeds"
    seeds.mkdir()
    jobs = os.cpu_count() or 1
    program = drivers.compile_sanitized("hdf5_fuzz.cpp", READER, folder, jobs)
    for path in (drivers.ROOT / "tests" / "golden" / "hdf5").glob("good*.h5"):
        shutil.copy(path, seeds)
    subprocess.run([drivers.link("hdf5_files.cpp", sys.argv[1], folder), "--small", seeds], check=True)
    subprocess.run([sys.executable, drivers.HERE / "hdf5_variants.py", "--make", seeds], check=True)
    os.environ["ASAN_OPTIONS"] = "max_allocation_size_mb=2048:detect_leaks=0"
    os.environ["TMPDIR"] = name
    share = -(-COUNT // min(jobs, COUNT))
    running = [subprocess.Popen([program, seeds, str(first), str(min(share, FIRST + COUNT - first))])
               for first in range(FIRST, FIRST + COUNT, share)]
    failed = [process.wait() for process in running]
    if any(failed):
        print(f"fuzz_hdf5.py: FAILED; one mutant again: fuzz_hdf5.py {sys.argv[1]} 1 NUMBER")
        sys.exit(1)
print(f"fuzz_hdf5.py: ok: {COUNT} mutants, none crashed")
