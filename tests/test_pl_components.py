"""Figures of components: labels, colours, maps, and the input untouched."""

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pp_cells import (
    fingerprint,
    three_types,
)

import scsmd_nb as smd
from scsmd_nb.pl import components as figures
from scsmd_nb.pp import jackstraw_test


@pytest.fixture
def cells() -> ad.AnnData:
    return three_types()


matplotlib.use("Agg")


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


def test_colour_column_keeps_order_and_names_what_is_missing(cells):
    v = pd.Categorical(["10"] * 100 + ["2"] * 100 + [None] * 100, categories=["2", "10", "11"])
    cells.obs["c"], cells.obs["k"], cells.obs["b"] = v, np.arange(300), np.arange(300) > 10
    assert list(figures._column(cells, "c").cat.categories) == ["2", "10", "no label"]
    assert figures._column(cells, "k").dtype.kind == "i" and list(
        figures._column(cells, "b").cat.categories
    ) == ["False", "True"]


def test_overview_of_a_tiny_matrix():
    assert len(smd.pl.pca_overview(smd.io.simulate(12, 100, 2), progress=False).axes) == 4
    with pytest.raises(ValueError, match="10 or less"):
        smd.pp.jackstraw(smd.io.simulate(12, 100, 2), 11, progress=False)


def test_an_interrupt_leaves_nothing_behind(cells, monkeypatch):
    before, real, calls = fingerprint(cells), jackstraw_test._straws, []

    def stop(*a, **k):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*a, **k)

    monkeypatch.setattr(jackstraw_test, "_straws", stop)
    with pytest.raises(KeyboardInterrupt):
        smd.pl.pca_overview(cells, progress=False)
    assert len(calls) == 3 and fingerprint(cells) == before
