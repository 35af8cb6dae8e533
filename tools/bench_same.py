"""`make bench-same`, a measurement and no tool: is it the same partition with other threads, orders and formats?

Each set in SCSMD_DATA_DIR is cut to at most 400 cells (`--cells`, a fixed random choice), and clustered with K given,
seed 0, the default preset with at most 2 epochs a phase (`--epochs`). ARI to the reference: CSR, as the file has it,
one thread. Fits what is missing in bench/same/ (`--out DIR`) and writes nbs/results/same.csv as rows come.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "reference": 1,
    "cells in another order": 1,
    "genes in another order": 1,
    "2 threads": 2,
    "4 threads": 4,
    "CSC": 1,
    "dense": 1,
}  # and the threads of each
BAR, SETS = 0.98, 25  # ARI, and the sets that must reach it
SMALL = 3  # sets for the formats, which must agree to the last bit


def sets():
    "Names of the sets, the smallest files first."
    files = Path(os.environ["SCSMD_DATA_DIR"]).glob("*.h5ad")
    return [f.stem for f in sorted(files, key=lambda f: f.stat().st_size)]


def changed(a, kind):
    "The same cells, otherwise; and where each cell is now."
    import numpy as np
    import scipy.sparse as sp

    rng, place = np.random.default_rng(1), np.arange(a.n_obs)
    if kind.startswith("cells"):
        place = rng.permutation(a.n_obs)
        a = a[place].copy()
    if kind.startswith("genes"):
        a = a[:, rng.permutation(a.n_vars)].copy()
    if kind == "CSC":
        a.X = sp.csc_matrix(a.X)
    if kind == "dense":
        a.X = a.X.toarray()
    return a, place


def fits(kind, out, names, n, epochs):
    "Labels of every set for one kind, kept in files; runs in a process of its own."
    import numpy as np

    import scsmd_nb as smd

    for name in names:
        if (path := out / f"{name} {kind}.npz").exists():
            continue
        a = smd.io.load(name)
        some = np.sort(np.random.default_rng(0).permutation(a.n_obs)[:n])
        a = a[some].copy()
        K, labels = a.obs["cell_type"].nunique(), np.empty(a.n_obs, int)
        a, place = changed(a, kind)
        clock = time.process_time()
        model = smd.SCSMD(K, random_state=0, accelerator="cpu", max_epochs=epochs).fit(a)
        labels[place] = model.labels_
        np.savez(path, labels=labels, K=K, cpu=time.process_time() - clock)


def table(out):
    "One row a fit: set, kind, ARI to the reference."
    import numpy as np
    import pandas as pd

    from scsmd_nb.tl.metrics import ari

    rows = []
    for path in sorted(out.glob("*.npz")):
        name, kind = path.stem.split(" ", 1)
        if kind == "reference" or not (first := out / f"{name} reference.npz").exists():
            continue
        a, b = np.load(first), np.load(path)
        row = dict(dataset=name, cells=len(a["labels"]), K=int(a["K"]), kind=kind)
        rows.append(row | dict(ari=round(float(ari(a["labels"], b["labels"])), 4)))
    return pd.DataFrame(rows)


def main():
    "Fit what is missing, write the rows, say how many sets are the same."
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, default=ROOT / "bench" / "same")
    p.add_argument("--rows", type=Path, default=ROOT / "nbs" / "results" / "same.csv")
    p.add_argument("--cells", type=int, default=400)
    p.add_argument("--epochs", type=int, default=2)
    p.add_argument("--sets", default="", help="some sets only, with commas")
    p.add_argument("--kinds", default=",".join(KINDS))
    p.add_argument("--worker", help=argparse.SUPPRESS)
    given = p.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    names = given.sets.split(",") if given.sets else sets()
    if given.worker:
        fits(given.worker, given.out, names, given.cells, given.epochs)
        return
    for kind in given.kinds.split(","):
        some = names[:SMALL] if kind in ("CSC", "dense") else names
        for name in some:
            if (given.out / f"{name} {kind}.npz").exists():
                continue
            how = ["--cells", given.cells, "--epochs", given.epochs, "--out", given.out]
            call = [sys.executable, __file__, "--worker", kind, *how, "--sets", ",".join(some)]
            env = os.environ | dict(OMP_NUM_THREADS=str(KINDS[kind]))
            subprocess.run([str(c) for c in call], env=env, check=True)
            table(given.out).to_csv(given.rows, index=False)
            break
    found = table(given.out)
    for kind, part in found.groupby("kind"):
        same, least = int((part["ari"] >= BAR).sum()), part["ari"].min()
        print(f"{kind:24s} {same} of {len(part)} sets at {BAR} or above, least {least:.3f}")
    print(f"wanted: {SETS} of 27 for each")


if __name__ == "__main__":
    main()
