#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares prepared pictures with the oracle's, byte for byte.

  pixels.py --oracle ORACLE.py --command COMMAND

COMMAND is run as `COMMAND IMAGE -o FILE.npy --orientation exif|ignore`; the side of its output is
what the oracle is asked for. `clip-model pixels -m MODEL` is such a command, and so is the test
build's `clip_pixels_driver` (--size N). Needs Pillow and numpy; without them the lane is skipped.
Pictures are random and made here; the seed is fixed. PIXELS_COUNT sets how many of a kind
(default 24), PIXELS_ONLY names the first words of kinds, comma-separated. Exits 1 where anything
differs.
"""
import argparse, importlib.util, os, random, shlex, struct, subprocess, sys, tempfile, warnings, zlib

try:
    import numpy as np
    import PIL
    from PIL import Image, ImageOps
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)
parser = argparse.ArgumentParser()
parser.add_argument("--oracle", required=True)
parser.add_argument("--command", required=True, type=shlex.split)
arguments = parser.parse_args()
command = arguments.command
if not os.path.exists(arguments.oracle):
    print("skipped: no oracle")
    sys.exit(0)
warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = None

spec = importlib.util.spec_from_file_location("oracle", arguments.oracle)
oracle = importlib.util.module_from_spec(spec)
sys.modules["oracle"] = oracle
spec.loader.exec_module(oracle)
only = os.environ.get("PIXELS_ONLY", "").split(",") if os.environ.get("PIXELS_ONLY") else None
rng = random.Random(20)
nrng = np.random.default_rng(20)
with tempfile.TemporaryDirectory() as probe:
    Image.new("RGB", (8, 8)).save(f"{probe}/a.png")
    subprocess.run(command + [f"{probe}/a.png", "-o", f"{probe}/a.npy"], check=True)
    size = np.load(f"{probe}/a.npy").shape[-1]


def noise(w, h, channels):
    """Smooth colour with noise over it, so that both filters and clipping are exercised."""
    small = nrng.integers(0, 256, (max(h // 9, 1), max(w // 9, 1), channels), dtype=np.uint8)
    y, x = np.arange(h) * small.shape[0] // h, np.arange(w) * small.shape[1] // w
    big = small[y][:, x].astype(np.int16) + nrng.integers(-60, 60, (h, w, channels))
    return np.clip(big, 0, 255).astype(np.uint8)


def rgb(w, h):
    return Image.fromarray(noise(w, h, 3))


def rgba(w, h):
    return Image.fromarray(noise(w, h, 4), "RGBA")


def grey(w, h):
    return Image.fromarray(noise(w, h, 1)[:, :, 0])


def la(w, h):
    return Image.fromarray(noise(w, h, 2), "LA")


def grey16(w, h):
    return Image.fromarray(noise(w, h, 1)[:, :, 0].astype(np.uint16) * rng.choice([1, 2, 257]))


def cmyk(w, h):
    return Image.fromarray(noise(w, h, 4), "CMYK")


def palette(w, h):
    return rgb(w, h).quantize(rng.choice([2, 3, 16, 200, 256]))


class Raw:
    """A file that Pillow reads but does not write."""
    def __init__(self, data):
        self.data = data

    def save(self, path):
        with open(path, "wb") as f:
            f.write(self.data)


def raw_png(depth, colour, interlaced):
    """PNG of any depth and colour type, with Adam7 interlacing and all five filters."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def rows(samples):                      # (h, w, channels) -> filtered rows
        out = b""
        before = None
        step = max(channels * depth // 8, 1)
        for line in samples:
            if depth == 16:
                line = np.frombuffer(line.astype(">u2").tobytes(), np.uint8)
            else:
                bits = np.unpackbits(line.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth:]
                line = np.packbits(bits.reshape(-1))
            line = line.astype(np.int32)
            before = np.zeros_like(line) if before is None else before
            left = np.concatenate([np.zeros(step, np.int32), line[:-step]])[:len(line)]
            corner = np.concatenate([np.zeros(step, np.int32), before[:-step]])[:len(line)]
            p = left + before - corner
            pa, pb, pc = abs(p - left), abs(p - before), abs(p - corner)
            paeth = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, before, corner))
            kind = rng.randrange(5)
            guess = [0 * line, left, before, (left + before) // 2, paeth][kind]
            out += bytes([kind]) + ((line - guess) & 255).astype(np.uint8).tobytes()
            before = line
        return out

    def make(w, h):
        top = 2 ** depth
        samples = nrng.integers(0, top, (h, w, channels))
        colours = b""
        if colour == 3:
            count = rng.randint(2, top)
            samples %= count
            colours = chunk(b"PLTE", nrng.integers(0, 256, 3 * count, dtype=np.uint8).tobytes())
        if interlaced:
            passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
            parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes]
            data = b"".join(rows(part) for part in parts if part.size)
        else:
            data = rows(samples)
        header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
        return Raw(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colours +
                   chunk(b"IDAT", zlib.compress(data, 1)) + chunk(b"IEND", b""))
    return make


