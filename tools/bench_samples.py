"""`make bench-samples`, a measurement and no tool: cells of several samples, types kept against samples mixed.

Needs SCSMD_DATA_DIR. scsmd_nb without and with its samples beside principal components, Harmony, Scanorama and scVI, K
given; each peer's vectors are cut by k-means and by Leiden. `--parts removed` takes each type out of all samples but
one. Writes nbs/results/samples.csv (`--out FILE` for another place), one row a run, as it goes; rows that are there
stay, and vectors lie in bench/samples. SCSMD_SCVI_PYTHON names the interpreter that has the peers (`pip install
"scsmd_nb[samples]" scvi-tools harmonypy`; harmonypy is under the GPL); a peer that it lacks is named and left out.
"""

import argparse
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parent.parent
SETS = {
    "cellmix_3lines_2protocols": "batch",
    "rnamix_2protocols": "batch",
    "lung_immune": "batch",
    "cellmix_5lines": "plate",
    "pbmc_3chemistries": "batch",
    "baron_human": "donor",
    "onek1k_40donors": "batch",
}
SIMULATED = (
    "simulated"  # two samples, each gene caught with another chance in each; not among the seven
)
REMOVED = (
    SIMULATED,
    "cellmix_3lines_2protocols",
    "lung_immune",
    "pbmc_3chemistries",
    "baron_human",
)
# Two studies put together, on the genes that both have; written down before any was run, but counterparts by round
# trips (commit 66b806e) were chosen after. For each part:
# the set, the column of its samples ("" for one sample), and what its types are called here; other types are left out.
_BLOOD = {"T_CD4": "T", "T_CD8": "T", "B": "B", "NK": "NK", "Mono_CD14": "CD14+ monocyte"}
_LINES = {name: name for name in ("H1975", "H2228", "HCC827", "A549", "H838")}
_DUCTAL = ("CRISP3_high-centroacinar_like", "terminal_ductal_like", "MHC_Class_II")
_DUCTAL = {f"Ductal_{name}": "ductal" for name in (*_DUCTAL, "APOL1_high-hypoxic")}
_ISLETS = {n: n for n in ("alpha", "beta", "ductal", "delta", "gamma", "endothelial")}
JOINED = {
    "lines_two_studies": [
        ("cellmix_3lines_2protocols", "batch", _LINES),
        ("cellmix_5lines", "", _LINES),
    ],
    "pancreas_two_species": [
        ("baron_human", "donor", _ISLETS),
        (
            "baron_mouse1",
            "",
            _ISLETS | {"quiescent_stellate": "stellate", "macrophage": "macrophage"},
        ),
    ],
    "blood_sorted_and_not": [
        (
            "pbmc_facs",
            "",
            {
                "T cell": "T",
                "B cell": "B",
                "NK cell": "NK",
                "CD14+": "CD14+ monocyte",
                "CD34+": "CD34+",
            },
        ),
        ("pbmc_3chemistries", "batch", _BLOOD | {"Mono_CD16": "CD16+ monocyte", "DC": "dendritic"}),
    ],
    "blood_and_marrow": [
        (
            "marrow_lymphoid",
            "",
            {"CD8": "CD8 T", "CD4": "CD4 T", "B_and_plasma": "B", "Myeloid": "myeloid"},
        ),
        (
            "pbmc_3chemistries",
            "batch",
            {
                "T_CD4": "CD4 T",
                "T_CD8": "CD8 T",
                "B": "B",
                "Mono_CD14": "myeloid",
                "Mono_CD16": "myeloid",
            },
        ),
    ],
    "pancreas_and_tumour": [
        ("baron_human", "donor", _ISLETS),
        (
            "pdac_indrop",
            "",
            _DUCTAL
            | {n: n for n in ("Cancer_clone_A", "Cancer_clone_B")}
            | {
                "T_cells_&_NK_cells": "T and NK",
                "mDCs_B": "dendritic",
                "Tuft_cells": "tuft",
                "Macrophages_A": "macrophage",
                "Macrophages_B": "macrophage",
                "Endothelial_cells": "endothelial",
            },
        ),
    ],
    "immune_two_species": [
        (
            "lung_immune",
            "batch",
            {"B cells": "B", "NK cells": "NK", "T cells": "T", "Neutrophils": "neutrophil"},
        ),
        ("pbmc_3chemistries", "batch", _BLOOD | {"Mono_CD16": "CD16+ monocyte"}),
    ],
}
TWO = "onek1k_two_groups"  # the same cells, every other donor in one group: what 40 samples cost
ALL = (*SETS, SIMULATED, *JOINED)
NEEDS = {"pca": "scanpy", "harmony": "harmonypy", "scanorama": "scanorama", "scvi": "scvi"}
NAMES = {"harmony": "harmonypy", "scanorama": "scanorama", "scvi": "scvi-tools", "pca": "scanpy"}
METHODS = (*NEEDS, "scsmd", "scsmd-batch")
PARTS = (
    "genes",
    "decoder",
    "penalty",
    "centred",
    "one_shift",
    "all_cells",
    "distances",
)  # see batch_parts.py
COLUMNS = (
    "dataset method cut seed removed only_in cells samples types clusters ari nmi_max ari_samples"
    " ari_types_samples everywhere"
    " f1 f1_before cpu_seconds silhouette ilisi bras version date"
).split()
SHOWN = "dataset method cut seed removed clusters ari ari_samples f1 cpu_seconds".split()
PCS = 30  # principal components, as smd.bench has them


