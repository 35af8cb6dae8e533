"""Damage files at random and read them: `make bench-mutations` (N=300 for each of the eight readers, about 8 minutes).

Each mutation (bytes flipped, cut off, inserted) is read in a child process of its own, with a limit of time and memory,
and ends in one of these:

  noticed     ValueError, OSError (FileNotFoundError, PermissionError and UnicodeDecodeError are kinds of them)
  warned      read, with a warning that did not come before
  same        read, and equal in everything
  name        a letter of a name (of a cell, a gene, a column, a key) is another; nothing else differs
  index       an index of a sparse matrix is another, and as good as the old one: inside, in order, once in its row
  value       a number or a text is another; nothing in the file says that it was altered
  STRUCTURE   read in silence with another shape, other row ends, other kinds, or fewer or more parts
  OTHER       another exception
  CRASH       the process died, ran out of time or of memory
"""

import argparse
import collections
import gzip
import io
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tarfile
import tempfile
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import scipy.sparse as sp
from scipy.io import mmwrite

import scsmd_nb as smd
from scsmd_nb.io import read

STRICT = (
    "mtx",
    "10x h5",
    "h5ad",
    "loom",
    "zarr",
)  # of these no other structure may come in silence
KINDS = ("noticed", "warned", "same", "name", "index", "value", "STRUCTURE", "OTHER", "CRASH")
SECONDS, GIGABYTES = 30, 4


def cells(n: int = 120, genes: int = 80) -> ad.AnnData:
    "Real counts with annotation of every kind."
    a = smd.io.pbmc700()[:n, :genes].copy()
    a.X = sp.csr_matrix(a.X, dtype=np.float32)
    a = ad.AnnData(a.X, obs=a.obs[["bulk_labels"]].copy(), var=a.var[[]].copy())
    a.obs["depth"] = np.asarray(a.X.sum(1)).ravel()
    a.var["gene_ids"] = [f"ENSG{j:011}" for j in range(genes)]
    a.obsm["X_pca"] = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    a.layers["counts"] = a.X.copy()
    a.uns["made"] = {"by": "bench_mutations", "numbers": np.arange(5)}
    return a


def write_10x(a: ad.AnnData, folder: Path) -> None:
    folder.mkdir(parents=True)
    mmwrite(out := io.BytesIO(), a.X.T.tocsc().tocoo().astype(int), field="integer")
    (folder / "matrix.mtx").write_bytes(out.getvalue())
    (folder / "barcodes.tsv").write_text("".join(f"{c}\n" for c in a.obs_names))
    lines = (f"{i}\t{g}\tGene Expression\n" for i, g in zip(a.var["gene_ids"], a.var_names))
    (folder / "features.tsv").write_text("".join(lines))


def write_10x_h5(a: ad.AnnData, path: Path) -> None:
    "As Cell Ranger 3 writes it: packed in chunks."
    X, text = a.X.astype("i4"), lambda values: np.array(list(values), dtype="S")
    with h5py.File(path, "w") as f:
        kept = dict(chunks=True, compression="gzip")
        m = f.create_group("matrix")
        for name, value in dict(
            data=X.data, indices=X.indices.astype("i8"), indptr=X.indptr.astype("i8"),
            barcodes=text(a.obs_names), shape=np.array(X.T.shape, "i4"),
        ).items():  # fmt: skip
            m.create_dataset(name, data=value, **kept)
        for name, value in dict(
            id=a.var["gene_ids"], name=a.var_names, feature_type=["Gene Expression"] * a.n_vars,
            genome=["GRCh38"] * a.n_vars,
        ).items():  # fmt: skip
            m.create_dataset(f"features/{name}", data=text(value), **kept)


def _without_time(member):
    member.mtime = 0
    return member