def raw_pnm(kind, top):
    def make(w, h):
        channels = 3 if kind in (3, 6) else 1
        samples = nrng.integers(0, top + 1, (h, w, channels))
        if kind < 4:                        # Pillow 9.4 cuts numbers where a block of 1 MB ends
            w, h = min(w, 250), min(h, 250)
            samples = samples[:h, :w]
        head = f"P{kind}\n# made for a test\n{w} {h}\n" + (f"{top}\n" if kind != 1 else "")
        if kind < 4:
            return Raw((head + "\n".join(" ".join(map(str, r.reshape(-1))) for r in samples) + "\n").encode())
        return Raw(head.encode() + samples.astype(">u2" if top > 255 else np.uint8).tobytes())
    return make


# name: (suffix, picture, options of save)
KINDS = {
    "png rgb": (".png", rgb, {}),
    "png grey": (".png", grey, {}),
    "png palette": (".png", palette, {}),
    "png palette with transparency": (".png", palette, {"transparency": 1}),
    "png rgba": (".png", rgba, {}),
    "png grey and alpha": (".png", la, {}),
    "png 1 bit": (".png", lambda w, h: grey(w, h).convert("1"), {}),
    "png 16-bit grey": (".png", grey16, {}),
    "png rgb transparent colour": (".png", rgb, {"transparency": (1, 2, 3)}),
    "jpeg rgb": (".jpg", rgb, {"quality": 85}),
    "jpeg 4:4:4": (".jpg", rgb, {"subsampling": 0}),
    "jpeg 4:2:2": (".jpg", rgb, {"subsampling": 1}),
    "jpeg progressive": (".jpg", rgb, {"progressive": True}),
    "jpeg grey": (".jpg", grey, {}),
    "jpeg progressive grey": (".jpg", grey, {"progressive": True}),
    "jpeg cmyk": (".jpg", cmyk, {}),
    "gif": (".gif", palette, {}),
    "gif interlaced": (".gif", palette, {"interlace": True}),
    "gif grey": (".gif", grey, {}),
    "bmp rgb": (".bmp", rgb, {}),
    "bmp grey": (".bmp", grey, {}),
    "bmp palette": (".bmp", palette, {}),
    "bmp 1 bit": (".bmp", lambda w, h: grey(w, h).convert("1"), {}),
    "bmp rgba": (".bmp", rgba, {}),
    "ppm rgb": (".ppm", rgb, {}),
    "pgm grey": (".pgm", grey, {}),
    "pgm 16-bit": (".pgm", lambda w, h: Image.fromarray(np.asarray(grey16(w, h), np.int32)), {}),
    "pbm": (".pbm", lambda w, h: grey(w, h).convert("1"), {}),
    "webp rgb": (".webp", rgb, {"quality": 80}),
    "webp lossless": (".webp", rgb, {"lossless": True}),
    "webp rgba": (".webp", rgba, {"lossless": True, "exact": True}),
    "webp rgba lossy": (".webp", rgba, {"quality": 80}),
    "webp animated": (".webp", rgb, {"save_all": True, "append_images": []}),
    "tiff rgb": (".tif", rgb, {}),
    "tiff rgb lzw": (".tif", rgb, {"compression": "tiff_lzw"}),
    "tiff rgb deflate": (".tif", rgb, {"compression": "tiff_deflate"}),
    "tiff grey": (".tif", grey, {}),
    "tiff palette": (".tif", palette, {}),
    "tiff 1 bit": (".tif", lambda w, h: grey(w, h).convert("1"), {}),
    "tiff rgba": (".tif", rgba, {}),
    "tiff cmyk": (".tif", cmyk, {}),
    "tiff grey and alpha": (".tif", la, {}),
    "jpeg 2000 lossless": (".jp2", rgb, {}),
    "jpeg 2000 rgba": (".jp2", rgba, {}),
    "jpeg 2000 grey": (".jp2", grey, {}),
    "pgm maximum 100": (".pgm", raw_pnm(5, 100), {}),
    "pgm maximum 1000": (".pgm", raw_pnm(5, 1000), {}),
    "ppm maximum 100": (".ppm", raw_pnm(6, 100), {}),
    "ppm maximum 65535": (".ppm", raw_pnm(6, 65535), {}),
    "pbm plain": (".pbm", raw_pnm(1, 1), {}),
    "pgm plain": (".pgm", raw_pnm(2, 255), {}),
    "ppm plain": (".ppm", raw_pnm(3, 255), {}),
}
# What OpenCV hands over is not what Pillow starts from: told apart, and not counted.
KNOWN = {"tiff cmyk": "OpenCV converts to RGB before the resize", "tiff grey and alpha": "OpenCV drops alpha"}
for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
    for depth in depths:
        for interlaced in False, True:
            name = f"png type {colour} of {depth} bits{' interlaced' if interlaced else ''}"
            KINDS[name] = (".png", raw_png(depth, colour, interlaced), {})