# What a process of its own does. The interpreter need not have scsmd_nb for the peers.


def variable(adata):
    "Log counts of the genes that vary within samples: 2,000 where there are more than 2,500."
    import scanpy as sc

    logs = adata.copy()
    sc.pp.normalize_total(logs)
    sc.pp.log1p(logs)
    sc.pp.filter_genes(logs, min_cells=1)
    if logs.n_vars > 2500:
        sc.pp.highly_variable_genes(logs, n_top_genes=2000, batch_key="sample")
        logs = logs[:, logs.var["highly_variable"]].copy()
    return logs


def pca(adata, seed, k):
    import scanpy as sc

    logs = variable(adata)
    sc.pp.scale(logs, max_value=10)
    sc.pp.pca(logs, n_comps=PCS, random_state=seed)
    return logs.obsm["X_pca"], None


def harmony(adata, seed, k):
    import harmonypy
    import numpy as np

    z = pca(adata, seed, k)[0].astype(float)
    found = harmonypy.run_harmony(z, adata.obs, "sample", random_state=seed, verbose=False).Z_corr
    return np.asarray(found if len(found) == len(z) else found.T), None


def scanorama(adata, seed, k):
    import numpy as np
    import scanorama as program

    logs = variable(adata)
    codes = logs.obs["sample"].astype("category").cat.codes.to_numpy()
    parts = [logs[codes == c].copy() for c in range(codes.max() + 1)]
    program.integrate_scanpy(parts, seed=seed, verbose=0)
    z = np.empty((len(codes), parts[0].obsm["X_scanorama"].shape[1]))
    for c, part in enumerate(parts):
        z[codes == c] = part.obsm["X_scanorama"]
    return z, None


