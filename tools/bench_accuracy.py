"""`make bench-accuracy`, a measurement and no tool: the default preset beside its peers on 27 labelled sets, K given.

Plan. One run, the same cells and the same K for every method: at most 1,500 cells of a set (`--cells`, 0: all), drawn
once by chance, without a look at the labels; 14 sets have more. Budget `laptop` of smd.bench: it cuts neither scSMD nor
the simple methods; scVI stops after at most 100 epochs, DCA and scDeepCluster by a rule without labels. Each run is
forked from one process that has loaded the libraries, one after the other, on one thread; cells without names, in an
order drawn by the seed. Seurat and scVI start once and take one set after the other. The stages, in this order:

  first           seed 0: scSMD, k-means, Gaussian mixture, Ward, Leiden to K
  seurat          seed 0: real Seurat, its resolution searched for K
  scvi            seeds 0 to 2: scVI, trained once, cut by k-means and by Leiden
  parts           seed 0: scSMD with one part switched off or exchanged after its pretraining
  gates           seed 0: scSMD without attention gates
  dca             seeds 0 to 2: DCA
  scdeepcluster   seeds 0 to 2: scDeepCluster
  seeds           seeds 1 and 2 of scSMD and the four simple methods

A row is written as soon as its run ends; called again, the tool goes on where it stopped, and `--stages` picks some.
Rows are kept in bench/accuracy/ (`--out DIR`); `--save` copies them to nbs/results. Labels only score the end.

The rows in nbs/results of November 2026 are the stages `first` and `seurat`, and scVI on three sets, on a busy machine;
there Seurat and scVI were still started for each set, so that their seconds hold the start.

scVI needs SCSMD_SCVI_PYTHON, an interpreter with scvi-tools; Seurat needs R with Seurat. Without them their rows fail.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
import zlib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

for _name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "nbs/results"
RARE, FOUND = 0.03, 0.5  # a type is rare below this share of the cells; found if its F1 is at least
MOST_CELLS, TIME_LIMIT = 1500, 900  # of a set; seconds of a run
STUDIES = {  # sets of one study are no independent witnesses
    "baron_human": "Baron",
    "baron_mouse1": "Baron",
    "cbmc_cite": "Stoeckius",
    "hto_lines4": "Stoeckius",
    "cellmix_3lines_2protocols": "Tian",
    "cellmix_5lines": "Tian",
    "rnamix_2protocols": "Tian",
    "pbmc4k": "10x and Zheng",
    "pbmc_3chemistries": "10x and Zheng",
    "pbmc_facs": "10x and Zheng",
    "zeisel": "Zeisel",
    "zeisel_balanced550": "Zeisel",
}
SETS = (
    *STUDIES,
    *("bm_stroma", "breast_lines31", "goolam_embryo", "hypothalamus_neurons"),
    *("intestine_epithelium", "ipsc_timecourse", "lung_immune", "marrow_lymphoid"),
    *("mouse_bladder", "onek1k_40donors", "pancreas_endocrinogenesis", "paul15"),
    *("pdac_indrop", "worm_neuron", "zebrafish_blood"),
)
PARTS = (  # of smd.bench.suites.ABLATIONS, which pretraining does not see
    "no CellNet",
    "no soft clustering",
    "no linear part",
)
SIMPLE = ("kmeans", "gmm", "ward", "leiden-k")


def stages():
    "Name of the stage, its seeds, and its methods with their options."
    from scsmd_nb.bench.suites import ABLATIONS

    plain = lambda *names: [(name, {}) for name in names]
    parts = [("scsmd", ABLATIONS[part]) for part in PARTS] + [("scsmd", {"start": "kmeans"})]
    return {
        "first": ((0,), plain("scsmd", *SIMPLE)),
        "seurat": ((0,), plain("seurat")),
        "scvi": ((0, 1, 2), plain("scvi-kmeans", "scvi-leiden")),
        "parts": ((0,), parts),
        "gates": ((0,), [("scsmd", ABLATIONS["no attention gates"])]),
        "dca": ((0, 1, 2), plain("dca")),
        "scdeepcluster": ((0, 1, 2), plain("scdeepcluster")),
        "seeds": ((1, 2), plain("scsmd", *SIMPLE)),
    }


# ---------------------------------------------------------------- data


def some_of(name, most):
    "The set as smd.bench.load gives it; where it has more cells, a random part, and the genes found there."
    import numpy as np

    import scsmd_nb as smd
    from scsmd_nb.counts import fingerprint

    data = smd.bench.load(name)
    if most and len(data.types) > most:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        at = np.sort(rng.choice(len(data.types), most, replace=False))
        data.counts, data.types = data.counts[at], data.types[at]
    there = np.flatnonzero(np.asarray(data.counts.sum(0)).ravel())
    data.counts, data.genes = data.counts[:, there], data.genes[there]
    data.data_hash = fingerprint(data.counts)
    return data


# ---------------------------------------------------------------- one run


SCVI_MANY = """
import sys, time
script, seed, *folders = sys.argv[1:]
code = open(script).read()
for folder in folders:
    clock = time.process_time()
    sys.argv = ["", folder, seed, "10", "laptop", "False"]
    exec(code, {})
    open(f"{folder}/seconds", "w").write(str(time.process_time() - clock))
