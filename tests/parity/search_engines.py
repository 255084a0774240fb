#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What clip-rank exports, as the engines themselves read it.

  search_engines.py faiss         (FAISS_PYTHON: a python3 with faiss and numpy, by default this one)
  search_engines.py postgresql    (PG_BIN: the folder of initdb, by default the newest that Debian has)

clip-rank is taken from PATH. PostgreSQL runs in a temporary folder, on a unix socket only, and never
as root. A column of pgvector's type is checked where the server offers that extension.
"""
import glob, json, os, pwd, re, shutil, subprocess, sys, tempfile
import h5py
import numpy as np

ROWS, WIDTH, MODEL, BEST = 3000, 48, "parity@0123456789ab", 10
PATHS = [b"tab\there.png", b"line\nbreak.png", b"cr\r.png", b"back\\slash\\n.png", b"\\N", b"\\.", b"quote'\"`$(x).png",
         b"caf\xe9 \xff.png", "caf\u00e9 \U0001f600.png".encode(), b"file:begins.png", b"\x01\x08\x0b\x0c\x1f\x7f",
         b" spaces ", b"{}", b"100%25.png", b"trailing\\"]
TEXTS = ["", "\\.", "\\N", "tab\tnewline\n\\ '\" {} \u00e9 \U0001f600", "\x01\x7f", "null", "file:%41"]
EXTRAS = [{"id": 7, "note": "tab\t\"quoted\" back\\slash \n \u00e9"}, {"b": [1, {"c": None}], "\\k\t": "\\N"}, {"text": "\\t"},
          {"big": 12345678901234567890, "small": 1e-30, "no": False}]


def spelling(path):
    """A path as JSON and HDF5 have it."""
    try:
        if not path.startswith(b"file:"):
            return path.decode("utf-8", "strict")
    except UnicodeDecodeError:
        pass
    return "file:" + "".join(chr(b) if 0x20 <= b <= 0x7e and b != 0x25 else f"%{b:02X}" for b in path)


class Library:
    """Candidates in an HDF5 file of float32, one of float16, and JSON lines, and what they are."""

    def __init__(self, folder):
        rng = np.random.default_rng(11)
        self.raw = (rng.normal(size=(ROWS, WIDTH)) * np.exp(rng.uniform(-9, 9, size=(ROWS, 1)))).astype(np.float32)
        third = ROWS // 3
        half = (self.raw[third:2 * third] / np.abs(self.raw[third:2 * third]).max(1, keepdims=True)).astype(np.float16)
        self.raw[third:2 * third] = half
        self.queries = rng.normal(size=(20, WIDTH)).astype(np.float32)
        self.items = []
        for i in range(ROWS):
            if i % 5 == 4:
                item = {"text": TEXTS[i // 5 % len(TEXTS)] + (f"\t{i}" if i >= 5 * len(TEXTS) else "")}
            else:
                item = {"path": spelling(PATHS[i % len(PATHS)] + (b"" if i < len(PATHS) else b"\n%d" % i))}
            extra = EXTRAS[i // 3 % len(EXTRAS)] if i % 3 == 0 else {}
            self.items.append((item, extra if "path" in item else {k: v for k, v in extra.items() if k != "text"}))
        self.files = [os.path.join(folder, name) for name in ("single.h5", "half.h5", "list.jsonl")]
        self.write_hdf5(self.files[0], 0, self.raw[:third])
        self.write_hdf5(self.files[1], third, half)
        self.write_lines(self.files[2], 2 * third, ROWS)
        self.query_file = os.path.join(folder, "queries.jsonl")
        with open(self.query_file, "w") as out:
            for i, query in enumerate(self.queries):
                out.write(json.dumps({"text": str(i), "model": MODEL, "embedding": query.tolist()}) + "\n")
        exact = self.raw.astype(np.float64)
        self.unit = exact / np.sqrt((exact ** 2).sum(1, keepdims=True))
        wanted = self.queries.astype(np.float64)
        self.cosines = wanted / np.sqrt((wanted ** 2).sum(1, keepdims=True)) @ self.unit.T
        self.best = np.argsort(-self.cosines, axis=1, kind="stable")[:, :BEST]

    def write_hdf5(self, path, first, rows):
        with h5py.File(path, "w") as file:
            file.attrs.update({"format": "clip-embeddings", "version": 1, "model": MODEL, "normalized": 0,
                               "logit_scale": 100.0, "tool": "parity", "settings": ""})
            file.create_dataset("embedding", data=rows, chunks=(100, WIDTH), maxshape=(None, WIDTH))
            items = self.items[first:first + len(rows)]
            kind = h5py.string_dtype()
            file.create_dataset("item", data=[next(iter(item.values())) for item, _ in items], dtype=kind)
            file.create_dataset("kind", data=np.array(["text" in item for item, _ in items], np.uint8))
            file.create_dataset("extra", data=[json.dumps(extra) for _, extra in items], dtype=kind)

    def write_lines(self, path, first, end):
        with open(path, "w") as out:
            for i in range(first, end):
                item, extra = self.items[i]
                out.write(json.dumps({**item, **extra, "model": MODEL, "embedding": self.raw[i].tolist()}) + "\n")


def run(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **kwargs)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


READER = """
import faiss, numpy as np, sys
index = faiss.read_index(sys.argv[1])
assert isinstance(index, faiss.IndexFlat) and index.is_trained and index.metric_type == faiss.METRIC_INNER_PRODUCT
queries = np.load(sys.argv[2])
scores, ids = index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), int(sys.argv[4]))
np.savez(sys.argv[3], rows=index.reconstruct_n(0, index.ntotal), scores=scores, ids=ids)
faiss.write_index(index, sys.argv[1] + ".again")
other = faiss.index_factory(index.d, "IVF16,Flat", faiss.METRIC_INNER_PRODUCT)
other.train(index.reconstruct_n(0, index.ntotal)); other.add(index.reconstruct_n(0, index.ntotal)); other.nprobe = 16
assert (other.search(queries, 1)[1][:, 0] == ids[:, 0]).all()
print(faiss.__version__)
"""


def check_faiss(folder):
    library, index = Library(folder), os.path.join(folder, "a.faiss")
    run(["clip-rank", "--export-faiss", index, *library.files])
    np.save(os.path.join(folder, "queries.npy"), library.queries)
    version = run([os.environ.get("FAISS_PYTHON") or sys.executable, "-c", READER, index, os.path.join(folder, "queries.npy"),
                   os.path.join(folder, "read.npz"), str(BEST)]).decode().strip()
    assert open(index, "rb").read() == open(index + ".again", "rb").read(), "Faiss writes other bytes"
    with open(index + ".items.jsonl") as lines:
        items = [json.loads(line) for line in lines]
    assert items == [{**item, **extra} for item, extra in library.items], "items"
    read = np.load(os.path.join(folder, "read.npz"))
    assert read["rows"].shape == (ROWS, WIDTH)
    rows = np.abs(read["rows"] - library.unit).max()
    assert rows <= 2 ** -24, rows  # half a unit in the last place below 1: rounded once
    assert (read["ids"] == library.best).all(), "ids of the best"
    scores = np.abs(read["scores"] - np.take_along_axis(library.cosines, library.best, 1)).max()
    assert scores <= 1e-6, scores
    hits = [json.loads(line) for line in run(["clip-rank", "--queries", library.query_file, "-k", str(BEST), *library.files]).splitlines()]
    assert len(hits) == read["ids"].size
    for hit, id_, score in zip(hits, read["ids"].ravel(), read["scores"].ravel()):
        item = {key: value for key, value in hit.items() if key not in ("query", "rank", "score")}
        assert item == items[id_] and abs(hit["score"] - score) <= 1e-6, (hit, items[id_], score)
    print(f"Faiss {version}: {ROWS} rows, max |difference| {rows:.1e}; best {BEST} of {len(library.queries)} queries as numpy's "
          f"and clip-rank's, max |difference| {scores:.1e}")


class Server:
    """PostgreSQL in a folder of its own."""

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
        self.bin = os.environ.get("PG_BIN") or found[-1]
        self.folder, self.who = folder, {}
        if os.geteuid() == 0:  # initdb and postgres refuse root
            names = [user.pw_name for user in pwd.getpwall()]
            name = "postgres" if "postgres" in names else "nobody"
            self.who = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
            shutil.chown(folder, name)
        self.data = os.path.join(folder, "data")

    def tool(self, name, *arguments, **kwargs):
        return run([os.path.join(self.bin, name), *arguments], cwd=self.folder, **self.who, **kwargs)

    def __enter__(self):
        self.tool("initdb", "-D", self.data, "-U", "parity", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.tool("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.folder, "log"),
                  "-o", f"-k {self.folder} -c listen_addresses= -c fsync=off", "start")
        return self

    def __exit__(self, *_):
        self.tool("pg_ctl", "-D", self.data, "-m", "immediate", "stop")

    def sql(self, *commands, **kwargs):
        arguments = [word for command in commands for word in ("-c", command)]
        return self.tool("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "parity", "-d", "postgres",
                         *arguments, **kwargs)


COLUMNS = "id bigint PRIMARY KEY, path text, text text, extra jsonb"
ALL = "SELECT json_build_object('id', id, 'path', path, 'text', text, 'extra', extra, 'row', {}) FROM {} ORDER BY id"


def check_table(library, lines, unit):
    rows = [json.loads(line, parse_int=int) for line in lines.decode().split("\n")[:-1]]
    assert len(rows) == ROWS
    for i, (got, (item, extra)) in enumerate(zip(rows, library.items)):
        want = {"id": i + 1, "path": item.get("path"), "text": item.get("text"), "extra": extra or None}
        assert {key: got[key] for key in want} == want, (got, want)
        assert (np.array(got["row"], np.float32) == unit[i]).all(), got["id"]


def check_postgresql(folder):
    library = Library(folder)
    index, copy = os.path.join(folder, "a.faiss"), os.path.join(folder, "a.copy")
    run(["clip-rank", "--export-faiss", index, *library.files])
    unit = np.frombuffer(open(index, "rb").read()[45:], np.float32).reshape(ROWS, WIDTH)
    run(["clip-rank", "--export-pgvector", copy, *library.files])
    # A candidate that jsonb cannot hold is left out and fails nothing else.
    broken = os.path.join(folder, "broken.jsonl")
    with open(broken, "w") as out:
        for key in ("\0", "\ud800", "\udc00\ud800"):
            out.write(json.dumps({"path": "x", "model": MODEL, "embedding": [1.0] * WIDTH, "s": key}) + "\n")
    piped = subprocess.run(["clip-rank", "--export-pgvector", "-", broken, *library.files], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, check=False)
    assert piped.returncode == 1 and piped.stdout == open(copy, "rb").read(), piped.stderr
    server_folder = tempfile.mkdtemp(prefix="clip-pg-")
    try:
        with Server(server_folder) as server:
            server.sql(f"CREATE TABLE plain ({COLUMNS}, embedding text)")
            server.sql("COPY plain FROM STDIN", input=piped.stdout)
            check_table(library, server.sql(ALL.format("translate(embedding, '[]', '{}')::float4[]", "plain")), unit)
            version = server.sql("SHOW server_version").decode().strip()
            print(f"PostgreSQL {version}: {ROWS} rows, every column and value as exported")
            if not server.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
                print("pgvector: skipped: this server does not offer the extension")
                return
            server.sql("CREATE EXTENSION vector", f"CREATE TABLE photos ({COLUMNS}, embedding vector({WIDTH}))")
            server.sql("COPY photos FROM STDIN", input=open(copy, "rb").read())
            check_table(library, server.sql(ALL.format("embedding::real[]", "photos")), unit)
            for query, best in zip(library.queries, library.best):
                ids = server.sql(f"SELECT id FROM photos ORDER BY embedding <#> '{query.tolist()}' LIMIT {BEST}").split()
                assert [int(i) - 1 for i in ids] == best.tolist(), (ids, best)
            extension = server.sql("SELECT extversion FROM pg_extension WHERE extname = 'vector'").decode().strip()
            print(f"pgvector {extension}: the same rows, and the best {BEST} of {len(library.queries)} queries as numpy's")
    finally:
        shutil.rmtree(server_folder, ignore_errors=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        {"faiss": check_faiss, "postgresql": check_postgresql}[sys.argv[1]](scratch)
