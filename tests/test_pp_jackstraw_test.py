"""JackStraw against its literal version, on counts and on real sets."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from pp_cells import (
    fingerprint,
    standardise,
    three_types,
)

import scsmd_nb as smd
from scsmd_nb.pp import jackstraw_test


@pytest.fixture
def cells() -> ad.AnnData:
    return three_types()


def literal(Z, n_comps):
    "Squared correlation of each column with each principal component, by a full SVD."
    Z = Z - Z.mean(0)
    U = np.linalg.svd(Z, full_matrices=False)[0][:, :n_comps]
    return (Z.T @ U) ** 2 / (Z**2).sum(0)[:, None]


@pytest.mark.parametrize("shape", [(60, 150), (150, 60), (90, 90)])
@pytest.mark.parametrize("seed", [0, 1])
def test_low_rank_update_is_the_full_pca(shape, seed):
    rng = np.random.default_rng(seed)
    Z = standardise(
        rng.poisson(1, shape) + rng.normal(size=(shape[0], 1)) * (rng.random(shape[1]) < 0.3)
    )
    straws = rng.choice(shape[1], 9, replace=False)
    space = jackstraw_test._CellSpace(sp.csr_matrix(Z))
    np.testing.assert_allclose(space.observed(4), literal(Z, 4), atol=1e-9)
    shuffled = Z.copy()
    shuffled[:, straws] = np.random.default_rng(5).permuted(Z[:, straws], axis=0)
    fast = jackstraw_test._straws(space, straws, 4, np.random.default_rng(5), tol=0)
    np.testing.assert_allclose(fast, literal(shuffled, 4)[straws], atol=1e-8)
    loose = jackstraw_test._straws(space, straws, 4, np.random.default_rng(5))
    np.testing.assert_allclose(loose, fast, atol=0.02)


def test_uncentred_input_is_centred_and_blocks_add_up():
    rng = np.random.default_rng(0)
    for shape in ((1500, 40), (40, 1500)):
        X = rng.poisson(0.5, shape) + 3.0
        X[0] += 1
        np.testing.assert_allclose(
            jackstraw_test._CellSpace(sp.csr_matrix(X)).observed(3), literal(X, 3), atol=1e-8
        )


def test_counts_with_types():
    a = smd.io.simulate(300, 300, 4, fold_change=6, library_sd=0, random_state=0)
    assert 3 <= smd.pp.jackstraw(a, 8, n_null=3000, progress=False).n_significant <= 4


def test_component_test_is_exact_and_holm_agrees():
    p = np.array([[0.0005, 0.5]] * 4 + [[0.5, 0.5]] * 96)
    count, q = jackstraw_test._component_test(p, 4999)
    assert count.tolist() == [4, 0] and q[1] == 1
    rng = np.random.default_rng(0)  # the fourth gene has at most four null draws above it
    fourth = np.array([np.sort(rng.choice(5099, 100, replace=False))[3] for _ in range(20_000)])
    assert abs((fourth <= 3 + 4).mean() - q[0]) < 4 * np.sqrt(q[0] / 20_000) + 1e-4
    from statsmodels.stats.multitest import multipletests

    raw = rng.random(12) ** 3
    np.testing.assert_allclose(jackstraw_test._holm(raw), multipletests(raw, method="holm")[1])


def test_jackstraw_reads_only_is_seeded_and_limits_cells(cells):
    before = fingerprint(cells)
    one, two = (
        smd.pp.jackstraw(cells, 4, n_null=1000, random_state=3, progress=False) for _ in range(2)
    )
    pd.testing.assert_frame_equal(one.p_values, two.p_values)
    assert not smd.pp.jackstraw(
        cells, 4, n_null=1000, random_state=4, progress=False
    ).p_values.equals(one.p_values)
    few = smd.pp.jackstraw(cells, 4, n_null=1000, max_cells=100, progress=False)
    assert (one.n_cells, few.n_cells) == (300, 100) and one.n_null >= 1000
    assert fingerprint(cells) == before
    smd.pp.pca(cells, 4)
    np.testing.assert_allclose(
        one.table["variance_ratio"], cells.uns["pca"]["variance_ratio"], rtol=1e-3
    )


def test_copies_of_few_cells_have_few_directions(cells):
    twins = ad.AnnData(sp.vstack([cells.X[:6]] * 10).tocsr())
    with pytest.raises(ValueError, match="independent directions"):
        smd.pp.jackstraw(twins, 6, progress=False)
    assert smd.pp.jackstraw(twins, 3, n_null=1000, progress=False).p_values.shape[1] == 3


@pytest.mark.parametrize("name, least", [("zeisel_balanced550", 8), ("baron_mouse1", 8)])
def test_real_sets(data_dir, name, least):
    a = ad.read_h5ad(data_dir / f"{name}.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = smd.pp.jackstraw(a, 15, n_null=2000, progress=False)
    assert run.n_significant >= least and (run.p_values["PC1"] <= 0.001).mean() > 0.1
    types = a.obs["cell_type"].astype("category").cat.codes.to_numpy()
    smd.pp.pca(a, 15)
    from sklearn.metrics import silhouette_score

    S = a.obsm["X_pca"]
    assert silhouette_score(S[:, :5], types) > silhouette_score(S[:, 10:], types)
