"""scANVI for `tools/bench_transfer.py --scanvi`: run by the interpreter that has scvi-tools (SCSMD_SCVI_PYTHON).

usage: peer_scanvi.py KNOWN.h5ad QUERY.h5ad OUT.txt   obs["sample"] in both, obs["cell_type"] in the first; raw counts

Sizes and numbers of epochs are the package's own; 2,000 genes that vary within samples of the references. The
query is mapped to the trained model (load_query_data), as the package's tutorial does. One label a line.
"""

import logging
import sys
import tempfile
import warnings
from pathlib import Path


def main(known, query, out):
    import anndata as ad
    import scanpy as sc
    import scvi

    warnings.simplefilter("ignore")
    for part in ("fabric", "pytorch"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
    scvi.settings.seed = 0
    a, q = ad.read_h5ad(known), ad.read_h5ad(query)
    if a.n_vars > 2500:
        logs = a.copy()
        sc.pp.normalize_total(logs)
        sc.pp.log1p(logs)
        several = "sample" if logs.obs["sample"].nunique() > 1 else None
        sc.pp.highly_variable_genes(logs, n_top_genes=2000, batch_key=several)
        keep = logs.var["highly_variable"].to_numpy()
        a, q = a[:, keep].copy(), q[:, keep].copy()
    q.obs["cell_type"] = "not known"
    model = scvi.model
    with tempfile.TemporaryDirectory() as folder:
        how = dict(accelerator="cpu", enable_progress_bar=False, default_root_dir=folder)
        model.SCVI.setup_anndata(a, batch_key="sample", labels_key="cell_type")
        first = model.SCVI(a)
        first.train(**how)
        second = model.SCANVI.from_scvi_model(first, "not known", labels_key="cell_type")
        second.train(max_epochs=20, **how)
        model.SCANVI.prepare_query_anndata(q, second)
        third = model.SCANVI.load_query_data(q, second)
        third.train(max_epochs=100, plan_kwargs=dict(weight_decay=0.0), **how)
    Path(out).write_text("\n".join(map(str, third.predict())) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