def scvi(adata, seed, k):
    "scVI's own sizes and number of epochs."
    import logging

    import scvi as program

    for part in ("fabric", "pytorch"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
    program.settings.seed = seed
    cells = adata[:, variable(adata).var_names].copy()
    program.model.SCVI.setup_anndata(cells, batch_key="sample")
    model = program.model.SCVI(cells)
    with tempfile.TemporaryDirectory() as folder:
        model.train(accelerator="cpu", enable_progress_bar=False, default_root_dir=folder)
    return model.get_latent_representation(), None


def scsmd(adata, seed, k, batch=None):
    import scsmd_nb as smd

    model = smd.SCSMD(k, random_state=seed, accelerator="cpu")
    model.fit(adata, **({} if batch is None else {"batch": batch}))
    return model.embedding_, model.labels_


def scsmd_batch(adata, seed, k):
    return scsmd(adata, seed, k, adata.obs["sample"].astype(str).to_numpy())


def function(method):
    "What runs this method, or this part of batch_key."
    if method in PARTS:
        import batch_parts

        return getattr(batch_parts, method)
    return globals()[method.replace("-", "_")]


def work(todo):
    "Do the runs listed in a file, one after the other: vectors, labels if there are any, processor seconds."
    import anndata as ad
    import numpy as np

    warnings.simplefilter("ignore")
    for job in json.loads(Path(todo).read_text()):
        method, out = job["method"], Path(job["out"])
        try:
            adata = ad.read_h5ad(job["cells"])
            importlib.import_module(NEEDS.get(method, "scsmd_nb.tl.model"))
            start = time.process_time()
            z, labels = function(method)(adata, job["seed"], job["k"])
            found = dict(z=np.asarray(z, dtype=np.float32), cpu=time.process_time() - start)
            found["version"] = version(NAMES.get(method, "scsmd_nb"))
            found |= {} if labels is None else {"own": labels}
            np.savez(part := out.with_suffix(".part.npz"), **found)
            part.replace(out)
            print(f"done {job['at']}", flush=True)
        except Exception as error:  # the others still run
            print(f"FAILED {out.stem}: {type(error).__name__}: {error}", flush=True)


def scib(todo):
    "scib-metrics of the runs listed in a file: silhouette of types, iLISI and BRAS of samples, all 0 to 1."
    import numpy as np
    import scib_metrics as sm
    from sklearn.neighbors import NearestNeighbors

    for run in json.loads(Path(todo).read_text()):
        with np.load(run["vectors"]) as file:
            z = file["z"]
        types, samples = (np.asarray(run[c]) for c in ("types", "samples"))
        d, i = NearestNeighbors(n_neighbors=min(90, len(z) - 1)).fit(z).kneighbors(z)
        near = sm.nearest_neighbors.NeighborsResults(indices=i, distances=d)
        found = dict(
            silhouette=sm.silhouette_label(z, types),
            ilisi=sm.ilisi_knn(near, samples),
            bras=sm.bras(z, types, samples),
        )
        Path(run["out"]).write_text(json.dumps({k: float(v) for k, v in found.items()}))


# What the measurement itself does.


def interpreter(method):
    "The Python that runs this method."
    return (os.environ.get("SCSMD_SCVI_PYTHON") if method in NEEDS else None) or sys.executable


def there(method):
    "Whether the method's package is installed."
    module = NEEDS.get(method, "scsmd_nb")
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([interpreter(method), "-c", look], check=False).returncode == 0


def simulated():
    "600 cells of five types in two samples; a gene is caught with another chance in each sample."
    import numpy as np
    import scipy.sparse as sp

    import scsmd_nb as smd

    adata, rng = smd.io.simulate(600, 1000, 5, random_state=0), np.random.default_rng(0)
    codes = rng.integers(0, 2, adata.n_obs)
    caught = rng.uniform(0.3, 1.0, (2, adata.n_vars))
    counts = sp.csr_matrix(adata.X).toarray().astype(int)
    adata.X = sp.csr_matrix(rng.binomial(counts, caught[codes]).astype(np.float32))
    adata.obs["batch"] = codes.astype(str)
    return adata


def joined(name):
    "Two studies in one table: genes of both, by name in capitals; types as JOINED names them."
    import anndata as ad

    import scsmd_nb as smd

    parts = []
    for source, column, types in JOINED[name]:
        part = smd.io.load(source)
        part = part[part.obs["cell_type"].isin(list(types))].copy()
        part.var_names = part.var_names.str.upper()
        part = part[:, ~part.var_names.duplicated()].copy()
        sample = part.obs[column].astype(str) if column else "all"
        part.obs["batch"] = source + " " + sample
        part.obs["cell_type"] = part.obs["cell_type"].astype(str).map(types)
        part.obs = part.obs[["batch", "cell_type"]]
        parts.append(part)
    out = ad.concat(parts, join="inner", index_unique="-")
    return out[out.X.sum(1).A1 > 0].copy()


@functools.cache
def cells(name, removed=""):
    "Counts with obs['sample'] and obs['cell_type'], and the one sample that keeps the removed type."
    import anndata as ad
    import pandas as pd

    import scsmd_nb as smd

    source = "onek1k_40donors" if name == TWO else name
    if name == SIMULATED:
        adata = simulated()
    elif name in JOINED:
        adata = joined(name)
    else:
        adata = smd.io.load(source)
    sample = adata.obs[SETS.get(source, "batch")].astype(str)
    if name == TWO:
        sample = pd.Series(pd.factorize(sample, sort=True)[0] % 2, sample.index).astype(str)
    types = adata.obs["cell_type"].astype(str)
    only, keep = "", pd.Series(True, types.index)
    if removed:
        only = sample[types == removed].value_counts().index[0]
        keep = (types != removed) | (sample == only)
    obs = pd.DataFrame({"sample": sample, "cell_type": types})[keep]
    return ad.AnnData(adata.X[keep.to_numpy()], obs=obs, var=adata.var[[]]), only


@functools.cache
def cuts(vectors, k, seed):
    "Labels by each way of cutting, and what else is known of the run."
    import numpy as np
    from sklearn.cluster import KMeans

    from scsmd_nb.bench.methods.simple import bisect, leiden_groups
    from scsmd_nb.nn.partition import neighbor_graph

    with np.load(vectors) as file:
        found = dict(file)
    if "own" in found:
        return {"own": found["own"]}, found
    graph = neighbor_graph(found["z"])
    return {
        "kmeans": KMeans(k, n_init=20, random_state=seed).fit_predict(found["z"]),
        "leiden": bisect(lambda r: leiden_groups(graph, r, seed), k)[0],
    }, found


def best_f1(labels, member):
    "The largest F1 of any cluster with these cells."
    import numpy as np

    return max(
        2 * (member & (labels == c)).sum() / (member.sum() + (labels == c).sum())
        for c in np.unique(labels)
    )


def vectors(folder, name, method, seed, removed=""):
    "Where the vectors of a run stay."
    tail = [removed.replace("/", "_")] if removed else []
    return folder / ("__".join([name, method, str(seed), *tail]) + ".npz")


def score(folder, name, method, seed, removed=""):
    "The rows of one run, a row for each cut."
    import numpy as np

    import scsmd_nb as smd

    adata, only = cells(name, removed)
    types = adata.obs["cell_type"].to_numpy()
    k, sample = len(set(types)), adata.obs["sample"].to_numpy()
    truth = (
        smd.tl.ari(sample, types),
        bool((smd.tl.contingency(types, sample) > 0).to_numpy().all()),
    )
    found, about = cuts(vectors(folder, name, method, seed, removed), k, seed)
    tail = dict(version=str(about["version"]), date=time.strftime("%Y-%m-%d"))
    rows = []
    for cut, labels in found.items():
        row = dict(dataset=name, method=method, cut=cut, seed=seed, removed=removed, only_in=only)
        row |= dict(cells=len(types), samples=adata.obs["sample"].nunique(), types=k)
        row |= dict(clusters=len(np.unique(labels)), ari=smd.tl.ari(types, labels))
        row |= dict(nmi_max=smd.tl.nmi(types, labels, average="max"))
        row |= dict(cpu_seconds=float(about["cpu"]))
        row |= dict(ari_samples=smd.tl.ari(sample, labels), ari_types_samples=truth[0])
        row |= dict(everywhere=truth[1])
        whole = vectors(folder, name, method, seed)
        if removed:
            row |= dict(f1=best_f1(labels, types == removed))
        if removed and whole.exists():
            every = cells(name)[0].obs["cell_type"].to_numpy()
            row |= dict(f1_before=best_f1(cuts(whole, k, seed)[0][cut], every == removed))
        rows.append(row | tail)
    return rows


def table(out):
    import pandas as pd

    text = {"removed": str, "only_in": str}
    if not Path(out).exists():
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.read_csv(out, dtype=text)
    return rows.assign(**{c: rows[c].fillna("") for c in text})


def run(out, folder, runs):
    "Do the runs that are not there yet: one process for each interpreter; rows are written as they come."
    import pandas as pd

    rows = table(out)
    done = set(zip(rows["dataset"], rows["method"], rows["seed"], rows["removed"]))
    runs = [r for r in runs if r not in done]
    for program in sorted({interpreter(method) for _, method, *_ in runs}):
        mine = [r for r in runs if interpreter(r[1]) == program]
        with tempfile.TemporaryDirectory() as place:
            listed = Path(place) / "todo.json"
            listed.write_text(json.dumps([job(place, folder, i, *r) for i, r in enumerate(mine)]))
            call = [program, __file__, "work", str(listed)]
            with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
                for line in process.stdout:
                    if line.startswith("FAILED"):
                        print(line, end="", flush=True)
                    if not line.startswith("done "):
                        continue
                    new = pd.DataFrame(score(folder, *mine[int(line.split()[1])]))
                    rows = new if rows.empty else pd.concat([rows, new])
                    rows.reindex(columns=COLUMNS).round(4).to_csv(out, index=False)
                    shown = new.reindex(columns=SHOWN).round(3)
                    print(shown.to_string(header=False, index=False), flush=True)


def job(place, folder, at, name, method, seed, removed):
    "What a process needs to know of a run; the file of its cells holds no types."
    adata, _ = cells(name, removed)
    file = Path(place) / f"{name}_{removed.replace('/', '_')}.h5ad"
    if not file.exists():
        blind = adata.copy()
        del blind.obs["cell_type"]
        blind.write_h5ad(file)
    out, k = vectors(folder, name, method, seed, removed), adata.obs["cell_type"].nunique()
    return dict(at=at, method=method, cells=str(file), out=str(out), seed=seed, k=k)


def add_scib(out, folder):
    "Fill the columns of scib-metrics where they are empty; one process for all runs."
    rows = table(out)
    lack = rows["silhouette"].isna() & rows["removed"].eq("") & rows["dataset"].ne(TWO)
    with tempfile.TemporaryDirectory() as place:
        todo, at = [], {}
        for key in rows[lack].groupby(["dataset", "method", "seed"]).groups:
            if not (file := vectors(folder, *key)).exists():
                continue
            obs = cells(key[0])[0].obs
            at[key] = Path(place) / f"{len(at)}.json"
            about = dict(types=obs["cell_type"].tolist(), samples=obs["sample"].tolist())
            todo.append(dict(vectors=str(file), out=str(at[key]), **about))
        listed = Path(place) / "todo.json"
        listed.write_text(json.dumps(todo))
        subprocess.run([interpreter("scvi"), __file__, "scib", str(listed)], check=False)
        for (name, method, seed), file in at.items():
            if file.exists():
                same = (rows["dataset"] == name) & (rows["method"] == method)
                for column, value in json.loads(file.read_text()).items():
                    rows.loc[same & lack & (rows["seed"] == seed), column] = round(value, 4)
    rows.to_csv(out, index=False)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default=str(ROOT / "nbs/results/samples.csv"))
    parser.add_argument("--sets", nargs="*", default=[*ALL], choices=ALL)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--parts",
        nargs="*",
        default=["all", "removed", "two", "scib", "parts"],
        choices=["all", "removed", "two", "scib", "parts"],
        help="all types; each type in one sample only, seed 0; two groups of donors; scib-metrics; "
        "parts of batch_key taken away or exchanged, seed 0",
    )
    args = parser.parse_args()
    if not os.environ.get("SCSMD_DATA_DIR"):
        sys.exit("set SCSMD_DATA_DIR to the folder with the labelled data sets")
    folder = ROOT / "bench/samples"
    folder.mkdir(parents=True, exist_ok=True)
    methods = [m for m in args.methods if there(m)]
    for m in set(args.methods) - set(methods):
        print(f"{m} is left out: {interpreter(m)} has no package {NEEDS[m]}", flush=True)
    runs = []
    if "all" in args.parts:
        runs += [(n, m, s, "") for m in methods for s in args.seeds for n in args.sets]
    if "parts" in args.parts:
        runs += [(n, m, 0, "") for m in PARTS for n in args.sets]
    if "two" in args.parts and "scsmd-batch" in methods:
        runs += [(TWO, "scsmd-batch", 0, "")]
    if "removed" in args.parts:
        for name in [n for n in REMOVED if n in args.sets]:
            types = sorted(set(cells(name)[0].obs["cell_type"]))
            runs += [(name, m, 0, t) for m in methods for t in types]
    run(args.out, folder, runs)
    if "scib" in args.parts:
        add_scib(args.out, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2])
    elif sys.argv[1:2] == ["scib"]:
        scib(sys.argv[2])
    else:
        main()
