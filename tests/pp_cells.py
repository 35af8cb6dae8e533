"""Cells that several tests of pp and pl start from, and a hash of everything in an AnnData."""

import hashlib

import anndata as ad
import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scsmd_nb as smd

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10)
WHOLE = hnp.arrays(np.float64, SHAPES, elements=st.integers(0, 9).map(float))
OFF = dict(min_genes=None, max_genes=None, max_mito=None, min_cells=None)


def fingerprint(a: ad.AnnData) -> str:
    "A hash of everything in an AnnData."
    h = hashlib.sha256()
    for M in [a.X, *a.layers.values(), *a.obsm.values()]:
        parts = (M.data, M.indices, M.indptr) if sp.issparse(M) else (np.ascontiguousarray(M),)
        for p in parts:
            h.update(p.tobytes())
    for df in (a.obs, a.var):
        h.update(df.to_csv().encode())
    h.update(
        repr(
            (sorted(a.layers), sorted(a.obsm), sorted(a.obsp), sorted(a.varm), repr(a.uns))
        ).encode()
    )
    return h.hexdigest()


def thin_cells() -> ad.AnnData:
    "120 simulated cells of 400 genes, five of them mitochondrial, some cells thin, some genes rare."
    a = smd.io.simulate(120, 400, 3, library_size=600, random_state=3)
    a.var_names = [f"MT-{j}" for j in range(5)] + list(a.var_names[5:])
    X = a.X.toarray()
    X[:10] = np.random.default_rng(0).binomial(X[:10].astype(int), 0.05)
    X[10:20, :5] += 60
    X[1:, -20:] = 0
    a.X = sp.csr_matrix(X)
    return a


def two_samples() -> ad.AnnData:
    "Two samples of 120 cells, the second a quarter as deep; ten empty droplets and ten dying cells in each."
    parts = []
    for name, depth, seed in (("deep", 1.0, 1), ("shallow", 0.25, 2)):
        a = smd.io.simulate(120, 500, 3, library_size=2000, library_sd=0.2, random_state=3)
        rng, X = np.random.default_rng(seed), a.X.toarray().astype(int)
        X[:, :5] = rng.poisson(12, (120, 5))
        X[:10] = rng.binomial(X[:10], 0.03)
        X[10:20, :5] += 100
        a.X = sp.csr_matrix(rng.binomial(X, depth).astype(np.float32))
        a.obs_names = [f"{name}_{i}" for i in range(120)]
        a.obs["sample"], a.obs["bad"] = name, np.arange(120) < 20
        parts.append(a)
    out = ad.concat(parts)
    out.var_names = [f"MT-{j}" for j in range(5)] + [f"GENE{j}" for j in range(5, 500)]
    return out


def three_types() -> ad.AnnData:
    "300 simulated cells of three types, 400 genes, raw counts."
    return smd.io.simulate(300, 400, 3, random_state=1)


def marked_cells(n=300, fold=100, **kwargs) -> ad.AnnData:
    "Simulated cells with five mitochondrial genes and two samples, one with a name that is HTML."
    a = smd.io.simulate(n, 600, 3, library_size=2500, fold_change=fold, random_state=4, **kwargs)
    a.var_names = [f"MT-{j}" for j in range(5)] + [f"GENE{j}" for j in range(5, 600)]
    a.obs["sample"] = np.where(np.arange(n) % 3 == 0, "<script>alert(1)</script>", "b & c")
    return a


def contaminated(a: ad.AnnData, rho: float) -> ad.AnnData:
    rng, X = np.random.default_rng(0), a.X.toarray().astype(int)
    kept, liquid = rng.binomial(X, 1 - rho), X.sum(0) / X.sum()
    out = a.copy()
    X = [k + rng.multinomial(t, liquid) for k, t in zip(kept, X.sum(1) - kept.sum(1))]
    out.X = sp.csr_matrix(np.array(X, dtype=np.float32))
    return out


def standardise(X):
    return (X - X.mean(0)) / X.std(0)
