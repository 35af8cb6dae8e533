"""Steps between numbers of clusters: nested, cheapest first, with sizes and genes, and where they are kept."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scsmd_nb as smd
from scsmd_nb.io.simulation import simulate
from scsmd_nb.tl import steps

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(4), [60, 50, 40, 30])
Z = np.array([[0.0, 0], [9, 0], [0, 9], [2.5, 9]])[GROUPS] + RNG.normal(size=(180, 2)) * 0.3


def test_near_groups_join_first_and_are_cut_first():
    down = smd.tl.k_steps(Z, GROUPS, (3, 4))
    assert down[["from", "to", "cluster", "first", "second"]].values.tolist() == [
        [4, 3, "2 and 3", 40, 30]
    ]
    up = smd.tl.k_steps(Z, np.minimum(GROUPS, 2), (3, 4))
    assert up[["from", "to", "cluster", "first", "second"]].values.tolist() == [[3, 4, "2", 40, 30]]


def test_steps_are_one_apart_ordered_and_counted():
    table = smd.tl.k_steps(Z, GROUPS, (1, 8))
    assert (
        table["to"].tolist() == [1, 2, 3, 5, 6, 7, 8]
        and (table["from"] - table["to"]).abs().eq(1).all()
    )
    assert (table["first"] + table["second"]).max() == 180
    assert table["text"].str.endswith(".").all()


def test_handfuls_are_not_cut():
    few = np.arange(180) % 20  # twenty clusters of nine cells
    assert smd.tl.k_steps(Z, few, (20, 25)).empty


def test_genes_that_differ_are_named():
    a = simulate(n_cells=200, n_genes=100, n_clusters=2, fold_change=8.0, random_state=0)
    types = a.obs["cell_type"].to_numpy() if "cell_type" in a.obs else a.obs.iloc[:, 0].to_numpy()
    z = smd.tl.choose_k.components(a.X, None, 0)
    (genes,) = smd.tl.k_steps(z, types, (1, 2), a.X, a.var_names)["genes"]
    means = pd.DataFrame(a.X.toarray(), columns=a.var_names).groupby(types).mean()
    fold = np.log2((means.iloc[0] + 0.1) / (means.iloc[1] + 0.1)).abs()
    named = genes.split(", ")
    assert len(named) == 3 and fold[named].min() > fold.median()


def test_many_cells_are_drawn_and_it_is_said(monkeypatch):
    monkeypatch.setattr(steps, "MOST_CELLS", 90)
    table = smd.tl.k_steps(Z, GROUPS, (3, 4))
    assert "of 90 drawn" in table["text"][0]


def test_suggest_k_names_splits_and_a_file_keeps_them(tmp_path):
    a = simulate(n_cells=300, n_genes=200, n_clusters=3, random_state=0)
    c = smd.tl.suggest_k(a, progress=False)
    assert c.interval == (2, 6) and c.steps["to"].tolist() == [2, 4, 5, 6]
    assert all(text in str(c) for text in c.steps["text"])
    kept = ad.AnnData(np.zeros((1, 1), np.float32), uns={"scsmd": {"k_steps": c.steps}})
    kept.write_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(
        ad.read_h5ad(tmp_path / "a.h5ad").uns["scsmd"]["k_steps"].reset_index(drop=True),
        c.steps,
        check_dtype=False,
    )


def test_fewer_than_thirty_cells_need_a_number():
    a = simulate(n_cells=29, n_genes=60, n_clusters=2, random_state=0)
    with pytest.raises(ValueError, match="nothing can be said .* of 29 cells.*Give n_clusters"):
        smd.cluster(a, "auto", progress=False)
    assert "scsmd" not in a.obs and "scsmd" not in a.uns


def test_labels_must_fit():
    with pytest.raises(ValueError, match="9 entries, and z has 180 rows"):
        smd.tl.k_steps(Z, GROUPS[:9], (2, 4))
