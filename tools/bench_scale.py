"""`make bench-scale`, a measurement and no tool: seconds and memory of fits from 4,000 to a million cells.

Every fit is a process of its own, timed as a whole call of smd.cluster, its largest memory read at the end.
Sections: cores (pbmc4k on one core and on all, alone and beside other work), cells (10,000 to 300,000 simulated cells
in memory), disk (a million cells of 20,000 genes in an .h5ad file), kills (fits of 300 cells, from memory and from
disk, killed at random moments and resumed), processes (real sets in two processes against one).
gpu, not run unless asked for: 100,000 simulated cells on the GPU and on the processor.
All numbers go to bench-scale.json (`--save`).
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARES = (0.30, 0.20, 0.15, 0.12, 0.10, 0.06, 0.04, 0.02, 0.006, 0.003, 0.001)  # of the types
SECTIONS = ("cores", "cells", "disk", "kills", "processes")  # gpu by name only


def head(text):
    print(f"\n== {text}", flush=True)


def profiles(n_genes, rng):
    "What each type expresses: shares of the genes [types, genes]; a twentieth of them are ten times as strong."
    base = rng.lognormal(0, 1.5, n_genes)
    out = np.tile(base, (len(SHARES), 1))
    for row in out:
        row[rng.choice(n_genes, n_genes // 20, replace=False)] *= 10
    return out / out.sum(1, keepdims=True)


def draw(types, cumulated, rng, mean=600):
    "Counts [cells, genes] CSR float32 of cells of these types."
    total = rng.poisson(mean * rng.lognormal(0, 0.3, len(types))) + 20
    genes = np.empty(total.sum(), np.int32)
    of_type = np.repeat(types, total)
    for t in np.unique(types):
        here = of_type == t
        genes[here] = np.searchsorted(cumulated[t], rng.random(here.sum()))
    ends = np.concatenate([[0], np.cumsum(total)])
    X = sp.csr_matrix(
        (np.ones(len(genes), np.float32), genes, ends), (len(types), cumulated.shape[1])
    )
    X.sum_duplicates()
    return X


def labels(n, rng):
    "Types of n cells, sorted, as files often are."
    return np.sort(rng.choice(len(SHARES), n, p=np.array(SHARES) / sum(SHARES)))


def blocks(n, n_genes, seed=0, size=20_000):
    "Types of all cells, and their counts block by block."
    rng = np.random.default_rng(seed)
    cumulated = np.cumsum(profiles(n_genes, rng), axis=1)
    cumulated[:, -1] = 1
    types = labels(n, rng)
    return types, (draw(types[at : at + size], cumulated, rng) for at in range(0, n, size))


def in_memory(n, n_genes):
    types, parts = blocks(n, n_genes)
    return ad.AnnData(sp.vstack(list(parts), format="csr")), types


def write(path, n, n_genes):
    "An .h5ad file of n cells, written block by block."
    types, parts = blocks(n, n_genes)
    with h5py.File(path, "w") as f:
        obs = pd.DataFrame({"type": types.astype(str)}, [f"c{i}" for i in range(n)])
        ad.io.write_elem(f, "/", ad.AnnData(sp.csr_matrix((n, n_genes), dtype=np.float32), obs=obs))
        del f["X"]
        ad.io.write_elem(f, "X", next(parts))
        X = ad.io.sparse_dataset(f["X"])
        for part in parts:
            X.append(part)
    return types


def found(types, clusters):
    "F1 of each type with the cluster that fits it best, rarest type last."
    out = []
    for t in np.unique(types):
        here = types == t
        both = pd.Series(here).groupby(clusters).sum()
        size = pd.Series(clusters).value_counts().reindex(both.index)
        out.append(float((2 * both / (size + here.sum())).max()))
    return out


def peak(start=False):
    "Largest resident memory of this process, GB; counted from now on if `start` (Linux)."
    import resource

    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if start:  # building the cells took memory, too, which is no part of the fit
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1e6


def forked(act, seconds=None):
    "Do it in a fork of this process, killed after so many seconds; its exit code, negative if it was killed."
    process = os.fork()
    if process == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kills(adata, folder, n):
    "Kill fits at moments spread over their time until n were killed in them; each goes on from its checkpoint."
    import scsmd_nb as smd

    out, random = folder / "labels.npy", np.random.default_rng(0)

    def run(checkpoint):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quick = dict(max_epochs=3, start="kmeans", n_top_genes=100, progress=False)
            _, model = smd.cluster(adata, 3, return_model=True, checkpoint=checkpoint, **quick)
        np.save(out, model.labels_)

    forked(lambda: run(folder / "warm"))
    clock = time.perf_counter()
    assert forked(lambda: run(folder / "whole")) == 0
    row = dict(
        seconds=time.perf_counter() - clock, tries=0, kills=0, resumed=0, same=0, left_over=0
    )
    expected = np.load(out)
    while row["kills"] < n and row["tries"] < 5 * n:
        out.unlink(missing_ok=True)
        checkpoint = folder / f"run{row['tries']}.safetensors"
        after = (row["kills"] + random.random()) / n * row["seconds"]
        row["tries"] += 1
        if forked(lambda at=checkpoint: run(at), after) >= 0:
            continue  # the fit was over before the kill
        row["kills"] += 1
        row["resumed"] += checkpoint.exists()
        code = forked(lambda at=checkpoint: run(at))
        row["same"] += code == 0 and np.array_equal(np.load(out), expected)
        beside = f"{checkpoint.stem}."
        left = [p for p in folder.iterdir() if p.name.startswith(beside) and p != checkpoint]
        row["left_over"] += len(left)
    return row


def kills_child(job):
    "Both kinds of kills, from memory and from disk; prints the counts as JSON."
    import scsmd_nb as smd

    cells = smd.io.simulate(300, 200, 3, fold_change=8, random_state=1)
    rows = {}
    for name in ("memory", "disk"):
        with tempfile.TemporaryDirectory() as folder:
            cells.write_h5ad(path := Path(folder) / "cells.h5ad")
            smd.cluster(cells.copy(), 3, max_epochs=1, start="kmeans", progress=False)  # loads
            rows[name] = kills(cells if name == "memory" else path, Path(folder), job["kills"])
    print("RESULT " + json.dumps(rows))


def child(job):
    "One fit in this process; prints what it took as JSON."
    import torch

    import scsmd_nb as smd

    n = job.get("n")
    if job["kind"] == "file":
        adata, types = job["path"], np.load(job["path"] + ".npy")
    elif job["kind"] == "real":
        adata = smd.io.load(job["name"])
        types = adata.obs["cell_type"].astype(str).to_numpy()
        adata = ad.AnnData(adata.X, obs=adata.obs[[]], var=adata.var[[]])
    else:
        adata, types = in_memory(n, job["genes"])
    K, options = len(np.unique(types)), job.get("options", {})
    small = smd.io.simulate(60, 40, 2)
    smd.cluster(small, 2, max_epochs=1, progress=False, **options)  # loads what is needed
    before, wall, cpu = peak(start=True), time.perf_counter(), time.process_time()
    if job["kind"] == "file":
        adata = smd.cluster(adata, K, progress=job.get("progress", False))
    else:
        smd.cluster(adata, K, progress=False, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    clusters = adata.obs["scsmd"].to_numpy()
    X = adata.X
    size = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e9 if sp.issparse(X) else None
    history = adata.uns["scsmd"]["history"]
    phases = pd.Series(history["seconds"]).groupby(list(history["phase"])).sum().round(1).to_dict()
    row = dict(wall=wall, cpu=cpu, peak_gb=peak(), before_gb=before, csr_gb=size, phases=phases)
    row |= dict(ari=smd.tl.ari(types, clusters), f1=found(types, clusters), K=K, n=len(types))
    if os.environ.get("RANK", "0") == "0":
        if "labels" in job:
            np.save(job["labels"], clusters.astype(int))
        print("RESULT " + json.dumps(row | dict(threads=torch.get_num_threads())))


def fit(job, threads=None, processes=1):
    "Run a job in a new process, or in several that share it."
    env = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    if threads:
        env["OMP_NUM_THREADS"] = str(threads)
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *(several if processes > 1 else ()), __file__, "--child", json.dumps(job)],
        env=env,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise SystemExit(f"{job} failed:\n{done.stdout}\n{done.stderr}")
    return json.loads(lines[-1][7:])


def bench_cores(out, args):
    head("pbmc4k: cores, and other work beside it")
    real = dict(kind="real", name="pbmc4k")
    for name, threads, busy in (("one core", 1, 0), ("all cores", None, 0), ("all, busy", None, 2)):
        loops = [subprocess.Popen([sys.executable, "-c", "while 1: pass"]) for _ in range(busy)]
        try:
            row = out[name] = fit(real, threads)
        finally:
            for loop in loops:
                loop.kill()
        print(
            f"{name:10s} {row['wall']:6.1f} s, {row['cpu']:6.1f} s of processors, ARI {row['ari']:.3f}",
            flush=True,
        )
    one, alone, busy = (out[name]["wall"] for name in ("one core", "all cores", "all, busy"))
    print(
        f"all cores against one: {one / alone:.2f} times faster; two busy loops beside: {busy / alone:.2f} times slower"
    )


def bench_cells(out, args):
    head("simulated cells in memory, 2,000 genes, types of 30 % to 0.1 %")
    print("   cells  seconds  processor  peak GB  own CSR GB  ARI   F1 of types of 0.6, 0.3, 0.1 %")
    for n in args.cells:
        row = out[str(n)] = fit(dict(kind="memory", n=n, genes=2000))
        rare = " ".join(f"{f:.2f}" for f in row["f1"][-3:])
        print(
            f"{n:8,} {row['wall']:8.0f} {row['cpu']:10.0f} {row['peak_gb']:8.2f} {row['csr_gb']:11.2f}  "
            f"{row['ari']:.3f} {rare}  {row['phases']}",
            flush=True,
        )


def bench_disk(out, args):
    head(f"{args.large:,} cells x 20,000 genes in an .h5ad file")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = f"{folder}/cells.h5ad"
        clock = time.perf_counter()
        np.save(path + ".npy", write(path, args.large, 20_000))
        out["cells"], out["file_gb"] = args.large, os.path.getsize(path) / 1e9
        print(
            f"written in {time.perf_counter() - clock:.0f} s: {out['file_gb']:.1f} GB", flush=True
        )
        row = out["fit"] = fit(dict(kind="file", path=path))
    rare = " ".join(f"{f:.2f}" for f in row["f1"][-3:])
    print(
        f"{row['wall'] / 60:.1f} minutes, {row['cpu'] / 60:.1f} of processors, peak {row['peak_gb']:.2f} GB "
        f"(before the fit {row['before_gb']:.2f}), ARI {row['ari']:.3f}, rare types {rare}, {row['phases']}"
    )


def bench_kills(out, args):
    head("300 simulated cells: fits killed at random moments, and resumed")
    out |= fit(dict(kind="kills", kills=args.kills), threads=1)
    for name, row in out.items():
        print(
            f"from {name:6s} ({row['seconds']:.1f} s a fit): {row['kills']} fits killed in {row['tries']} tries, "
            f"{row['resumed']} with a checkpoint; {row['same']} ended with the labels of a fit never stopped; "
            f"{row['left_over']} files left over"
        )


def pair(first, second):
    "Two fits, each the arguments of fit: their rows, and the ARI of their labels."
    import scsmd_nb as smd

    rows, labels = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, (job, *how) in enumerate((first, second)):
            path = f"{folder}/{i}.npy"
            rows.append(fit(job | dict(labels=path), *how))
            labels.append(np.load(path))
    return *rows, smd.tl.ari(*labels)


def bench_processes(out, args):
    head("two processes with one thread each, against one process with one thread")
    print("                      ARI with types         ARI of two   seconds")
    print("                      one       two          with one     one     two")
    for name in args.sets:
        job = dict(kind="real", name=name)
        shared = job | dict(options=dict(devices=2, accelerator="cpu"))
        one, two, ari = pair((job, 1), (shared, 1, 2))
        out[name] = dict(ari=ari, one=one, two=two)
        print(
            f"{name:20s}  {one['ari']:.3f}     {two['ari']:.3f}        {ari:.4f}   "
            f"{one['wall']:7.1f} {two['wall']:7.1f}",
            flush=True,
        )


def bench_gpu(out, args):
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("gpu: PyTorch finds no CUDA device here, so nothing was measured.")
    head(f"{torch.cuda.get_device_name()}: 100,000 simulated cells from CSR to labels")
    job = dict(kind="memory", n=100_000, genes=2000)
    on = [(job | dict(options=dict(accelerator=a)),) for a in ("cuda", "cpu")]
    gpu, cpu, ari = pair(*on)
    out |= dict(name=torch.cuda.get_device_name(), gpu=gpu, cpu=cpu, ari=ari)
    for name, row in (("GPU", gpu), ("processor", cpu)):
        speed = job["n"] / row["wall"]
        print(
            f"{name:10s} {row['wall']:6.1f} s, {speed:8,.0f} cells a second, ARI {row['ari']:.3f}"
        )
    print(f"ARI of the two: {ari:.4f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", default=SECTIONS, help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--cells", type=int, nargs="*", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--kills", type=int, default=10, help="from memory, and as many from disk")
    parser.add_argument("--sets", nargs="*", default=["pbmc4k", "zeisel", "cellmix_5lines"])
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the large file is written for the moment")
    parser.add_argument("--save", default="bench-scale.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        job = json.loads(args.child)
        kills_child(job) if job["kind"] == "kills" else child(job)
        return
    packages = ("torch", "scanpy", "anndata", "numpy", "scipy", "scikit-learn")
    out = dict(
        date=time.strftime("%Y-%m-%d"),
        machine=platform.machine(),
        cpus=os.cpu_count(),
        python=platform.python_version(),
        versions={p: version(p) for p in packages},
    )
    print(json.dumps(out))
    for name in args.sections:
        globals()[f"bench_{name}"](out.setdefault(name, {}), args)
        Path(args.save).write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import anndata as ad
    import h5py
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp

    main()
