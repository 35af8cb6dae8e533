"""Doublets of each sample."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from pp_cells import (
    two_samples,
)

import scsmd_nb as smd


@pytest.fixture
def two() -> ad.AnnData:
    return two_samples()


def test_doublets_per_sample(two):
    a = smd.io.simulate(300, 800, 3, library_size=3000, fold_change=20, random_state=1)
    rng = np.random.default_rng(0)
    i, j = rng.permutation(300)[:30], rng.permutation(300)[:30]
    differ = a.obs["cell_type"].to_numpy()[i] != a.obs["cell_type"].to_numpy()[j]
    pairs = ad.AnnData(sp.csr_matrix(a.X[i] + a.X[j])[differ], var=a.var[[]])
    pairs.obs_names = [f"pair{k}" for k in range(pairs.n_obs)]
    both = ad.concat([a, pairs])
    alone = smd.pp.find_doublets(both)
    assert (
        alone.loc[pairs.obs_names, "doublet_score"].median()
        > 3 * alone.loc[a.obs_names, "doublet_score"].median()
    )
    small = two[:50].copy()
    small.var_names = both.var_names[:500]
    mixed = ad.concat([both, small], join="outer")
    mixed.obs["run"] = ["a"] * both.n_obs + ["b"] * 50
    with pytest.warns(UserWarning, match="sample 'b' .50 cells are too few"):
        found = smd.pp.find_doublets(mixed, by="run")
    np.testing.assert_allclose(
        found["doublet_score"][: both.n_obs], alone["doublet_score"], atol=1e-6
    )
    assert (
        found["doublet_score"][both.n_obs :].isna().all()
        and not found["doublet"][both.n_obs :].any()
    )
