"""`make bench-core`, a measurement and no tool: quality, speed, repeatability and presets on the real data sets.

Prints one section for each claim and writes every number to bench-core.json (`--save FILE` for another place).
Labels are read here only to score the end. Sections: fit, quality, speed, same, presets (all by default).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TQDM_DISABLE", "1")
ROOT = Path(__file__).resolve().parent.parent
BARS = {"pbmc4k": 0.74, "zeisel": 0.65, "baron_human": 0.85, "mouse_bladder": 0.60}
SECTIONS = ("fit", "quality", "speed", "same", "presets")


def head(text):
    print(f"\n== {text}", flush=True)


def mean_sd(values):
    import numpy as np

    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def machine():
    "What the numbers were measured on."
    import torch

    packages = ("torch", "scanpy", "anndata", "numpy", "scipy", "scikit-learn", "lightning-fabric")
    return dict(
        date=time.strftime("%Y-%m-%d"),
        machine=platform.machine(),
        cpus=os.cpu_count(),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        versions={p: version(p) for p in packages},
    )


def load(name):
    "AnnData, reference types as text, and their number."
    import scsmd_nb as smd

    adata = smd.io.load(name)
    types = adata.obs["cell_type"].astype(str).to_numpy()
    return adata, types, len(set(types))


def bench_fit(out, seeds):
    "1. The command line on real files, K given."
    head("1. real input through `scsmd fit`")
    folder = Path(os.environ["SCSMD_DATA_DIR"])
    scsmd = Path(sys.executable).with_name("scsmd")
    for name in BARS:
        k = load(name)[2]
        with tempfile.TemporaryDirectory() as tmp:
            clock = time.perf_counter()
            command = [
                str(scsmd),
                "fit",
                str(folder / f"{name}.h5ad"),
                "--n-clusters",
                str(k),
                "--out",
                f"{tmp}/out",
                "--max-epochs",
                "2",
            ]
            done = subprocess.run(command, capture_output=True, text=True)
            seconds = time.perf_counter() - clock
            files = sorted(p.name for p in Path(tmp, "out").glob("*"))
        if done.returncode:
            raise SystemExit(f"scsmd fit {name} failed:\n{done.stdout}\n{done.stderr}")
        out[name] = dict(seconds=seconds, files=files)
        print(
            f"{name:14s} K={k:2d}  exit 0 in {seconds:.0f} s (--max-epochs 2)  {', '.join(files)}",
            flush=True,
        )


def others(adata, types, k, seeds):
    "ARI of k-means on 30 principal components and of Leiden nearest to K, the same seeds."
    import numpy as np
    import scanpy as sc
    from sklearn.cluster import KMeans

    import scsmd_nb as smd
    from scsmd_nb.nn.partition import start_partition
    from scsmd_nb.tl import metrics

    logs = smd.pp.normalize(adata, target_sum=None)
    if logs.n_vars > 2500:
        logs = logs[:, smd.pp.select_genes(adata.X, 2000)].copy()
    sc.pp.scale(logs, max_value=10)
    found = {"kmeans": [], "leiden": []}
    for seed in seeds:
        sc.pp.pca(logs, n_comps=30, random_state=seed)
        pcs = np.ascontiguousarray(logs.obsm["X_pca"])
        found["kmeans"].append(
            metrics.ari(types, KMeans(k, n_init=10, random_state=seed).fit_predict(pcs))
        )
        found["leiden"].append(metrics.ari(types, start_partition(pcs, k, "leiden", seed)))
    return found


def bench_quality(out, seeds):
    "2. ARI of the default preset, K given; each seed reads the cells in an order of its own."
    import numpy as np

    import scsmd_nb as smd

    head(
        f"2. quality: default preset, K given, {len(seeds)} seeds and orders of cells "
        "(k-means and Leiden: 30 PCs of the same cells, same seeds)"
    )
    for name, bar in BARS.items():
        adata, types, k = load(name)
        rows = []
        for seed in seeds:
            clock = time.process_time()
            order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(types))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = smd.SCSMD(k, random_state=seed, accelerator="cpu").fit(adata[order].copy())
            said = [str(w.message) for w in caught if "clusters asked for" in str(w.message)]
            scores = smd.tl.scores(types[order], model.labels_)
            if scores["n_clusters"] < k and not said:
                raise SystemExit(f"{name}: a cluster died silently")
            rows.append(scores | dict(seconds=time.process_time() - clock, warned=bool(said)))
        rivals = others(adata, types, k, seeds)
        out[name] = dict(bar=bar, cells=adata.n_obs, k=k, runs=rows, **rivals)
        ari = [r["ari"] for r in rows]
        verdict = "reached" if sum(ari) / len(ari) >= bar else "MISSED"
        print(
            f"{name:14s} ARI {mean_sd(ari)} (bar {bar:.2f} {verdict})  NMI max {mean_sd([r['nmi_max'] for r in rows])} "
            f"mean {mean_sd([r['nmi_mean'] for r in rows])}  K {k}: {[r['n_clusters'] for r in rows]}  "
            f"{mean_sd([r['seconds'] for r in rows])} s | k-means {mean_sd(rivals['kmeans'])}  Leiden "
            f"{mean_sd(rivals['leiden'])}",
            flush=True,
        )


def epoch_seconds(data, k, update, times=3, **options):
    "Best processor seconds of one epoch of the soft-clustering phase."
    import torch

    import scsmd_nb as smd
    from scsmd_nb.tl.params import get_params

    run = smd.tl.new_run(
        data, get_params(update=update, **options), k, 0, smd.tl.make_fabric("cpu")
    )
    run.phase, run.centroids = (
        "soft",
        torch.randn(
            k, run.params.n_latent + run.params.n_linear, generator=torch.Generator().manual_seed(0)
        ),
    )
    smd.tl.begin(run, data)
    best = float("inf")
    for _ in range(times):
        clock = time.process_time()
        smd.tl.train_epoch(run, data)
        best = min(best, time.process_time() - clock)
    return best


def cell_data(name, n_cells=None, preset="default", **options):
    "Cells as the model reads them."
    import scsmd_nb as smd

    counts, params = (
        smd.counts.get_counts(load(name)[0])[:n_cells],
        smd.tl.get_params(preset, **options),
    )
    genes = smd.pp.select_genes(counts, params.n_top_genes, params.gene_selection)
    return smd.tl.cell_data(counts, genes, params)


def bench_speed(out, seeds):
    "3. Joint against per-cluster, cost in K, and a whole fit."
    import scsmd_nb as smd

    head("3. speed: one epoch of soft clustering, 1,024 cells of pbmc4k, batches of 256, best of 3")
    data = cell_data("pbmc4k", 1024)
    joint = {k: epoch_seconds(data, k, "joint") for k in (4, 8, 16)}
    literal = epoch_seconds(data, 8, "per_cluster")
    out.update(
        joint=joint,
        per_cluster_8=literal,
        ratio=literal / joint[8],
        k16_over_k4=joint[16] / joint[4],
    )
    print(
        f"K=8: joint {joint[8]:.2f} s, per cluster {literal:.2f} s: {out['ratio']:.1f} times faster (bar 6)"
    )
    print(f"joint at K=16 over K=4: {out['k16_over_k4']:.2f} (bar 1.15)")
    adata, _, k = load("pbmc4k")
    clock = time.process_time()
    smd.SCSMD(k, accelerator="cpu").fit(adata)
    out["whole_fit"] = time.process_time() - clock
    print(
        f"whole default fit on pbmc4k ({adata.n_obs:,} cells): {out['whole_fit']:.0f} s (bar 90)",
        flush=True,
    )


def bench_same(out, seeds):
    "4. Same seed, same labels: twice in this process, once in another."
    head("4. same random_state, same labels (zeisel)")
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tools'); import bench_core; "
        "print('labels', bench_core.label_hash())"
    )
    first, second = label_hash(), label_hash()
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    third = other.stdout.split()[-1] if other.stdout else other.stderr[-300:]
    out.update(first=first, second=second, other_process=third)
    print(
        f"one process: {first} {second}  another: {third}  {'identical' if first == second == third else 'DIFFERENT'}",
        flush=True,
    )


def label_hash():
    "Hash of the labels of a fit on zeisel."
    import hashlib

    import scsmd_nb as smd

    adata, _, k = load("zeisel")
    return hashlib.sha256(
        bytes(smd.SCSMD(k, accelerator="cpu").fit_predict(adata).astype("uint8"))
    ).hexdigest()[:12]


def stages(name, k, seed, preset, options, types):
    "Scores and seconds after each phase: k-means on latent vectors, memberships (module one), CellNet (module two)."
    import torch
    from sklearn.cluster import KMeans

    import scsmd_nb as smd
    from scsmd_nb.nn.soft_clustering import memberships

    data, out, clock = cell_data(name, preset=preset, **options), {}, time.perf_counter()
    params, cpu = smd.tl.get_params(preset, **options), smd.tl.make_fabric("cpu")
    run = smd.tl.new_run(data, params, k, seed, cpu)

    def score(stage, labels):
        out[stage] = smd.tl.scores(types, labels) | dict(seconds=time.perf_counter() - clock)

    smd.tl.train_phase(run, data)
    means = KMeans(k, n_init=10, random_state=seed)
    score("pretraining", means.fit_predict(smd.tl.latent(run, data)))
    smd.tl.train_phase(run, data)
    u = torch.from_numpy(smd.tl.latent(run, data))
    score("module one", memberships(u, run.centroids, params.fuzzifier).argmax(1).numpy())
    smd.tl.train_phase(run, data)
    score("module two", smd.tl.probabilities(run, smd.tl.latent(run, data)).argmax(1))
    return out


def bench_presets(out, seeds, full=False):
    "5. `paper` and `authors`, stage by stage; one seed and reduced epochs unless --full."
    reduced = dict(
        paper=dict(
            update="joint", pretrain_epochs=4, soft_epochs=4, first_epochs=4, second_epochs=4
        ),
        authors=dict(update="joint", pretrain_epochs=4, soft_epochs=1, second_epochs=2),
    )
    whole = dict(
        paper=dict(update="joint"), authors=dict(update="joint", soft_epochs=3, second_epochs=6)
    )
    head(
        "5. other presets, "
        + (
            "`paper` with all its epochs, `authors` with the public code's 20 + 3 + 8"
            if full
            else "reduced epochs (all of them with --full)"
        )
        + "; joint update in place of per-cluster"
    )
    for name in ("pbmc4k", "zeisel"):
        _, types, k = load(name)
        for preset, options in (whole if full else reduced).items():
            runs = [
                stages(name, k, seed, preset, options, types)
                for seed in (seeds if full else seeds[:1])
            ]
            out[f"{name} {preset}"] = dict(options=options, runs=runs)
            for stage in runs[0]:
                of = lambda what, s=stage, rs=runs: [r[s][what] for r in rs]
                print(
                    f"{name:8s} {preset:8s} after {stage:12s} ARI {mean_sd(of('ari'))}  NMI max "
                    f"{mean_sd(of('nmi_max'))}  mean {mean_sd(of('nmi_mean'))}  "
                    f"K {of('n_clusters')} of {k}  {mean_sd(of('seconds'))} s",
                    flush=True,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", choices=[*SECTIONS, []], help="what to measure; all if none is named"
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the quality section")
    parser.add_argument(
        "--full",
        action="store_true",
        help="`paper` and `authors` with all their epochs and every seed (about an hour)",
    )
    parser.add_argument("--save", default=str(ROOT / "bench-core.json"))
    args = parser.parse_args()
    if not os.environ.get("SCSMD_DATA_DIR"):
        raise SystemExit(
            "SCSMD_DATA_DIR is not set: point it to the folder with pbmc4k.h5ad, zeisel.h5ad, "
            "baron_human.h5ad and mouse_bladder.h5ad"
        )
    warnings.filterwarnings("ignore", category=FutureWarning)
    results = {}
    if args.sections and Path(args.save).exists():  # the other sections stay
        results = json.loads(Path(args.save).read_text())
    results["machine"] = machine()
    print(
        ", ".join(
            f"{k} {v}"
            for k, v in (results["machine"] | results["machine"]["versions"]).items()
            if k != "versions"
        )
    )
    clock = time.perf_counter()
    for name in args.sections or SECTIONS:
        extra = dict(full=args.full) if name == "presets" else {}
        results[name] = {}
        globals()[f"bench_{name}"](results[name], list(range(args.seeds)), **extra)
        Path(args.save).write_text(json.dumps(results, indent=1))
    print(f"\n{time.perf_counter() - clock:.0f} s; every number is in {args.save}")


if __name__ == "__main__":
    main()
