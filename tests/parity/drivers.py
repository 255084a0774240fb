# SPDX-License-Identifier: MIT
"""Compiles the small drivers beside this file, for the scripts beside it."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def link(source, build, folder):
    """`source` with the libraries of a build folder; returns the program, in `folder`."""
    libraries = [next(pathlib.Path(build).rglob(f"libclip_{name}.a")) for name in ("io", "tensor", "base")]
    hdf5 = [f"-L/usr/lib/{machine}-linux-gnu/hdf5/serial" for machine in ("x86_64", "aarch64")]
    program = pathlib.Path(folder) / pathlib.Path(source).stem
    subprocess.run(["g++", "-std=c++20", "-O1", f"-I{ROOT / 'lib'}", HERE / source, *libraries, *hdf5,
                    "-lhdf5", "-lz", "-lpthread", "-o", program], check=True)
    return program


def compile_sanitized(source, parts, folder, jobs):
    """`source` with the files of lib/ that match `parts`, under sanitizers."""
    flags = ["g++", "-std=c++20", "-O1", "-g", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=all", f"-I{ROOT / 'lib'}"]
    files = [HERE / source] + [path for part in parts for path in sorted((ROOT / "lib").glob(part))]
    objects, running = [], []
    for number, path in enumerate(files):
        objects.append(f"{folder}/{number}.o")
        running.append(subprocess.Popen([*flags, "-c", path, "-o", objects[-1]]))
        if len(running) == jobs or path is files[-1]:
            for process in running:
                if process.wait() != 0:
                    raise RuntimeError(f"{process.args} failed")
            running = []
    program = pathlib.Path(folder) / (pathlib.Path(source).stem + "_sanitized")
    subprocess.run([*flags, *objects, "-lz", "-lpthread", "-o", program], check=True)
    return program
