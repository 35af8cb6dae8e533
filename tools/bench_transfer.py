"""`make bench-transfer`, a measurement and no tool: labels from references on seven sets, each sample left out in turn.

Needs SCSMD_DATA_DIR. Beside smd.tl.transfer run logistic regression on log counts and scanpy.tl.ingest; then each type
is taken out of the references. Writes nbs/results/transfer.csv (`--out FILE` for another place), one row a run, as it
goes; rows that are there stay. `--scanvi` fills the column of scANVI in rows that lack it, with the interpreter
SCSMD_SCVI_PYTHON (minutes a row).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import anndata as ad
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SETS = {
    "cellmix_3lines_2protocols": "batch",
    "pbmc_3chemistries": "batch",
    "rnamix_2protocols": "batch",
    "lung_immune": "batch",
    "baron_human": "donor",
    "cellmix_5lines": "plate",
    "onek1k_40donors": "batch",
}


def logistic(known, query):
    "Labels and 1 - largest probability: log counts divided by their standard deviations, all genes."
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from scsmd_nb.pp.genes import log_normalize

    X, Q = (log_normalize(a.X).toarray() for a in (known, query))
    mean, sd = X.mean(0), X.std(0) + 1e-9
    X, Q = (np.clip((x - mean) / sd, -10, 10) for x in (X, Q))
    model = LogisticRegression(max_iter=200).fit(X, known.obs["cell_type"].astype(str))
    proba = model.predict_proba(Q)
    return model.classes_[proba.argmax(1)], 1 - proba.max(1)


def ingest(known, query):
    "Labels by scanpy's ingest on 50 components of its 2,000 variable genes."
    import anndata as ad
    import scanpy as sc

    from scsmd_nb.pp.genes import log_normalize

    a, q = (
        ad.AnnData(log_normalize(x.X), obs=x.obs[["cell_type"]].copy(), var=x.var[[]])
        for x in (known, query)
    )
    a.obs["cell_type"] = a.obs["cell_type"].astype(str).astype("category")
    del q.obs["cell_type"]
    if a.n_vars > 2500:
        sc.pp.highly_variable_genes(a, n_top_genes=2000)
        keep = a.var["highly_variable"].to_numpy()
        a, q = a[:, keep].copy(), q[:, keep].copy()
    sc.pp.pca(a)
    sc.pp.neighbors(a)
    sc.tl.ingest(q, a, obs="cell_type", embedding_method="pca")
    return q.obs["cell_type"].astype(str).to_numpy()


def scanvi(known, query, batch):
    "Labels by scANVI, in a process of the interpreter that has scvi-tools."
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("known.h5ad", "query.h5ad", "labels.txt")]
        for file, a, columns in (
            (files[0], known, [batch, "cell_type"]),
            (files[1], query, [batch]),
        ):
            obs = a.obs[columns].astype(str).rename(columns={batch: "sample"})
            ad.AnnData(a.X, obs=obs, var=a.var[[]]).write_h5ad(file)
        program = os.environ["SCSMD_SCVI_PYTHON"]
        subprocess.run([program, str(ROOT / "tools/peer_scanvi.py"), *files], check=True)
        return np.array(Path(files[2]).read_text().splitlines())


def parts(adata, batch, sample, removed=None):
    "References and query of a run."
    here = (adata.obs[batch].astype(str) == sample).to_numpy()
    types = adata.obs["cell_type"].astype(str)
    rare = types[~here].value_counts()  # one cell is no type
    known = ~here & (types != removed).to_numpy() & types.isin(rare[rare > 1].index).to_numpy()
    return adata[known].copy(), adata[here].copy()


def runs(adata, batch):
    "Query's sample and what is taken out of the references, for every run."
    samples = sorted(adata.obs[batch].astype(str).unique())
    for sample in samples[::10] if len(samples) > 10 else samples:
        here = adata.obs[batch].astype(str) == sample
        inside, outside = (
            adata.obs["cell_type"][m].astype(str).value_counts() for m in (here, ~here)
        )
        yield sample, None
        for t in sorted(inside.index):
            if inside[t] >= 8 and outside.get(t, 0) >= 5 and len(outside) > 2:
                yield sample, t


def row(adata, batch, sample, removed):
    "The scores of one run."
    from sklearn.metrics import roc_auc_score

    import scsmd_nb as smd

    known, query = parts(adata, batch, sample, removed)
    truth = query.obs["cell_type"].astype(str).to_numpy()
    smd.tl.transfer(known, query, label_key="cell_type", batch_key=batch)
    called, strange = query.obs["scsmd_label"] == "unknown", query.obs["scsmd_label_strange"]
    if removed is None:
        plain = query.copy()
        smd.tl.transfer(known, plain, label_key="cell_type", batch_key=batch, false_alarms=0)
        right = (plain.obs["scsmd_label"].astype(str) == truth).mean()
        proba = plain.obs["scsmd_label_proba"].mean()
        found = dict(lr=(logistic(known, query)[0] == truth).mean(), transfer=right)
        found |= dict(ingest=(ingest(known, query) == truth).mean(), mean_proba=proba)
        return found | dict(false_alarms=called.mean())
    new = truth == removed
    auc = dict(
        auc=roc_auc_score(new, strange), auc_lr=roc_auc_score(new, logistic(known, query)[1])
    )
    return auc | dict(called_unknown=called[new].mean(), false_alarms=called[~new].mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(ROOT / "nbs/results/transfer.csv"))
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--scanvi", action="store_true", help="fill the column of scANVI")
    args = parser.parse_args()
    if not os.environ.get("SCSMD_DATA_DIR"):
        sys.exit("set SCSMD_DATA_DIR to the folder with the labelled data sets")
    if args.scanvi and not os.environ.get("SCSMD_SCVI_PYTHON"):
        sys.exit("set SCSMD_SCVI_PYTHON to the interpreter that has scvi-tools")
    import pandas as pd

    import scsmd_nb as smd

    warnings.simplefilter("ignore")
    there = pd.read_csv(args.out) if Path(args.out).exists() else pd.DataFrame()
    done = (
        set(zip(there["dataset"], there["sample"], there["removed"].fillna("")))
        if len(there)
        else set()
    )
    columns = "dataset sample removed lr ingest scanvi transfer mean_proba auc_lr auc called_unknown false_alarms"
    there = there.reindex(columns=columns.split())
    if args.scanvi:
        whole = there["removed"].isna() & there["scanvi"].isna() & there["dataset"].isin(args.sets)
        for i, (name, sample) in there.loc[whole, ["dataset", "sample"]].iterrows():
            known, query = parts(smd.io.load(name), SETS[name], str(sample))
            try:
                right = scanvi(known, query, SETS[name]) == query.obs["cell_type"].astype(str)
            except subprocess.CalledProcessError:  # it refuses a last batch of one cell
                print(f"FAILED scANVI on {name}, {sample}", flush=True)
                continue
            there.loc[i, "scanvi"] = right.mean()
            there.round(4).to_csv(args.out, index=False)
            print(
                name,
                sample,
                there.loc[i, ["lr", "ingest", "scanvi", "transfer"]].to_dict(),
                flush=True,
            )
        return
    for name in args.sets:
        adata = smd.io.load(name)
        for sample, removed in runs(adata, SETS[name]):
            if (name, sample, removed or "") in done:
                continue
            found = dict(dataset=name, sample=sample, removed=removed)
            found |= row(adata, SETS[name], sample, removed)
            there = pd.concat([there, pd.DataFrame([found])]).reindex(columns=columns.split())
            there.round(4).to_csv(args.out, index=False)
            print({k: v for k, v in found.items() if v is not None}, flush=True)


if __name__ == "__main__":
    main()
