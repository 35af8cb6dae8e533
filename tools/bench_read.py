"""`make bench-read`, a measurement and no tool: memory and time of reading a text table of 20,000 x 20,000.

The table is written to a temporary folder, read in a process of its own, and removed. Peak memory is that of
this process (resource.getrusage, so imports are included). Exit status 1 above the limit (--limit-gb) or if the sum
of the counts differs.

usage: bench_read.py [--cells N] [--genes N] [--density D] [--limit-gb GB] [--gzip]
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import json, resource, sys, time
from scsmd_nb.io.reading import read
from_imports = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clock = time.perf_counter()
a = read(sys.argv[1])
scale = 1 if sys.platform == "darwin" else 1024
print(json.dumps(dict(seconds=time.perf_counter() - clock, shape=a.shape, nnz=int(a.X.nnz),
                      total=float(a.X.sum(dtype="float64")),
                      peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9,
                      imports_gb=from_imports * scale / 1e9)))
"""


def write_table(path: Path, cells: int, genes: int, density: float) -> tuple[int, int]:
    "A table of counts with genes in rows; the number of entries and their sum."
    import numpy as np

    rng = np.random.default_rng(0)
    texts = np.array([str(i) for i in range(50)], dtype=object)
    nnz = total = 0
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else open(path, "w") as f:
        barcodes = ("".join("ACGT"[i // 4**k % 4] for k in range(16)) + "-1" for i in range(cells))
        f.write("," + ",".join(barcodes) + "\n")
        for j in range(genes):
            row = np.full(cells, "0", dtype=object)
            at = np.flatnonzero(rng.random(cells) < density)
            counts = np.minimum(rng.geometric(0.4, len(at)), 49)
            row[at] = texts[counts]
            f.write(f"ENSG{j:011}," + ",".join(row) + "\n")
            nnz, total = nnz + len(at), total + int(counts.sum())
    return nnz, total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--limit-gb", type=float, default=3.0)
    parser.add_argument("--gzip", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp) / f"wide.csv{'.gz' * args.gzip}"
        clock = time.perf_counter()
        nnz, total = write_table(path, args.cells, args.genes, args.density)
        print(
            f"{path.name}: {args.genes:,} genes x {args.cells:,} cells, {nnz:,} counts, "
            f"{path.stat().st_size / 1e6:,.0f} MB, "
            f"written in {time.perf_counter() - clock:.0f} s",
            flush=True,
        )
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        )
    if done.returncode:
        return done.returncode
    out = json.loads(done.stdout)
    same = out["shape"] == [args.cells, args.genes] and (out["nnz"], out["total"]) == (nnz, total)
    ok = out["peak_gb"] <= args.limit_gb
    print(
        f"read in {out['seconds']:.0f} s, peak memory {out['peak_gb']:.2f} GB (imports alone "
        f"{out['imports_gb']:.2f} GB; "
        f"limit {args.limit_gb:g} GB {'kept' if ok else 'EXCEEDED'}), counts {'equal' if same else 'DIFFER'}"
    )
    return int(not (ok and same))


if __name__ == "__main__":
    sys.exit(main())