def sizes(count):
    yield from [(1, 1), (1, 7), (7, 1), (size, size), (size, size + 1), (size + 1, size), (size - 1, size)]
    for _ in range(count - 7):
        if rng.random() < 0.3:
            yield rng.randint(1, 64), rng.randint(1, 64)
        else:
            yield rng.randint(30, 900), rng.randint(30, 900)


def ours(path, orientation):
    out = path + ".npy"
    run = subprocess.run(command + [path, "-o", out, "--orientation", orientation],
                         capture_output=True, text=True, errors="replace")
    if run.returncode:
        return run.stderr.strip()
    return np.load(out)


def same(got, want):
    return not isinstance(got, str) and got.dtype == want.dtype and got.tobytes() == want.tobytes()


def explain(got, want):
    if isinstance(got, str):
        return got
    return f"{int((got != want).sum())} of {want.size} values, up to {np.abs(got - want).max():.4f}"


compared = different = refused = 0


def compare(name, path, orientation, want_path=None):
    global compared, different, refused
    try:
        want = oracle.preprocess(want_path or path, size)
    except Exception as error:
        print(f"refused by Pillow: {name} {os.path.basename(path)}: {error}")
        refused += 1
        return 0
    got = ours(path, orientation)
    if name in KNOWN:
        return int(not same(got, want))
    compared += 1
    if not same(got, want):
        different += 1
        if different <= 40:
            print(f"different: {name} {os.path.basename(path)} {Image.open(path).size}: {explain(got, want)}")
        return 1
    return 0


count = int(os.environ.get("PIXELS_COUNT", "24"))
with tempfile.TemporaryDirectory() as folder:
    for kind, (suffix, make, options) in KINDS.items():
        if only and not any(kind.startswith(o) for o in only):
            continue
        wrong = 0
        for number, (w, h) in enumerate(sizes(count)):
            path = os.path.join(folder, f"{number}{suffix}")
            picture = make(w, h)
            picture.save(path, **options)
            wrong += compare(kind, path, "ignore")
            os.remove(path)
        note = f" (known, not counted: {KNOWN[kind]})" if kind in KNOWN else ""
        print(f"{kind}: {count} pictures, {wrong} different{note}", flush=True)

    if not only or "orientation" in only:
        wrong = 0
        for suffix in ".jpg", ".png":
            for orientation in range(1, 9):
                for w, h in (rng.randint(40, 700), rng.randint(40, 700)), (301, 224), (5, 9):
                    exif = Image.Exif()
                    exif[0x0112] = orientation
                    path = os.path.join(folder, f"turned-{orientation}{suffix}")
                    rgb(w, h).save(path, exif=exif)
                    flat = os.path.join(folder, "flat.png")
                    turned = ImageOps.exif_transpose(Image.open(path))
                    turned.save(flat, exif=b"")
                    wrong += compare(f"orientation {orientation}", path, "exif", flat)
        print(f"orientation 1 to 8: {wrong} different", flush=True)

    if not only or "panorama" in only:
        wrong = 0
        for w, h in (30000, 20), (20, 30000), (6000, 300), (300, 6000):
            for suffix in ".png", ".jpg":
                path = os.path.join(folder, f"panorama{suffix}")
                rgb(w, h).save(path)
                if w * h < 1000000:
                    # Pillow makes the whole resized picture: 336,000 x 224 is what it can do
                    wrong += compare("panorama", path, "ignore")
        print(f"panoramas: {wrong} different", flush=True)

print(f"Pillow {PIL.__version__}: {compared} compared, {different} different, {refused} refused by Pillow")
sys.exit(1 if different else 0)
