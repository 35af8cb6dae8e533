"""explore: PCA against numpy and scanpy, JackStraw against its literal version, noise and planted structure, figures."""

import warnings

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import scipy.stats
from matplotlib.figure import Figure

import scsmd_nb as smd
from scsmd_nb.pl import clusters as plot

matplotlib.use("Agg")
from test_qc import fingerprint  # noqa: E402


def standardise(X):
    return (X - X.mean(0)) / X.std(0)


def literal(Z, n_comps):
    "Squared correlation of each column with each principal component, by a full SVD."
    Z = Z - Z.mean(0)
    U = np.linalg.svd(Z, full_matrices=False)[0][:, :n_comps]
    return (Z.T @ U) ** 2 / (Z**2).sum(0)[:, None]


def judged(Z, n_comps, seed=0, n_null=2000, share=0.1):
    return jackstraw_test.run_jackstraw(
        sp.csr_matrix(Z), np.arange(Z.shape[1]), n_comps, share, n_null, seed, False
    )


@pytest.fixture
def cells() -> ad.AnnData:
    "300 simulated cells of three types, 400 genes, raw counts."
    return smd.io.simulate(300, 400, 3, random_state=1)


# ---------------------------------------------------------------- pca


def test_pca_is_scanpys_on_scaled_values(cells):
    smd.pp.pca(cells, 10)
    X = smd.pp.log_normalize(cells.X)
    dense = X.toarray().astype(float)
    Z = np.minimum((dense - dense.mean(0)) / dense.std(0), 10)
    theirs = ad.AnnData(Z)
    sc.pp.pca(theirs, n_comps=10, svd_solver="full")
    np.testing.assert_allclose(
        cells.uns["pca"]["variance_ratio"][:2], theirs.uns["pca"]["variance_ratio"][:2], rtol=1e-4
    )
    for k in range(2):
        assert (
            abs(np.corrcoef(cells.obsm["X_pca"][:, k], theirs.obsm["X_pca"][:, k])[0, 1]) > 0.9999
        )
        assert abs(np.corrcoef(cells.varm["PCs"][:, k], theirs.varm["PCs"][:, k])[0, 1]) > 0.9999


def test_counts_layer_counts_and_logged_x_give_the_same(cells):
    layered = cells.copy()
    layered.layers["counts"], layered.X = cells.X.copy(), cells.X * 0
    logged = smd.pp.normalize(cells)
    del logged.layers["counts"]
    named = cells.copy()
    named.layers["raw"], named.X = cells.X.copy(), -cells.X
    dense = cells.copy()
    dense.X = cells.X.toarray()
    expected = smd.pp.pca(cells, 5, copy=True).obsm["X_pca"]
    for a in (layered, logged, dense):
        np.testing.assert_allclose(smd.pp.pca(a, 5, copy=True).obsm["X_pca"], expected, atol=1e-3)
    np.testing.assert_allclose(
        smd.pp.pca(named, 5, layer="raw", copy=True).obsm["X_pca"], expected, atol=1e-3
    )


def test_marked_genes_only_and_zero_weights_elsewhere(cells):
    cells.var["highly_variable"] = np.arange(400) % 4 == 0
    smd.pp.pca(cells, 5)
    used = np.abs(cells.varm["PCs"]).sum(1) > 0
    assert (used == (np.arange(400) % 4 == 0)).all()
    assert (
        smd.pp.jackstraw(cells, 3, n_null=1000, progress=False).p_values.index
        == cells.var_names[used]
    ).all()


def test_a_marked_gene_that_became_constant_is_left_out(cells):
    cells.var["highly_variable"] = np.arange(400) < 50
    X = cells.X.toarray()
    X[:, 3] = 0
    cells.X = sp.csr_matrix(X)
    smd.pp.pca(cells, 5)
    assert (cells.varm["PCs"][3] == 0).all() and np.isfinite(cells.obsm["X_pca"]).all()


def test_two_thousand_genes_unless_marked():
    a = smd.io.simulate(60, 2500, 2, random_state=0)
    smd.pp.pca(a, 3)
    assert a.uns["pca"]["params"]["n_genes"] == 2000