def write_tar(a: ad.AnnData, path: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp, tarfile.open(path, "w:gz") as tar:
        for name, part in {"one": a[:70], "two": a[70:]}.items():
            write_10x(part, Path(tmp) / name)
            tar.add(Path(tmp) / name, name, filter=_without_time)


def write_loom(a: ad.AnnData, path: Path) -> None:
    a = ad.AnnData(a.X, obs=a.obs[["depth"]], var=a.var, layers=dict(a.layers))
    a.obs_names.name, a.var_names.name = "CellID", "Gene"
    a.write_loom(path)


def make(reader: str, folder: Path) -> Path:
    "The file or folder that this reader reads, sound."
    a, folder = cells(), folder / reader.replace(" ", "_")
    folder.mkdir()
    table = a.to_df().astype(int)
    path = folder / {
        "table": "cells.csv", "table gz": "cells.tsv.gz", "mtx": "tenx", "10x h5": "cells.h5",
        "h5ad": "cells.h5ad", "loom": "cells.loom", "zarr": "cells.zarr", "tar": "cells.tar.gz",
    }[reader]  # fmt: skip
    writers = {
        "table": lambda: table.to_csv(path),
        "table gz": lambda: path.write_bytes(
            gzip.compress(table.to_csv(sep="\t").encode(), mtime=0)
        ),
        "mtx": lambda: write_10x(a, path),
        "10x h5": lambda: write_10x_h5(a, path),
        "h5ad": lambda: a.write_h5ad(path),
        "loom": lambda: write_loom(a, path),
        "zarr": lambda: a.write_zarr(path),
        "tar": lambda: write_tar(a, path),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writers[reader]()
    return path


READERS = ("table", "table gz", "mtx", "10x h5", "h5ad", "loom", "zarr", "tar")


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    "The bytes with some damage, and what it is."
    kind, at = rng.choice(("flip", "flip", "flip", "cut", "insert")), rng.randrange(len(data))
    if kind == "cut":
        return data[:at], f"cut at {at}"
    if kind == "insert":
        more = rng.randbytes(rng.choice((1, 1, 4, 16)))
        return data[:at] + more + data[at:], f"{len(more)} inserted at {at}"
    out, n = bytearray(data), rng.choice((1, 1, 1, 4))
    places = [at, *(rng.randrange(len(data)) for _ in range(n - 1))]
    for p in places:
        out[p] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
    return bytes(out), f"flipped at {', '.join(map(str, places))}"


def parts(a: ad.AnnData) -> tuple[dict, dict, dict]:
    "What makes up the cells: structure, names and values, each by its place."
    frame, names, values = {"shape": a.shape, "raw": a.raw is None}, {}, {}

    def add(at, x):
        if sp.issparse(x):
            frame[at] = (x.format, x.shape, x.dtype.kind, x.nnz, x.indptr.tobytes())
            values[f"{at} indices"], values[at] = x.indices.tobytes(), x.data.tobytes()
        elif isinstance(x, dict) or hasattr(x, "keys") and not hasattr(x, "iloc"):
            names[at] = sorted(map(str, x.keys()))
            frame[at] = len(names[at])
            for i, k in enumerate(sorted(x.keys(), key=str)):
                add(f"{at}/{i}", x[k])
        elif hasattr(x, "iloc"):
            names[at] = [*map(str, x.columns), *map(str, x.index)]
            frame[at] = (x.shape, [x[c].dtype.kind for c in x.columns])
            values[at] = [x[c].astype(str).tolist() for c in x.columns]
        elif isinstance(x, np.ndarray):
            frame[at], values[at] = (x.shape, x.dtype.kind), x.tolist()
        else:
            frame[at], values[at] = type(x).__name__, str(x)

    for at in ("X", "obs", "var", "obsm", "varm", "layers"):
        add(at, getattr(a, at))
    add("uns", {k: v for k, v in a.uns.items() if k != "source"})
    return frame, names, values


def look(path: Path) -> tuple[str, object]:
    "How reading ends, and what came or was said."
    with warnings.catch_warnings(record=True) as heard, redirect_stderr(io.StringIO()) as said:
        warnings.simplefilter("always")
        try:
            return "read", (parts(read(path)), [str(w.message) for w in heard], said.getvalue())
        except (ValueError, OSError) as e:
            return "noticed", f"{type(e).__name__}: {e}"
        except BaseException as e:
            return "OTHER", f"{type(e).__name__}: {e}"


def child(path: Path) -> tuple[str, object]:
    "`look` in a process of its own, which may take some time and memory and no more."
    back, out = os.pipe()
    if not (pid := os.fork()):
        os.close(back)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES * 2**30,) * 2)
        try:
            with os.fdopen(out, "wb") as f:
                pickle.dump(look(path), f)
        finally:
            os._exit(0)
    os.close(out)
    with os.fdopen(back, "rb") as f:
        answer = f.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) or not answer:
        why = signal.Signals(status).name if os.WIFSIGNALED(status) else "no answer"
        return "CRASH", "out of time" if why == "SIGALRM" else why
    return pickle.loads(answer)  # of our own child