"""
SEURAT_MANY = """
given <- base::commandArgs(trailingOnly = TRUE)
for (call in given[-1]) {
  start <- proc.time()
  parts <- strsplit(call, "|", fixed = TRUE)[[1]]
  commandArgs <- function(...) parts
  try(source(given[1]))
  writeLines(as.character(sum((proc.time() - start)[1:2])), file.path(parts[1], "seconds"))
}
"""


def together(stage, folder, sets, most, seed):
    "Seurat or scVI has seen these sets, one after the other in one process; what it found lies in a folder a set."
    import anndata as ad
    import numpy as np
    from scipy.io import mmwrite

    from scsmd_nb.bench.methods import optional
    from scsmd_nb.pp.genes import select_genes

    calls = []
    for name in sets:
        at = folder / stage / f"{name}-{seed}"
        if (at / "seconds").exists():
            continue
        at.mkdir(parents=True, exist_ok=True)
        data = some_of(name, most)
        counts = data.counts[order_of(data, seed)]
        if stage == "scvi":
            genes = np.flatnonzero(select_genes(counts, 2000))
            ad.AnnData(counts[:, genes].copy()).write_h5ad(at / "cells.h5ad")
        else:
            mmwrite(at / "counts.mtx", counts.T.tocoo())
        calls.append(str(at) if stage == "scvi" else f"{at}|{seed}|{data.n_types}|1|2000")
    if not calls:
        return
    many, script = folder / stage / "many", folder / stage / "script"
    many.write_text(SCVI_MANY if stage == "scvi" else SEURAT_MANY)
    script.write_text(optional.SCVI if stage == "scvi" else optional.SEURAT)
    program = [os.environ.get("SCSMD_SCVI_PYTHON") or sys.executable, many, script, seed]
    program = program if stage == "scvi" else ["Rscript", "--vanilla", many, script]
    with open(folder / stage / "log", "a") as log:
        subprocess.run([str(c) for c in (*program, *calls)], stdout=log, stderr=log, check=False)


def found_outside(stage, at):
    "A stand-in for the method: what `together` left for this set."
    import numpy as np

    from scsmd_nb.bench.methods import optional, registry

    if stage == "seurat":
        labels = np.loadtxt(at / "labels.txt", dtype=int)
        return lambda name, *options: (
            lambda cells, k, seed: (np.unique(labels, return_inverse=True)[1], None)
        )
    z = np.load(at / "latent.npy")
    optional.scvi_latent = lambda *given: z
    return registry.get


def pretrained(net):
    "Weights of the autoencoder without its linear view, which is fitted after pretraining."
    from scsmd_nb.nn.autoencoder import TwoViews

    views = isinstance(net.encoder, TwoViews)
    inner = net.encoder.encoder if views else net.encoder
    rest = {k: v for k, v in net.state_dict().items() if not k.startswith("encoder.")}
    return inner, rest


def share_pretraining(folder, takes):
    "Fits keep what pretraining gives; those that `takes`, and differ later only, take it from there."
    import torch

    from scsmd_nb.tl import training

    train, later = training.train_phase, ("soft_epochs", "first_epochs", "second_epochs")

    def phase(run, data, progress=None):
        if run.phase != "pretrain":
            return train(run, data, progress)
        alike = replace(run.params, start="", n_linear=0, **dict.fromkeys(later, 0))
        key = repr((alike, run.n_clusters, run.random_state, data.counts.shape))
        key += repr((float(data.library.sum()), float(data.library[0])))  # cells, and their order
        path = folder / f"{sha256(key.encode()).hexdigest()[:16]}.pt"
        folder.mkdir(parents=True, exist_ok=True)
        inner, rest = pretrained(run.net)
        if takes and path.exists():
            kept = torch.load(path)
            inner.load_state_dict(kept["inner"])
            run.net.load_state_dict(kept["rest"], strict=False)
            run.rng.set_state(kept["rng"])
            run.phase = "soft"
            return None
        train(run, data, progress)
        inner, rest = pretrained(run.net)
        torch.save(dict(inner=inner.state_dict(), rest=rest, rng=run.rng.get_state()), path)

    training.train_phase = phase


def work(name, options, cells, k, seed, folder, answer, outside):
    "In a process of its own: labels, processor seconds, warnings; of scSMD also the seconds of its confidence."
    import numpy as np

    import scsmd_nb as smd
    from scsmd_nb.bench.methods import registry

    os.setsid()
    np.random.seed(seed)
    share_pretraining(folder / "pretrained", takes=bool(options))
    seconds = lambda: sum(os.times()[:4])
    out = dict(status="ok", message="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            before = float((outside / "seconds").read_text()) if outside else 0.0
            get = found_outside(outside.parent.name, outside) if outside else registry.get
            method = get(name, "laptop", **options)
            cpu, clock = seconds(), time.perf_counter()
            labels, z = method(cells, k, seed)
            out |= dict(labels=labels, cpu_seconds=seconds() - cpu + before)
            out |= dict(seconds=None if outside else time.perf_counter() - clock)
            if name == "scsmd" and not options:
                cpu = seconds()
                smd.tl.judge(z, labels, cells.X, cells.var_names, random_state=seed)
                out |= dict(confidence_cpu=seconds() - cpu)
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            out = dict(status="failed", message=text[:300])
    texts = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    out["warnings"] = " | ".join(dict.fromkeys(" ".join(t.split())[:300] for t in texts))
    part = answer.with_suffix(".part")
    part.write_bytes(pickle.dumps(out))
    part.rename(answer)


def order_of(data, seed):
    "The order in which a method with this seed gets the cells."
    import numpy as np

    rng = np.random.default_rng([seed, zlib.crc32(data.name.encode())])
    return rng.permutation(len(data.types))


def run_one(name, options, data, seed, folder, outside=None):
    "What `work` found, labels in the order of the set."
    import numpy as np

    import scsmd_nb as smd

    order, answer = order_of(data, seed), folder / "answer.pkl"
    cells = smd.bench.blind(data.counts, data.genes, order)
    answer.unlink(missing_ok=True)
    call = (name, options, cells, data.n_types, seed, folder, answer, outside)
    process = multiprocessing.get_context("fork").Process(target=work, args=call)
    process.start()
    process.join(TIME_LIMIT)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return dict(status="timeout", message=f"stopped after {TIME_LIMIT} s", warnings="")
    if not answer.exists():
        return dict(status="failed", message=f"exit status {process.exitcode}", warnings="")
    out = pickle.loads(answer.read_bytes())
    if "labels" in out:
        labels = np.empty_like(out["labels"])
        labels[order] = out["labels"]
        out["labels"] = labels
    return out


# ---------------------------------------------------------------- all runs


def append(path, columns, rows):
    "The rows are in the file."
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(columns))
    table.to_csv(path, mode="a", header=not path.exists(), index=False, float_format="%.6g")


def facts():
    "Columns that are the same for every run."
    import platform
    from importlib.metadata import version

    from scsmd_nb import __version__
    from scsmd_nb.bench.table import SCHEMA

    cpu = Path("/proc/cpuinfo")
    names = cpu.read_text().split("\n") if cpu.exists() else []
    model = next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "")
    machine = f"{platform.system()}, {model or platform.machine()}, {os.cpu_count()} cores"
    return dict(schema=SCHEMA, budget="laptop", version=__version__, torch=version("torch")) | dict(
        python=platform.python_version(), machine=machine, threads=1
    )


def keep(out, key, data, options, folder):
    "Row, rare types and the price of confidence are in the files."
    from datetime import UTC, datetime

    import scsmd_nb as smd
    from scsmd_nb.bench.table import COLUMNS

    labels, row = out.pop("labels", None), facts() | key | out
    row |= dict(n_clusters_asked=data.n_types, n_types=data.n_types, data_hash=data.data_hash)
    row |= dict(zip(("n_cells", "n_genes"), data.counts.shape))
    row["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    if options and "cpu_seconds" in row and "dilations" not in options:
        row |= dict(cpu_seconds=None, seconds=None, message="pretraining taken from the default")
    if labels is not None:
        scores = smd.tl.metrics.scores(data.types, labels)
        row |= {s: scores[s] for s in ("ari", "nmi_max", "nmi_mean", "accuracy")}
        row["n_clusters_found"] = scores["n_clusters"]
        rare = [key | dict(f1=round(f, 4)) for f in rare_types(labels, data.types)]
        append(folder / "rare.csv", ("dataset", "method", "options", "seed", "f1"), rare)
    if "confidence_cpu" in out:
        price = [key | dict(cpu_fit=out["cpu_seconds"], cpu_confidence=out["confidence_cpu"])]
        columns = ("dataset", "seed", "cpu_fit", "cpu_confidence")
        append(folder / "confidence.csv", columns, price)
    append(folder / "results.csv", COLUMNS, [row])
    return row


def run(folder, wanted, most, sets=SETS):
    "All runs of these stages that are not in the folder yet."
    import scanpy  # noqa: F401  every fork has it
    import torch

    from scsmd_nb.bench.table import read, run_id

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    known = read(folder) if (folder / "results.csv").exists() else None
    done = set() if known is None else {run_id(r) for r in known.to_dict("records")}
    loaded = {}
    for stage in wanted:
        seeds, methods = stages()[stage]
        if stage in ("seurat", "scvi"):
            for seed in seeds:
                together(stage, folder, sets, most, seed)
        for seed, name in ((s, n) for s in seeds for n in sets):
            for method, options in methods:
                key = dict(dataset=name, method=method, seed=seed)
                key["options"] = json.dumps(options, sort_keys=True)
                if run_id(key | dict(budget="laptop")) in done:
                    continue
                if name not in loaded:
                    loaded = {name: some_of(name, most)}
                outside = folder / stage / f"{name}-{seed}" if stage in ("seurat", "scvi") else None
                out = run_one(method, options, loaded[name], seed, folder, outside)
                row = keep(out, key, loaded[name], options, folder)
                score = f"ARI {row['ari']:.3f}" if row["status"] == "ok" else row["message"]
                cpu = f"{out.get('cpu_seconds', 0):.1f} s of processor"
                print(stage, seed, name, method, key["options"], score, cpu, flush=True)


def rare_types(labels, types):
    "For each rare type, its F1 with the best matching cluster."
    from scsmd_nb.tl.metrics import contingency

    table = contingency(types, labels).to_numpy()
    size, cluster = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    f1 = (2 * table / (size + cluster)).max(1)
    return f1[size[:, 0] < RARE * table.sum()]


# ---------------------------------------------------------------- what came out


def claim(text, holds):
    print(f"   {'holds ' if holds else 'MISSED'}  {text}", flush=True)


def accuracy(plain):
    "Means, ranks and pairs, and the bars on them."
    import pandas as pd

    from scsmd_nb.bench import SUITES
    from scsmd_nb.bench.figures import paired, title

    pairs, own = paired(plain), title("scsmd")
    nmi = paired(plain, "nmi_max")["mean of the rival"].rename("NMI of the rival")
    new = plain[~plain["dataset"].isin(SUITES["shared"].datasets)]
    fresh = (
        paired(new)[["sets", "difference", "standard error"]] if len(new) else pairs.iloc[:0, :0]
    )
    wide = plain.groupby(["method", "dataset"])["ari"].mean().unstack("method")
    n = wide["scsmd"].notna().sum()
    whole = wide.loc[wide["scsmd"].notna(), wide.notna().sum() >= n].dropna()
    ranks = whole.rank(axis=1, ascending=False).mean().rename(title).sort_values()
    print(f"\n1. K given, {n} sets; scSMD minus each, paired over the sets and seeds both have")
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(pairs.join(nmi).round(3).to_string())
        print("\n   the sets alone that played no part when the default was chosen")
        print(fresh.round(3).to_string())
    print(f"\n   mean rank of the {len(ranks)} methods that have all {len(whole)} sets")
    print(ranks.round(2).to_string(), "\n")
    cells = plain.groupby("dataset")["n_cells"].max()
    most = cells.max()
    print(
        f"   cells: at most {most}; {(cells == most).sum()} sets have as many; seeds of each method:"
    )
    print("  ", plain.groupby("method")["seed"].nunique().to_dict())
    best, means = pairs.index[0], pairs["mean of the rival"]
    ahead = pairs["difference"]
    behind = [f"{m} ({d:+.3f})" for m, d in ahead[ahead < 0].items()]
    claim(f"first in mean ARI; behind: {', '.join(behind) or 'none'}", not behind)
    claim(f"first in mean rank: {ranks.index[0]} is", ranks.index[0] == own)
    lead, error = pairs.loc[best, ["difference", "standard error"]]
    claim(
        f"{lead:+.3f} +- {error:.3f} to the best, {best} ({means[best]:.3f}); bar +0.030",
        lead >= 0.03,
    )
    sure = (pairs["p (Holm)"] < 0.05) & (ahead > 0)
    apart = ", ".join(pairs.index[sure]) or "none"
    claim(f"Wilcoxon with Holm below 0.05 against all but two: against {apart}", (~sure).sum() <= 2)
    gap = wide["scsmd"] - wide[["kmeans", "leiden-k"]].max(axis=1)
    far = ", ".join(f"{d} {v:+.2f}" for d, v in gap[gap < -0.1].sort_values().items())
    claim(f"on no set more than 0.10 behind k-means or Leiden to K: {far or 'none'}", not far)


def spread(plain):
    "Deviation over seeds, and clusters that were asked for and do not stand."
    own = plain[plain["method"] == "scsmd"]
    if own["seed"].nunique() > 1:
        sd = own.groupby("dataset")["ari"].std().dropna()
        print(f"\n   standard deviation of ARI over seeds: mean of {len(sd)} sets {sd.mean():.3f}")
    fewer = own[own["n_clusters_found"] != own["n_clusters_asked"]]
    said = fewer["warnings"].astype(str).str.contains("hold cells")
    print(f"   {len(own) - len(fewer)} of {len(own)} fits have K as asked")
    claim(f"every fit with fewer says so ({said.sum()} of {len(fewer)})", said.all())


def rare(found):
    "Rare types found, beside Leiden at the same K, on the sets and seeds of both."
    import pandas as pd

    keys = ["dataset", "seed"]
    plain = found[(found["options"] == "{}") & found["method"].isin(["scsmd", "leiden-k"])]
    runs = [
        set(map(tuple, plain.loc[plain["method"] == m, keys].values)) for m in ("scsmd", "leiden-k")
    ]
    both = [tuple(k) in runs[0] & runs[1] for k in plain[keys].values]
    plain = plain[both]
    share = (plain["f1"] >= FOUND).groupby(plain["method"]).agg(["sum", "size", "mean"])
    print(
        f"\n3. types under {RARE:.0%} of the cells: found if a cluster has F1 of at least {FOUND}"
    )
    print(share.round(3).to_string())
    by_set = (plain["f1"] >= FOUND).groupby([plain["dataset"], plain["method"]]).mean().unstack()
    minus = by_set["scsmd"] - by_set["leiden-k"]
    ours, theirs = share["mean"]["scsmd"], share["mean"]["leiden-k"]
    words = f"paired over {len(minus)} sets {minus.mean():+.3f} +- {minus.sem():.3f}"
    claim(f"{ours:.3f} against {theirs:.3f} of Leiden at the same K; {words}", ours >= theirs)
    return pd.DataFrame(by_set)


def cost(plain, price):
    "Processor seconds of each method, and what confidence adds."
    print(
        "\n4. seconds of processor, median over sets (the start of R and of scVI's Python counted)"
    )
    print(plain.groupby("method")["cpu_seconds"].median().round(1).sort_values().to_string())
    fit, whole = price["cpu_fit"], price["cpu_fit"] + price["cpu_confidence"]
    ratio = (whole / fit).median()
    words = f"{fit.median():.1f} s a fit, {whole.median():.1f} s with confidence"
    claim(f"{words}: {ratio:.2f} times, bar 1.33", ratio <= 4 / 3)


def parts(rows):
    "The default with a part switched off or exchanged, minus the default, same set and seed."
    from scsmd_nb.bench.figures import worth

    if rows.loc[rows["method"] == "scsmd", "options"].eq("{}").all():
        return
    print("\n5. parts: ARI without or exchanged minus the default, paired over sets; seed 0")
    print(worth(rows[rows["method"] == "scsmd"]).round(3).to_string())


def report(folder):
    "Each bar with what was measured, and if it holds."
    import pandas as pd

    import scsmd_nb as smd

    rows = smd.bench.read(folder)
    lost = rows[rows["status"] != "ok"]
    for _, r in lost.iterrows():
        print(
            f"   {r['method']} on {r['dataset']}, seed {r['seed']}: {r['status']}, {r['message']}"
        )
    rows = rows[rows["status"] == "ok"]
    plain = smd.bench.figures.compared(rows)
    if plain["method"].eq("scsmd").sum() == 0 or plain["method"].nunique() < 2:
        sys.exit("nothing to compare yet: the stage `first` has scSMD and its simplest peers")
    print(
        "The default was not changed for these runs, so there is no choice to leave a study out of. It was chosen "
        "on twelve of the sets before. What choosing on all 27 would be worth, a study left out at a time: "
        "nbs/explanations/choosing_the_default.ipynb."
    )
    accuracy(plain)
    spread(plain)
    rare(pd.read_csv(folder / "rare.csv"))
    cost(plain, pd.read_csv(folder / "confidence.csv"))
    parts(rows)


def save(folder):
    "The files that pages read."
    for name, as_what in (("results", ""), ("rare", "_rare"), ("confidence", "_confidence")):
        text = (folder / f"{name}.csv").read_text()
        (RESULTS / f"accuracy{as_what}.csv").write_text(text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default=str(ROOT / "bench/accuracy"))
    names = tuple(stages())
    parser.add_argument("--stages", nargs="*", default=names, choices=[*names, "none"])
    parser.add_argument("--cells", type=int, default=MOST_CELLS, help="most of a set; 0: all")
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS, metavar="SET")
    parser.add_argument("--quiet", action="store_true", help="run, and print no bars")
    parser.add_argument("--save", action="store_true", help="copy the rows to nbs/results")
    args = parser.parse_args()
    if not os.environ.get("SCSMD_DATA_DIR"):
        sys.exit("set SCSMD_DATA_DIR to the folder with the labelled data sets")
    folder = Path(args.out)
    run(folder, [s for s in args.stages if s != "none"], args.cells, args.sets)
    if not args.quiet:
        report(folder)
    if args.save:
        save(folder)


if __name__ == "__main__":
    main()
