"""transfer: labels of one or several references, whatever the sample reads more of; unknown where none has the type."""

import numpy as np
import pandas as pd
import pytest

import scsmd_nb as smd
from scsmd_nb.tl.references import _judge, _query_shift, _two_way, transfer


@pytest.fixture(scope="module")
def cells():
    "600 cells of four types in three samples, each of which loses counts of its own genes."
    a = smd.io.simulate(n_cells=600, n_genes=300, n_clusters=4, fold_change=4, random_state=1)
    rng = np.random.default_rng(1)
    a.obs["cell_type"], a.obs["donor"] = (
        a.obs["cell_type"].astype(str),
        rng.choice(list("ABC"), 600),
    )
    share = {d: rng.beta(2, 1, 300) for d in "ABC"}
    kept = np.stack([share[d] for d in a.obs["donor"]])
    a.X = type(a.X)(rng.binomial(a.X.toarray().astype(int), kept).astype(np.float32))
    return a


def parts(cells):
    return (cells[(cells.obs["donor"] == d).to_numpy()].copy() for d in "ABC")


def test_two_references_and_the_columns(cells):
    a, b, query = parts(cells)
    before = query.copy()
    table = transfer({"one": a, "two": b}, query, label_key="cell_type")
    new = ["", "_proba", "_strange", "_reference"]
    assert list(query.obs)[-4:] == [f"scsmd_label{n}" for n in new]
    known = query.obs["scsmd_label"] != "unknown"
    right = query.obs["scsmd_label"].astype(str) == query.obs["cell_type"]
    assert right[known].mean() > 0.97 and known.mean() > 0.8
    assert ((query.obs["scsmd_label_strange"] > 0) == ~known).all()
    assert table["cells"].sum() == query.n_obs and set(table["reference"]) <= {"one", "two"}
    assert (query.X != before.X).nnz == 0 and set(query.uns) == set(before.uns)
    again = before.copy()
    transfer([a, b], again, label_key="cell_type")
    assert list(again.obs["scsmd_label"]) == list(query.obs["scsmd_label"])


def test_a_missing_type_is_strange_and_a_type_of_one_reference_is_kept(cells):
    from sklearn.metrics import roc_auc_score

    a, b, query = parts(cells)
    types = sorted(set(cells.obs["cell_type"]))
    a, b = (
        a[a.obs["cell_type"].isin(types[:2])].copy(),
        b[b.obs["cell_type"].isin(types[1:3])].copy(),
    )
    transfer([a, b], query, label_key="cell_type")
    new = query.obs["cell_type"] == types[3]
    assert roc_auc_score(new, query.obs["scsmd_label_strange"]) > 0.9
    for t, name in ((types[0], "reference 0"), (types[2], "reference 1")):
        own = query.obs[query.obs["scsmd_label"] == t]
        assert len(own) > 10 and (own["cell_type"] == t).mean() > 0.95
        assert set(own["scsmd_label_reference"]) == {name}


def test_a_query_of_one_type_or_one_cell(cells):
    a, b, query = parts(cells)
    one = query[(query.obs["cell_type"] == query.obs["cell_type"].iloc[0]).to_numpy()].copy()
    for part in (one, one[:1].copy()):
        transfer([a, b], part, label_key="cell_type", false_alarms=0)
        assert (part.obs["scsmd_label"].astype(str) == part.obs["cell_type"]).mean() > 0.95


def test_the_order_of_cells_genes_and_samples_does_not_matter(cells):
    a, b, query = parts(cells)
    both = cells[(cells.obs["donor"] != "A").to_numpy()].copy()
    transfer(a, both, label_key="cell_type", batch_key="donor")
    turned = both[::-1, ::-1].copy()
    transfer(a, turned, label_key="cell_type", batch_key="donor")
    same = turned.obs["scsmd_label"].astype(str)[::-1] == both.obs["scsmd_label"].astype(str)
    assert same.mean() > 0.98


def test_a_shift_of_all_cells_changes_nothing():
    rng = np.random.default_rng(0)
    means = rng.normal(0, 6, (3, 5))
    k = rng.integers(0, 3, 200)
    z = means[k] + rng.normal(size=(200, 5))
    found = _query_shift(z + 2, means, 20.0)
    assert np.abs(found - 2 * 60 / 80).max() < 0.6  # 20 parts of no shift to 3 x 20 cells
    _, shifts = _two_way([z, z + 3], [k, k], 3)
    assert np.allclose(shifts[1] - shifts[0], 3)
    proba, strange, nearest = _judge([z, z + 3], [k, k], [z + 1], 4)
    assert (proba.argmax(1) == k).mean() > 0.99 and (proba[:, 3] == 0).all()
    assert np.isfinite(strange).all() and set(nearest) <= {0, 1}


def wrong(cells):
    a, b, query = parts(cells)
    gap, single, named = a.copy(), a.copy(), a.copy()
    gap.obs["cell_type"] = gap.obs["cell_type"].where(np.arange(gap.n_obs) > 2)
    single.obs["cell_type"] = np.where(
        np.arange(single.n_obs) == 0, "rare", single.obs["cell_type"]
    )
    named.obs["cell_type"] = np.where(np.arange(named.n_obs) < 9, "unknown", named.obs["cell_type"])
    lower, other, empty = query.copy(), query.copy(), query.copy()
    lower.var_names = [g.upper() + "x" for g in lower.var_names]
    upper = a.copy()
    upper.var_names = [g.lower() + "X" for g in upper.var_names]
    other.var_names = [f"ENSG{i}" for i in range(other.n_vars)]

    empty.X = type(empty.X)(empty.X.multiply((np.arange(empty.n_obs) != 3)[:, None]))
    odd = a.copy()
    odd.obs["cell_type"] = np.where(np.arange(odd.n_obs) % 2, "T cell", "t  cell")
    return [
        (a, query, dict(label_key="celltype"), ValueError, "Did you mean 'cell_type'"),
        (gap, query, {}, ValueError, "3 cells of reference 'reference' have no value"),
        (single, query, {}, ValueError, "type 'rare' has one cell"),
        (named, query, {}, ValueError, "named 'unknown'"),
        (odd, query, {}, ValueError, "differ only in spaces or case"),
        (upper, lower, {}, ValueError, "common if case is left out"),
        (a, other, {}, ValueError, "0 genes in common"),
        (a, empty, {}, ValueError, "no counts"),
        (a, query, dict(batch_key="donr"), ValueError, "Did you mean 'donor'"),
        ([], query, {}, TypeError, "references must be"),
        (a, query.X, {}, TypeError, "adata is of type"),
        (a, query, dict(false_alarms=1), ValueError, "from 0 to below 1"),
        (a, query, dict(layer="umi"), ValueError, "no layer 'umi'"),
    ]


def test_wrong_input_is_refused_and_nothing_is_written(cells):
    for references, query, options, kind, says in wrong(cells):
        before = query.obs.copy() if hasattr(query, "obs") else pd.DataFrame()
        with pytest.raises(kind, match=says):
            transfer(references, query, **{"label_key": "cell_type"} | options)
        assert not hasattr(query, "obs") or query.obs.equals(before)
