"""Bad inputs over all public functions: does each end in a clear error, an obscure one, a crash, or silence?

    python tools/bench_inputs.py [N] [SEED]     N inputs (600), drawn with the seed (0)
    python tools/bench_inputs.py flips [N]      N flipped bits (200) in each file of a fit

A clear error is a ValueError, TypeError, OSError, KeyError or ImportError that this package raised, or
whose message names the argument or the value. Inputs run in a process of their own, so that one that kills it is
counted and the others go on.
"""

import contextlib
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("MPLBACKEND", "agg")

CLEAR = (ValueError, TypeError, OSError, KeyError, ImportError, FloatingPointError)
SECONDS = 60  # an input that takes longer counts as obscure
HUGE = 10**13


class Thing:
    "An object that no function knows."

    def __repr__(self):
        return "Thing()"


def matrices():
    "Cells that cannot be read, each by what is wrong with them."
    import anndata as ad
    import numpy as np
    import scipy.sparse as sp

    def cells(value):
        X = np.random.default_rng(0).poisson(2.0, (30, 20)).astype(float)
        X[3, 4] = value
        return ad.AnnData(X)

    broken = sp.csr_matrix(np.random.default_rng(0).poisson(1.0, (30, 20)).astype(np.float32))
    broken.indices[5] = 2**30
    out = {f"AnnData with {v}": cells(v) for v in (np.nan, np.inf, -1.0, 0.5, 1e30)}
    hurt = ad.AnnData(sp.csr_matrix((30, 20), dtype=np.float32))
    hurt.X = broken
    out |= {"AnnData with indices outside": hurt, "AnnData without cells": cells(1)[:0].copy()}
    out |= {
        "AnnData without genes": cells(1)[:, :0].copy(),
        "text in AnnData": ad.AnnData(np.full((5, 4), "a")),
    }
    return out | {"None": None, "text": "cells.h5ad", "list": [1, 2], "an object": Thing()}


def pools() -> dict:
    "Bad values by kind of argument."
    import numpy as np

    nan, inf = float("nan"), float("inf")
    numbers = (nan, "three", [1, 2], {"a": 1}, Thing(), 1j)
    return {
        "cells": matrices(),
        "matrix": {
            "NaN": np.full((4, 3), nan),
            "text": np.full((4, 3), "a"),
            "None": None,
            "3-D": np.ones((2, 2, 2)),
        }
        | {"empty": np.zeros((0, 3)), "an object": Thing(), "ragged": [[1, 2], [3]]},
        "whole": {repr(v): v for v in (-1, 1.5, inf, HUGE, True, *numbers)},
        "seed": {repr(v): v for v in (-1, 1.5, 2**64, *numbers)},
        "number": {repr(v): v for v in (-1.0, inf, *numbers)},
        "flag": {repr(v): v for v in ("no", 3, nan, Thing())},
        "layer": {repr(v): v for v in ("no such", 3, Thing(), ["counts"])},
        "column": {repr(v): v for v in ("no such", 3, Thing())},
        "word": {repr(v): v for v in ("no such", 3, Thing(), nan)},
        "path": {repr(v): v for v in ("/no/such/place/x.csv", 3, "/dev/null/x", Thing(), nan)},
        "labels": {
            "None": None,
            "of other length": [1, 2],
            "2-D": np.ones((3, 2)),
            "empty": [],
            "a number": 3,
            "NaN": [nan] * 60,
        },
        "names": {
            "a number": 3,
            "None": None,
            "numbers": [1, 2],
            "unknown": ["no such gene"],
            "an object": Thing(),
        },
        "any": {repr(v): v for v in (3, "no such", Thing(), nan)},
    }