def test_copy_view_h5ad_and_repeat(cells, tmp_path):
    before = fingerprint(cells)
    out = smd.pp.pca(cells, 5, copy=True)
    assert fingerprint(cells) == before and smd.pp.pca(cells[:100], 5, copy=True).n_obs == 100
    view = cells[:100]
    assert smd.pp.pca(view, 5) is None and view.obsm["X_pca"].shape == (100, 5)
    assert fingerprint(cells) == before
    np.testing.assert_array_equal(smd.pp.pca(cells, 5, copy=True).obsm["X_pca"], out.obsm["X_pca"])
    out.write_h5ad(tmp_path / "a.h5ad")
    smd.pl.pca_loadings(ad.read_h5ad(tmp_path / "a.h5ad"))


# ---------------------------------------------------------------- jackstraw


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


def test_noise_gives_uniform_p_values_over_seeds():
    rng = np.random.default_rng(1)
    p, called = [], 0
    for seed in range(100):
        run = judged(
            standardise(np.random.default_rng(seed).normal(size=(40, 80))), 2, seed, n_null=1000
        )
        p.append(run.p_values.iloc[rng.integers(80)].to_numpy())
        called += run.n_significant > 0
    for k in range(2):
        assert scipy.stats.kstest(np.array(p)[:, k], "uniform").pvalue > 0.01
    assert called <= 10  # at most 5 % expected; 11 or more of 100 has probability .01


@pytest.mark.parametrize("r", [1, 3])
def test_planted_components_are_found_and_no_more(r):
    found = []
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        X = rng.normal(size=(120, 160))
        for _ in range(r):
            X[:, rng.random(160) < 0.25] += rng.normal(size=(120, 1))
        found.append(judged(standardise(X), r + 3, seed).n_significant)
    assert np.mean(np.array(found) == r) >= 0.8 and min(found) >= r and max(found) <= r + 1


def test_counts_with_types_and_scrambled_counts():
    a = smd.io.simulate(300, 300, 4, fold_change=6, library_sd=0, random_state=0)
    assert 3 <= smd.pp.jackstraw(a, 8, n_null=3000, progress=False).n_significant <= 4
    Z = components.scaled_values(a, None)[0].toarray()
    assert judged(np.random.default_rng(0).permuted(Z, axis=0), 5).n_significant == 0


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


def test_an_interrupt_leaves_nothing_behind(cells, monkeypatch):
    before, real, calls = fingerprint(cells), jackstraw_test._straws, []

    def stop(*a, **k):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*a, **k)

    monkeypatch.setattr(explore, "_straws", stop)
    with pytest.raises(KeyboardInterrupt):
        smd.pl.pca_overview(cells, progress=False)
    assert len(calls) == 3 and fingerprint(cells) == before


# ---------------------------------------------------------------- figures


def overlaps(ax):
    boxes = [t.get_window_extent() for t in ax.texts]
    return sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_labels_never_overlap():
    rng = np.random.default_rng(0)
    a = ad.AnnData(
        np.zeros((5, 60)), var=pd.DataFrame(index=[f"Long-gene-name-{j}" for j in range(60)])
    )
    a.obsm["X_pca"], a.uns["pca"] = np.zeros((5, 2)), {"variance_ratio": np.array([0.2, 0.1])}
    for spread in (1.0, 0.01):  # 25 names in one corner
        W = rng.normal(size=(60, 2)) * 0.01
        W[:25] = 1 + spread * rng.normal(size=(25, 2))
        a.varm["PCs"] = W
        ax = smd.pl.pca_loadings(a, n_labels=25).axes[0]
        assert overlaps(ax) == 0 and len(ax.texts) >= 20
        frame = ax.get_window_extent()
        assert all(
            frame.contains(b.x0, b.y0) and frame.contains(b.x1, b.y1)
            for b in (t.get_window_extent() for t in ax.texts)
        )


def test_figures_read_only_and_say_the_variance(cells):
    smd.pp.pca(cells, 20)
    before = fingerprint(cells)
    figs = [
        smd.pl.pca_loadings(cells),
        smd.pl.pca_scores(cells, "cell_type"),
        smd.pl.pca_scores(cells, "library_size"),
        smd.pl.jackstraw_ecdf(smd.pp.jackstraw(cells, 4, n_null=1000, progress=False)),
        smd.pl.pca_umap(cells, "cell_type", progress=False),
        smd.pl.pca_overview(cells, "cell_type", progress=False),
    ]
    assert all(isinstance(f, Figure) for f in figs) and fingerprint(cells) == before
    share = f"{cells.uns['pca']['variance_ratio'][0]:.1%}"
    assert share in figs[0].axes[0].get_xlabel() and len(figs[-1].axes) == 4
    assert len(figs[1].axes[0].get_xticks()) == 15