def judge(before, after) -> tuple[str, str]:
    "One of KINDS, and why."
    kind, what = after
    if kind != "read":
        return kind, str(what)
    (frame, names, values), heard, said = what
    (frame0, names0, values0), heard0, said0 = before
    other = [k for k in {**frame0, **frame} if frame0.get(k) != frame.get(k)]
    if sorted(heard) != sorted(heard0):
        return "warned", str(heard)[:300]
    if (frame, names, values) == (frame0, names0, values0):
        return "same", ""
    if other:
        return "STRUCTURE", str(
            {k: (str(frame0.get(k))[:60], str(frame.get(k))[:60]) for k in other}
        )
    if values == values0:
        return "name", ""
    other = [k for k in values if values[k] != values0.get(k)]
    return "index" if any(k.endswith(" indices") for k in other) else "value", str(other)


def run(reader: str, n: int, seed: int = 0, told=print, only=None) -> collections.Counter:
    "How often each end came in n mutations; what must not be is told."
    counts, rng = collections.Counter(), random.Random(f"{reader} {seed}")
    with tempfile.TemporaryDirectory(prefix="mutations_") as tmp:
        sound = make(reader, Path(tmp))
        kind, before = child(sound)
        assert kind == "read", f"the sound file cannot be read: {before}"
        files = sorted(p for p in sound.rglob("*") if p.is_file()) if sound.is_dir() else [sound]
        sizes = [p.stat().st_size for p in files]
        for i in range(n):
            file = rng.choices(files, [max(s, 40) for s in sizes])[0]
            whole = file.read_bytes()
            bad, how = mutate(whole or b"\0", rng)
            if only not in (None, i):
                continue
            file.write_bytes(bad)
            if KEEP:
                (shutil.copytree if sound.is_dir() else shutil.copy)(sound, KEEP)
            try:
                end, why = judge(before, child(sound))
            finally:
                file.write_bytes(whole)
            counts[end] += 1
            if end in ("OTHER", "CRASH") or end == "STRUCTURE" and reader in STRICT:
                told(f"{reader} {i}: {file.relative_to(sound.parent)}, {how}: {end} {why[:500]}")
            elif VERBOSE:
                told(f"{reader} {i}: {file.relative_to(sound.parent)}, {how}: {end} {why[:200]}")
    return counts


VERBOSE, KEEP = False, None


def faults(results: dict[str, collections.Counter]) -> int:
    "How many ends must not be."
    return sum(
        c["OTHER"] + c["CRASH"] + (c["STRUCTURE"] if r in STRICT else 0) for r, c in results.items()
    )


def main() -> int:
    global VERBOSE, KEEP
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--n", type=int, default=int(os.environ.get("N") or 300), help="per reader")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--readers", nargs="*", default=READERS, choices=READERS)
    p.add_argument("--only", type=int, help="the mutation of this number only")
    p.add_argument("--keep", type=Path, help="with --only: where the damaged file is copied to")
    p.add_argument("--verbose", action="store_true", help="tell every mutation")
    args = p.parse_args()
    VERBOSE, KEEP = args.verbose, args.keep
    try:
        import loompy  # noqa: F401
    except ImportError:
        args.readers = [r for r in args.readers if r != "loom"]
        print("loompy is not installed: loom is left out")
    results = {}
    print(f"{'reader':<10}" + "".join(f"{k:>11}" for k in KINDS))
    for reader in args.readers:
        results[reader] = c = run(reader, args.n, args.seed, only=args.only)
        print(f"{reader:<10}" + "".join(f"{c[k]:>11}" for k in KINDS), flush=True)
    bad = faults(results)
    print(f"{sum(c.total() for c in results.values()):,} mutations, {bad} that must not be")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