KINDS = {
    "cells": "adata data adata_or_history",
    "matrix": "counts z distances graph eigenvalues",
    "whole": "n_cells n_genes n_clusters n_markers n_top_genes n_comps n_null max_cells n_neighbors min_genes "
    "max_genes min_cells min_counts max_counts k_max m n batch_size n_labels ncols n n_latent max_epochs devices steps",
    "seed": "random_state",
    "number": "fold_change library_size library_sd dispersion dispersion_sd scale max_mito expected_rate target_sum "
    "share min_share n_mads min_margin size noise beta alpha fuzzifier delta soft_lr pair_scale",
    "flag": "copy progress per_sample store return_model annotate check_counts strict hardened",
    "layer": "layer",
    "column": "by color key reference",
    "word": "name flavor preset average use_rep basis key_added accelerator precision start optimizer layout",
    "path": "path",
    "labels": "y_true y_pred labels labelings",
    "names": "genes var_names markers",
    "any": "mito doublets params proportions dilations c result title checkpoint",
}
# None means "all", "the default" or "unknown" for these, and these texts are right
FINE = {
    ("color", "list"),
    ("title", "'no such'"),
    ("title", "3"),
    ("title", "nan"),
    ("path", "'/no/such/place/x.csv'"),
    ("var_names", "unknown"),
    ("var_names", "numbers"),
    ("labelings", "2-D"),
    ("key_added", "'no such'"),
    ("checkpoint", "'no such'"),
    ("counts", "empty"),
    ("title", "Thing()"),
    ("n_top_genes", str(HUGE)),
    *(
        (f"{end}_{what}", v)
        for end in ("min", "max")
        for what in ("genes", "counts", "cells")
        for v in ("1.5", "inf", str(HUGE))
    ),
}
# functions that do not look at the values of the counts; that do not look at counts; that take logarithms, too
BLIND = ("banner", "check_species", "write_csv", "true_mean")
NAMES_ONLY = ("banner", "check_species")
LOGGED = ("explore", "jackstraw", "pca", "pca_overview")