def test_umap_stores_only_if_asked_and_draws_what_is_there(cells):
    smd.pp.pca(cells, 10)
    smd.pl.pca_umap(cells, store=True, progress=False)
    assert cells.obsm["X_umap"].shape == (300, 2) and np.isfinite(cells.obsm["X_umap"]).all()
    drawn = smd.pl.pca_umap(cells, basis="X_umap").axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(cells.obsm["X_umap"][:, 0]), rtol=1e-5)


def test_colours_are_those_of_plot():
    assert components._COLOURS == plot.PALETTE


def test_colour_column_keeps_order_and_names_what_is_missing(cells):
    v = pd.Categorical(["10"] * 100 + ["2"] * 100 + [None] * 100, categories=["2", "10", "11"])
    cells.obs["c"], cells.obs["k"], cells.obs["b"] = v, np.arange(300), np.arange(300) > 10
    assert list(components._column(cells, "c").cat.categories) == ["2", "10", "no label"]
    assert components._column(cells, "k").dtype.kind == "i" and list(
        components._column(cells, "b").cat.categories
    ) == ["False", "True"]


def test_overview_of_a_tiny_matrix():
    assert len(smd.pl.pca_overview(smd.io.simulate(12, 100, 2), progress=False).axes) == 4
    with pytest.raises(ValueError, match="10 or less"):
        smd.pp.jackstraw(smd.io.simulate(12, 100, 2), 11, progress=False)


# ---------------------------------------------------------------- bad input


def test_errors_say_what_and_how(cells):
    before, few = fingerprint(cells), cells[:10].copy()
    same, scaled, cpm, bare = cells.copy(), cells.copy(), cells.copy(), cells.copy()
    same.X = sp.csr_matrix(np.ones(cells.shape, np.float32))
    scaled.X = sp.csr_matrix(
        standardise(cells.X.toarray() + np.random.default_rng(0).random(cells.shape))
    )
    cpm.X = cells.X * 333.3
    bare.X = None
    for a, kw, words in (
        (few, {}, "n_comps=50 is too many for 10 cells: the most is 9"),
        (cells[:, :20].copy(), {}, "too many for 20 genes that vary"),
        (cells[:2].copy(), {"n_comps": 1}, "at least 3"),
        (same, {}, "constant"),
        (scaled, {}, "negative"),
        (cpm, {}, "not a whole number"),
        (bare, {}, "empty"),
        (cells, {"n_comps": 2.5}, "whole number"),
        (cells, {"layer": "nope"}, "no layer 'nope'"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.pca(a, **kw)
        assert "X_pca" not in a.obsm and "pca" not in a.uns
    for f in (smd.pl.pca_loadings, smd.pl.pca_scores, smd.pl.pca_umap):
        with pytest.raises(ValueError, match="Run smd.pp.pca"):
            f(cells)
    with pytest.raises(TypeError, match="expected an AnnData"):
        smd.pp.pca(cells.X)
    with pytest.raises(TypeError, match="needs the result"):
        smd.pl.jackstraw_ecdf(cells)
    for kw, words in (
        ({"share": 0}, "share=0"),
        ({"n_null": 10}, "n_null=10"),
        ({"max_cells": 1}, "max_cells=1"),
        ({"n_comps": 300}, "too many"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.jackstraw(cells, progress=False, **kw)
    with pytest.raises(ValueError, match="Did you mean 'cell_type'"):
        smd.pl.pca_overview(cells, color="celltype")
    assert fingerprint(cells) == before


def test_copies_of_few_cells_have_few_directions(cells):
    twins = ad.AnnData(sp.vstack([cells.X[:6]] * 10).tocsr())
    with pytest.raises(ValueError, match="independent directions"):
        smd.pp.jackstraw(twins, 6, progress=False)
    assert smd.pp.jackstraw(twins, 3, n_null=1000, progress=False).p_values.shape[1] == 3


def test_marks_without_a_gene_that_varies(cells):
    cells.var["highly_variable"] = False
    with pytest.raises(ValueError, match="marks no gene"):
        smd.pp.pca(cells, 3)
    X = cells.X.toarray()
    X[:, :5] = 0
    cells.X, cells.var["highly_variable"] = sp.csr_matrix(X), np.arange(400) < 5
    with pytest.raises(ValueError, match="all 5 highly variable genes are constant"):
        smd.pp.pca(cells, 3)


# ---------------------------------------------------------------- real data


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
