"""Figures: what is drawn, what stays untouched, and what bad input says."""

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from scsmd_nb.pl.clusters import confusion, history, umap  # noqa: E402
from scsmd_nb.pl.colours import PALETTE, palette  # noqa: E402


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    types = np.repeat(["T", "B", "NK"], [30, 20, 10])
    cells = ad.AnnData(rng.poisson(1.0, (60, 5)).astype(np.float32))
    cells.var_names = [f"g{i}" for i in range(5)]
    cells.obs["type"] = types
    cells.obs["scsmd"] = pd.Categorical(np.repeat(["0", "2", "1", "1"], [30, 5, 15, 10]))
    cells.obs["depth"] = np.arange(60.0)
    centre = {"T": 0, "B": 5, "NK": 10}
    cells.obsm["X_scsmd"] = (
        rng.normal(size=(60, 4)) + np.array([centre[k] for k in types])[:, None]
    ).astype(np.float32)
    cells.obsm["X_map"] = rng.normal(size=(60, 2))
    return cells


def record(n=6):
    nan = [np.nan] * (n // 2)
    return {
        "epoch": list(range(n)),
        "phase": ["pretrain"] * (n // 2) + ["soft"] * (n - n // 2),
        "loss": list(np.linspace(9, 1, n)),
        "changed": nan + [0.1] * (n - n // 2),
        "n_clusters": nan + [8] * (n - n // 2),
    }


@pytest.fixture(autouse=True)
def settings_stay():
    before, open_figures = dict(matplotlib.rcParams), plt.get_fignums()
    yield
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == open_figures


def test_umap_computes_and_leaves_no_trace(adata, tmp_path):
    before = adata.copy()
    fig = umap(adata, ["scsmd", "type", "depth", "g1"])
    panels = [ax for ax in fig.axes if ax.get_xlabel().startswith("UMAP")]
    assert len(panels) == 4 and panels[0].get_title() == "scsmd: 3 groups"
    assert sum(len(c.get_offsets()) for c in panels[0].collections) == 60
    assert {t.get_text() for t in panels[0].texts} == {"0", "1", "2"}
    assert (
        list(adata.obsm) == list(before.obsm)
        and list(adata.uns) == list(before.uns)
        and not adata.obsp
    )
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    fig.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_umap_is_stored_only_when_asked_and_repeats(adata):
    other = adata.copy()
    umap(adata, store=True)
    umap(other, store=True)
    assert adata.obsm["X_umap"].shape == (60, 2)
    np.testing.assert_array_equal(adata.obsm["X_umap"], other.obsm["X_umap"])


def test_given_map_is_used_as_it_is(adata):
    fig = umap(adata, "type", basis="X_map", store=True)
    drawn = np.vstack([c.get_offsets() for c in fig.axes[0].collections])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(adata.obsm["X_map"], axis=0))
    assert "X_umap" not in adata.obsm


def test_legend_is_outside_and_counts_cells(adata):
    adata.obs["part"] = pd.Categorical([None] * 4 + ["x"] * 56)
    fig = umap(adata, "part", basis="X_map")
    fig.draw_without_rendering()
    ax = fig.axes[0]
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1 - 1
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["x (56)", "no label (4)"]


def test_more_groups_than_colours(adata):
    adata.obs["many"] = [f"k{i % 45}" for i in range(60)]
    fig = umap(adata, "many", basis="X_map")
    assert sum(len(c.get_offsets()) for c in fig.axes[0].collections) == 60
    handles = fig.axes[0].get_legend().legend_handles
    assert len({(h.get_color(), h.get_marker()) for h in handles}) == 45
    assert palette(25)[20:] == list(PALETTE[:5]) and palette(0) == []


def test_numbers_missing_and_unused_categories(adata):
    adata.obs.loc[adata.obs_names[:3], "depth"] = np.nan
    adata.obs["scsmd"] = adata.obs["scsmd"].cat.add_categories(["9"])
    adata.obs["flag"] = adata.obs["depth"] > 20
    fig = umap(adata, ["depth", "scsmd", "flag"], basis="X_map", ncols=3)
    assert [ax.get_title() for ax in fig.axes[:3]] == ["depth", "scsmd: 3 groups", "flag: 2 groups"]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda a: umap(a, basis="X_umap"),
            KeyError,
            "'X_umap' is not in adata.obsm, which has .*Did you mean 'X_map'",
        ),
        (lambda a: umap(a, []), ValueError, "color has 0 entries"),
        (lambda a: umap(a[:2].copy()), ValueError, "at least 3"),
        (lambda a: history(a), KeyError, "'scsmd' is not in adata.uns, which has nothing"),
        (lambda a: history({}), ValueError, "no epochs"),
    ],
)
def test_errors(adata, call, error, message):
    with pytest.raises(error, match=message):
        call(adata)


def test_history_from_every_source(adata, tmp_path):
    adata.uns["scsmd"] = {"history": record()}
    adata.write_h5ad(tmp_path / "a.h5ad")
    for source in (adata, record(), pd.DataFrame(record()), ad.read_h5ad(tmp_path / "a.h5ad")):
        fig = history(source)
        assert len(fig.axes) == 3
        assert fig.get_suptitle() == "In the last epoch 10.0% of the cells changed cluster"
        assert [t.get_text() for t in fig.axes[0].texts] == ["pretraining", "soft clustering"]


def test_history_tells_of_dead_clusters_and_takes_little():
    dead = record() | {"n_clusters": [np.nan] * 3 + [16, 9, 7]}
    assert history(dead).get_suptitle().endswith("16 clusters became 7")
    short = history({"loss": [1.0]})
    assert len(short.axes) == 1 and short.get_suptitle() == "Training ran for 1 epoch"
    assert history({"loss": [1.0, -1.0], "epoch": [0, 0]}, title="mine").get_suptitle() == "mine"


def test_confusion_rows_columns_and_title(adata):
    fig = confusion(adata, "type")
    ax = fig.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["T (30)", "B (20)", "NK (10)"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "1", "2"]
    np.testing.assert_allclose(ax.images[0].get_array().sum(axis=1), 100)
    assert [t.get_text() for t in ax.texts] == ["30", "15", "5", "10"]
    assert fig.get_suptitle() == "75% of the cells lie in the cluster matched to their type"
    assert not confusion(adata, "type", annotate=False).axes[0].texts