def good_calls() -> dict:
    "Every public function with arguments that work."
    import numpy as np

    import scsmd_nb as smd

    a = smd.io.simulate(60, 50, 3, n_markers=8, random_state=0)
    a.obs["sample"] = ["s1"] * 30 + ["s2"] * 30
    a.obs["sample"] = a.obs["sample"].astype("category")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done, model = smd.cluster(a, 3, copy=True, max_epochs=1, progress=False, return_model=True)
        n = smd.pp.normalize(done)
        n = smd.pp.highly_variable(n, 40)
        n = smd.pp.pca(n, 10, copy=True)
    z, types = np.asarray(n.obsm["X_pca"], np.float32), a.obs["cell_type"].astype(str).to_numpy()
    js = smd.pp.jackstraw(n, 3, n_null=1000, progress=False)
    choice = smd.tl.suggest_k(z, 4, progress=False)
    quick = dict(max_epochs=1, progress=False)
    codes = np.unique(types, return_inverse=True)[1]
    folder = Path(tempfile.mkdtemp(prefix="inputs_"))
    table = smd.io.write_csv(a, folder / "cells.csv")
    io_, pp, tl, pl = smd.io, smd.pp, smd.tl, smd.pl

    def fit(X, genes=None, layer=None, **options):
        return smd.SCSMD(**{"n_clusters": 3, **quick, **options}).fit(
            X, **{k: v for k, v in (("genes", genes), ("layer", layer)) if v is not None}
        )

    calls = {
        io_.info: dict(name="zeisel"),
        io_.load: dict(name="no such", progress=False),
        io_.fetch: dict(name="no such", progress=False),
        io_.load_or_simulate: dict(name="no such", scale=1.0, random_state=0),
        io_.simulate: dict(
            n_cells=20,
            n_genes=20,
            n_clusters=2,
            proportions=None,
            n_markers=3,
            fold_change=4.0,
            library_size=200.0,
            library_sd=0.3,
            dispersion=2.0,
            dispersion_sd=0.5,
            random_state=0,
        ),
        io_.read: dict(path=table),
        io_.write_csv: dict(adata=a, path=folder / "out.csv"),
        io_.true_mean: dict(adata=a),
        io_.banner: dict(adata=a),
        pp.ambient: dict(adata=a, layer=None, n_clusters=3, random_state=0),
        pp.cell_metrics: dict(adata=a, layer=None, mito=None),
        pp.check_species: dict(adata=a),
        pp.explore: dict(adata=n, n_comps=3, layer=None, random_state=0, progress=False),
        pp.filter: dict(
            adata=a,
            min_genes=1,
            max_genes=None,
            max_mito=None,
            min_cells=1,
            layer=None,
            min_counts=None,
            max_counts=None,
            by=None,
            mito=None,
            doublets=None,
        ),
        pp.filter_table: dict(adata=pp.filter(a, 1, None, None, 1), per_sample=False),
        pp.find_doublets: dict(adata=a, by=None, expected_rate=0.05, layer=None, random_state=0),
        pp.gene_species: dict(var_names=a.var_names),
        pp.mito_genes: dict(var_names=a.var_names),
        pp.highly_variable: dict(adata=a, n_top_genes=20, flavor="seurat", layer=None),
        pp.jackstraw: dict(
            adata=n,
            n_comps=3,
            share=0.1,
            n_null=1000,
            max_cells=5000,
            layer=None,
            random_state=0,
            progress=False,
        ),
        pp.keep_species: dict(adata=a, name="human", min_share=0.9, layer=None),
        pp.log_normalize: dict(counts=a.X, target_sum=1e4),
        pp.mad_thresholds: dict(adata=a, n_mads=5.0, by=None, layer=None, mito=None),
        pp.mixing: dict(adata=a, by="sample", n_neighbors=5, layer=None, random_state=0),
        pp.neighbors: dict(adata=n, use_rep="X_pca", n_neighbors=5, random_state=0),
        pp.normalize: dict(adata=a, target_sum=1e4, layer=None),
        pp.not_constant: dict(counts=a.X),
        pp.pca: dict(adata=n, n_comps=5, layer=None, random_state=0, copy=True),
        pp.preprocess: dict(
            adata=a,
            min_genes=1,
            max_genes=None,
            max_mito=None,
            min_cells=1,
            target_sum=1e4,
            n_top_genes=20,
            flavor="seurat",
            layer=None,
            by=None,
        ),
        pp.qc_findings: dict(
            adata=a, by=None, layer=None, mito=None, doublets=None, min_cells=3, random_state=0
        ),
        pp.sample_table: dict(adata=a, by="sample", layer=None, mito=None),
        pp.screen: dict(adata=a, by=None, layer=None, mito=None, doublets=None),
        pp.select_genes: dict(counts=a.X, n_top_genes=20, flavor="seurat"),
        pp.size_factors: dict(counts=a.X),
        pp.umap_layout: dict(z=z, n_neighbors=5, random_state=0, progress=False),
        tl.suggest_k: dict(
            data=a, k_max=4, random_state=0, layer=None, use_rep=None, max_cells=500, progress=False
        ),
        tl.get_params: dict(
            preset="default",
            noise=0.1,
            n_latent=4,
            batch_size=32,
            fuzzifier=1.5,
            delta=0.8,
            strict=False,
            dilations=None,
            start="kmeans",
            optimizer="adam",
            layout="sequence",
            alpha=1.0,
            beta=1.0,
            soft_lr=1e-3,
            pair_scale=1.0,
            hardened=False,
        ),
        tl.annotate: dict(
            adata=n,
            markers={"A": list(n.var_names[:3]), "B": list(n.var_names[3:6])},
            key="scsmd",
            layer=None,
            min_margin=0.25,
        ),
        tl.marker_scores: dict(adata=n, genes=list(n.var_names[:3]), layer=None),
        tl.contingency: dict(y_true=types, y_pred=codes),
        tl.ari: dict(y_true=types, y_pred=codes),
        tl.nmi: dict(y_true=types, y_pred=codes, average="max"),
        tl.accuracy: dict(y_true=types, y_pred=codes),
        tl.scores: dict(y_true=types, y_pred=codes),
        tl.stability: dict(labelings=[codes, codes]),
        tl.cluster_sizes: dict(labels=codes),
        tl.batches: dict(n=60, batch_size=20),
        tl.silhouette: dict(distances=np.ones((60, 60)), labels=codes),
        tl.calinski_harabasz: dict(z=z, labels=codes),
        tl.eigengaps: dict(eigenvalues=np.linspace(0, 1, 6), steps=10),
        tl.kmeans_scores: dict(z=z, k_max=4, random_state=0),
        tl.spectrum: dict(graph=np.ones((30, 30)), m=4),
        tl.make_fabric: dict(accelerator="cpu", devices=1, precision="32-true"),
        smd.cluster: dict(
            adata=a,
            n_clusters=3,
            layer=None,
            key_added="scsmd",
            random_state=0,
            copy=True,
            preset="default",
            progress=False,
            return_model=False,
            max_epochs=1,
            n_top_genes=20,
            n_latent=4,
            batch_size=32,
            accelerator="cpu",
            devices=1,
            precision="32-true",
            checkpoint=None,
            check_counts=True,
            noise=0.1,
            start="kmeans",
        ),
        fit: dict(
            data=a,
            genes=None,
            layer=None,
            n_clusters=3,
            random_state=0,
            n_latent=4,
            params=None,
            check_counts=True,
            devices=1,
            precision="32-true",
        ),
        smd.SCSMD.load: dict(path=model.save(folder / "model")),
        model.save: dict(path=folder / "again"),
        model.predict: dict(data=a, layer=None),
        model.transform: dict(data=a, layer=None),
        model.predict_proba: dict(data=a, layer=None),
        pl.choose_k: dict(c=choice),
        pl.confusion: dict(
            adata=done, reference="cell_type", key="scsmd", annotate=None, title=None
        ),
        pl.history: dict(adata_or_history=done, key="scsmd", title=None),
        pl.jackstraw_ecdf: dict(result=js),
        pl.palette: dict(n=4),
        pl.pca_loadings: dict(adata=n, n_labels=5),
        pl.pca_overview: dict(
            adata=n, color=None, n_comps=5, layer=None, random_state=0, progress=False
        ),
        pl.pca_scores: dict(adata=n, color=None, n_comps=5),
        pl.pca_umap: dict(
            adata=n,
            color=None,
            basis=None,
            store=False,
            n_neighbors=5,
            random_state=0,
            progress=False,
        ),
        pl.qc_report: dict(
            adata=a,
            path=folder / "qc.html",
            by=None,
            layer=None,
            mito=None,
            doublets=None,
            min_cells=3,
            random_state=0,
        ),
        pl.qc_scatter: dict(adata=a, by=None, layer=None, mito=None, doublets=None),
        pl.qc_violin: dict(adata=a, by=None, layer=None, mito=None),
        pl.umap: dict(
            adata=done,
            color="scsmd",
            key="scsmd",
            basis=None,
            store=False,
            n_neighbors=5,
            size=None,
            ncols=2,
            random_state=0,
        ),
    }
    return {
        f"{f.__module__.removeprefix('scsmd_nb.')}.{f.__qualname__}": (f, args)
        for f, args in calls.items()
    }


