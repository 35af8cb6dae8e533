"""`make bench-prep`, a measurement and no tool: time and memory of QC and exploration of 100,000 simulated cells.

A child process makes the cells (CSR, 5 % of the entries filled, ten planted groups, four samples, some damaged cells),
then runs every step with two threads and prints its seconds and the memory at its end. The bars hold for everything
after the cells are there: 5 minutes; and for the whole child: a peak of 8 GB. Exit status 1 if either is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GB, MINUTES = 8.0, 5.0


def resident():
    "Memory that this process holds now, GB."
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024**2


def make_cells(n_cells, n_genes, density=0.05, n_groups=10, seed=0):
    "CSR counts with planted groups: each cell draws its genes from its group's mixture, with repetition."
    import anndata as ad
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n_cells)
    base = rng.lognormal(0, 1, n_genes)
    raised = np.ones((n_groups, n_genes))
    for k, genes in enumerate(np.array_split(rng.permutation(n_genes)[: n_groups * 100], n_groups)):
        raised[k, genes] = 8
    cumulative = np.cumsum(base * raised, axis=1)
    cumulative /= cumulative[:, -1:]
    aim = density * n_genes * 1.16  # some draws hit a gene twice, which makes counts above one
    damaged = rng.random(n_cells)
    library = np.where(damaged < 0.02, 0.05, 1.0) * aim * rng.lognormal(0, 0.15, n_cells)
    mito = np.where((damaged > 0.02) & (damaged < 0.04), 0.25, 0.04)
    blocks = []
    for start in range(0, n_cells, 2000):
        rows = np.arange(start, min(start + 2000, n_cells))
        cell = np.repeat(np.arange(len(rows)), rng.poisson(library[rows]))
        draw, gene = rng.random(len(cell)), np.empty(len(cell), dtype=np.int32)
        of = group[rows][cell]
        for k in range(n_groups):
            here = of == k
            gene[here] = np.searchsorted(cumulative[k], draw[here])
        leak = rng.random(len(cell)) < mito[rows][cell]
        gene[leak] = rng.integers(0, 13, leak.sum())
        np.minimum(gene, n_genes - 1, out=gene)
        blocks.append(
            sp.coo_matrix(
                (np.ones(len(cell), np.float32), (cell, gene)), shape=(len(rows), n_genes)
            ).tocsr()
        )
    X = sp.vstack(blocks, format="csr")
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(group.astype(str)),
            "sample": pd.Categorical([f"run {i % 4}" for i in range(n_cells)]),
            "damaged": damaged < 0.04,
        },
        index=[f"cell_{i}" for i in range(n_cells)],
    )
    names = [f"MT-{j}" if j < 13 else f"GENE{j}" for j in range(n_genes)]
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=names))


def steps():
    "The steps: name and what it does to a dictionary of results."
    import scsmd_nb as smd

    def thresholds(r):
        r["thresholds"] = smd.pp.mad_thresholds(r["raw"], by="sample")

    def figures(r):
        r["figures"] = [
            smd.pl.qc_violin(r["raw"], **r["thresholds"]),
            smd.pl.qc_scatter(r["raw"], **r["thresholds"]),
        ]

    def report(r):
        smd.pl.qc_report(r["raw"], Path(r["folder"]) / "qc.html", **r["thresholds"])

    def filter_cells(r):
        r["a"] = smd.pp.filter(r["raw"], **r["thresholds"])
        lost = ~r["raw"].obs_names.isin(r["a"].obs_names)
        damaged = r["raw"].obs["damaged"].to_numpy()
        r["qc"] = {
            "cells left": int(r["a"].n_obs),
            "damaged cells removed": float(lost[damaged].mean()),
            "good cells removed": float(lost[~damaged].mean()),
        }
        del r["raw"]

    def normalize(r):
        r["a"] = smd.pp.normalize(r["a"])

    def variable(r):
        r["a"] = smd.pp.highly_variable(r["a"], 2000)

    return [
        ("thresholds", thresholds),
        ("figures", figures),
        ("report", report),
        ("filter", filter_cells),
        ("normalise", normalize),
        ("variable genes", variable),
        *explore_steps(),
    ]


def explore_steps():
    "PCA, JackStraw and the map (neighbours and UMAP)."
    import scsmd_nb as smd

    def pca(r):
        smd.pp.pca(r["a"])

    def jackstraw(r):
        r["components"] = int(smd.pp.jackstraw(r["a"]).n_significant)

    def umap(r):
        smd.pl.pca_umap(r["a"], color="group", store=True)

    return [("PCA", pca), ("JackStraw", jackstraw), ("map", umap)]


def child(n_cells, n_genes, only):
    "Makes the cells, runs the steps, prints one line of JSON at the end."
    import resource
    import tempfile
    import warnings

    from tqdm import tqdm

    warnings.simplefilter("ignore")
    clock = time.perf_counter()
    r = {"raw": make_cells(n_cells, n_genes)}
    X = r["raw"].X
    made = {
        "seconds": time.perf_counter() - clock,
        "density": X.nnz / (n_cells * n_genes),
        "GB": resident(),
    }
    print(
        f"{n_cells:,} cells x {n_genes:,} genes, {made['density']:.1%} filled, made in "
        f"{made['seconds']:.0f} s, {made['GB']:.1f} GB",
        flush=True,
    )
    del X
    seen, rows, done = {"GB": 0.0}, {}, threading.Event()

    def watch():
        while not done.wait(0.2):
            seen["GB"] = max(seen["GB"], resident())

    threading.Thread(target=watch, daemon=True).start()
    todo = [
        s
        for s in steps()
        if not only
        or s[0] in only
        or s[0] in ("thresholds", "filter", "normalise", "variable genes")
    ]
    with tempfile.TemporaryDirectory() as folder, tqdm(todo, unit="step", file=sys.stderr) as bar:
        r["folder"] = folder
        for name, run in bar:
            bar.set_description(name)
            seen["GB"], clock, cpu = resident(), time.perf_counter(), time.process_time()
            run(r)
            rows[name] = {
                "seconds": time.perf_counter() - clock,
                "CPU seconds": time.process_time() - cpu,
                "peak GB": max(seen["GB"], resident()),
            }
            bar.write(
                f"{name:15s} {rows[name]['seconds']:6.1f} s ({rows[name]['CPU seconds']:5.1f} s of processor)   "
                f"{rows[name]['peak GB']:.1f} GB at its height",
                file=sys.stdout,
            )
            sys.stdout.flush()
    done.set()
    quality = r["qc"] | {
        "variable genes that mark a group": markers(r["a"]),
        "significant components": r.get("components", float("nan")),
        "neighbours on the map of the same group": purity(r["a"]),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        "RESULT " + json.dumps({"made": made, "steps": rows, "peak GB": peak, "quality": quality}),
        flush=True,
    )


def markers(a, n_markers=1000):
    "Of the planted markers, the share among the variable genes (the planting is drawn again from the seed)."
    import numpy as np

    n_genes = int(a.uns["qc"]["n_genes"][0])
    rng = np.random.default_rng(0)
    n_cells = int(a.uns["qc"]["n_cells"][0])
    rng.integers(0, 10, n_cells), rng.lognormal(0, 1, n_genes)
    planted = {f"MT-{j}" if j < 13 else f"GENE{j}" for j in rng.permutation(n_genes)[:n_markers]}
    return float(a.var["highly_variable"][a.var_names.isin(planted)].mean())


def purity(a):
    "Of 2,000 cells, the share of the 15 nearest on the map that are of the cell's own planted group; by chance 0.1."
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    if "X_umap" not in a.obsm:
        return float("nan")
    some, codes = (
        np.random.default_rng(0).choice(a.n_obs, min(2000, a.n_obs), replace=False),
        a.obs["group"].cat.codes.to_numpy(),
    )
    near = (
        NearestNeighbors(n_neighbors=16)
        .fit(a.obsm["X_umap"])
        .kneighbors(a.obsm["X_umap"][some], return_distance=False)
    )
    return float((codes[near[:, 1:]] == codes[some][:, None]).mean())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of steps, beside those that others need"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.cells, args.genes, args.only)
    env = dict(
        os.environ,
        OMP_NUM_THREADS="2",
        NUMBA_NUM_THREADS="2",
        OPENBLAS_NUM_THREADS="2",
        MKL_NUM_THREADS="2",
        OMP_WAIT_POLICY="passive",
        TQDM_DISABLE="",
    )
    command = [
        sys.executable,
        __file__,
        "--child",
        "--cells",
        str(args.cells),
        "--genes",
        str(args.genes),
    ]
    if args.only:
        command += ["--only", *args.only]
    with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        result = None
        for line in process.stdout:
            if line.startswith("RESULT "):
                result = json.loads(line[7:])
            else:
                print(line, end="", flush=True)
    if process.returncode or result is None:
        raise SystemExit(f"bench-prep: the child process ended with status {process.returncode}")
    seconds = sum(s["seconds"] for s in result["steps"].values())
    print(
        "\n"
        + ", ".join(
            f"{k}: {v:,.0f}" if v > 1 else f"{k}: {v:.1%}" for k, v in result["quality"].items()
        )
    )
    cpu = sum(s["CPU seconds"] for s in result["steps"].values())
    print(
        f"processor time {cpu / 60:.1f} min; load of the machine now {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} processors"
    )
    print(
        f"time  {seconds / 60:5.1f} min   bar {MINUTES:.0f} min   {'ok' if seconds <= MINUTES * 60 else 'MISSED'}"
    )
    print(
        f"peak  {result['peak GB']:5.1f} GB    bar {GB:.0f} GB    {'ok' if result['peak GB'] <= GB else 'MISSED'}"
    )
    return seconds > MINUTES * 60 or result["peak GB"] > GB


if __name__ == "__main__":
    sys.exit(main())