def inputs(calls: dict) -> list[tuple]:
    "Every function with each of its arguments spoilt in every way: name, argument, what is wrong."
    pool = pools()
    kind = {name: k for k, names in KINDS.items() for name in names.split()}
    return [
        (f, arg, wrong)
        for f, (_, args) in calls.items()
        for arg in args
        for wrong in pool[kind[arg]]
        if not (
            f.endswith(BLIND)
            and re.search("AnnData (with|without)|text in", wrong)
            and "outside" not in wrong
        )
        and not (f.endswith(NAMES_ONLY) and "outside" in wrong)
        and not (f.endswith(LOGGED) and wrong == "AnnData with 0.5")
        and not (f.endswith("cluster_sizes") and wrong == "of other length")
        and (arg, wrong) not in FINE
        and not (wrong == "None" and args[arg] is None)
    ]


def judge(function, args: dict, arg: str, value) -> tuple[str, str]:
    "The verdict on one input, and what was said."
    names = inspect.signature(function).parameters
    first = next(iter(names))
    call = {first if k in ("data", "z") and k not in names else k: v for k, v in args.items()}
    call[first if arg in ("data", "z") and arg not in names else arg] = value
    signal.alarm(SECONDS)
    try:
        with (
            warnings.catch_warnings(record=True) as said,
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("always")
            function(**call)
    except BaseException as e:
        last = traceback.extract_tb(e.__traceback__)[-1]
        ours = "scsmd_nb" in last.filename and (last.line or "").startswith("raise")
        ours = ours or arg in str(e) or repr(value) in str(e)
        clear = isinstance(e, CLEAR) and ours and not type(e).__name__.startswith("Unicode")
        return "clear" if clear else "obscure", f"{type(e).__name__}: {e}"[:160]
    finally:
        signal.alarm(0)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
    told = [str(w.message) for w in said if arg in str(w.message)]
    return ("said", told[0][:160]) if told else ("silent", "")


def work(todo: list, out: Path) -> None:
    "Judge the inputs one by one; each verdict is written before the next input starts."

    def late(*_):
        raise RuntimeError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    os.chdir(tempfile.mkdtemp(prefix="inputs_"))  # some inputs are good names of files
    calls, pool = good_calls(), pools()
    kind = {name: k for k, names in KINDS.items() for name in names.split()}
    for f, arg, wrong in todo:
        function, args = calls[f]
        verdict = judge(function, args, arg, pool[kind[arg]][wrong])
        with out.open("a") as file:
            file.write(json.dumps([f, arg, wrong, *verdict]) + "\n")


def run(n: int, seed: int) -> None:
    "Draw n inputs, judge them in processes that may die, print the counts and every bad one."
    import numpy as np

    every = inputs(good_calls())
    at = np.sort(np.random.default_rng(seed).permutation(len(every))[:n])
    todo, found = [every[i] for i in at], []
    with tempfile.TemporaryDirectory() as folder:
        while len(found) < len(todo):
            out, rest = Path(folder, "out"), Path(folder, "todo")
            out.write_text("")
            rest.write_text(json.dumps(todo[len(found) :]))
            subprocess.run(
                [sys.executable, __file__, "work", rest, out],
                check=False,
                stderr=subprocess.DEVNULL,
            )
            found += [json.loads(line) for line in out.read_text().splitlines()]
            if len(found) < len(todo):
                found.append([*todo[len(found)], "crash", "the process died"])
    for verdict in ("crash", "obscure", "silent"):
        for f, arg, wrong, v, text in found:
            if v == verdict:
                print(f"{v:8s} {f}({arg}={wrong}) {text}")
    print(f"{len(found)} of {len(every)} inputs:", dict(Counter(v for *_, v, _ in found)))


def flips(n: int) -> None:
    "Flip n bits in each file of a fit, and count how many are noticed."
    import numpy as np

    import scsmd_nb as smd

    warnings.simplefilter("ignore")
    a = smd.io.simulate(60, 40, 3, random_state=0)
    folder = Path(tempfile.mkdtemp(prefix="flips_"))

    def fit():
        return smd.SCSMD(
            3, max_epochs=1, accelerator="cpu", checkpoint=folder / "run.safetensors"
        ).fit(a)

    fit().save(folder / "model")
    for name in ("run.safetensors", "model/weights.safetensors", "model/model.json"):
        path = folder / name
        whole, noticed = path.read_bytes(), 0
        for i in np.random.default_rng(1).choice(8 * len(whole), n, replace=False):
            bad = bytearray(whole)
            bad[i // 8] ^= 1 << i % 8
            path.write_bytes(bad)
            try:
                smd.SCSMD.load(path.parent, "cpu") if "/" in name else fit()
            except ValueError as e:
                noticed += bool(re.search("damaged|cannot be read", str(e)))
        path.write_bytes(whole)
        print(f"{name}: {noticed} of {n} flipped bits noticed")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["work"]:
        work(json.loads(Path(given[1]).read_text()), Path(given[2]))
    elif given[:1] == ["flips"]:
        flips(int(given[1]) if len(given) > 1 else 200)
    else:
        run(*(int(x) for x in (given + [600, 0][len(given) :])))
