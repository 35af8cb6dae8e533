"""ARI, NMI and accuracy (formulas 1 and 2) against scikit-learn, by hand, and by their properties."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from scsmd_nb.tl.metrics import ari, cluster_sizes, contingency, nmi, scores, stability

TRUE, PRED = ["T", "T", "T", "B", "B", "B"], [0, 0, 1, 1, 2, 2]
pairs = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 6), min_size=n, max_size=n)] * 2)
)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_scikit_learn(labels):
    a, b = labels
    assert ari(a, b) == pytest.approx(sk.adjusted_rand_score(a, b), abs=1e-9)
    for average in ("max", "arithmetic"):
        truth = sk.normalized_mutual_info_score(a, b, average_method=average)
        assert nmi(a, b, average) == pytest.approx(truth, abs=1e-9)
    np.testing.assert_array_equal(contingency(a, b), sk.cluster.contingency_matrix(a, b))


@settings(max_examples=100, deadline=None)
@given(pairs, st.permutations(range(7)), st.randoms(use_true_random=False))
def test_names_and_order_of_cells_do_not_matter(labels, names, random):
    a, b = map(list, labels)
    order = list(range(len(a)))
    random.shuffle(order)
    renamed = [f"c{names[b[i]]}" for i in order]
    one, two = scores(a, b), scores([a[i] for i in order], renamed)
    assert one == pytest.approx(two)
    swapped = scores(b, a)
    assert (swapped["ari"], swapped["nmi_max"], swapped["accuracy"]) == pytest.approx(
        (one["ari"], one["nmi_max"], one["accuracy"])
    )
    assert one["nmi_max"] <= one["nmi_mean"] + 1e-12
    assert scores(a, a)["ari"] == scores(a, a)["accuracy"] == 1 and nmi(a, a) == pytest.approx(1)


def test_shuffled_labels_have_no_ari():
    rng = np.random.default_rng(0)
    labels = rng.choice(10, 2000, p=np.arange(1, 11) / 55)
    assert abs(np.mean([ari(labels, rng.permutation(labels)) for _ in range(20)])) < 0.003


def test_large_sets_do_not_overflow():
    labels = np.repeat(np.arange(4), 500_000)
    assert ari(labels, labels) == 1.0
    assert ari(labels, np.roll(labels, 1000)) == pytest.approx(
        sk.adjusted_rand_score(labels, np.roll(labels, 1000))
    )


def test_degenerate_partitions():
    assert ari([0], [5]) == 1.0
    assert nmi([0, 0, 1], [2, 2, 2]) == 0.0


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        pd.Categorical,
        lambda y: pd.Series(y, dtype="category"),
        lambda y: pd.array(y, dtype="string"),
    ],
)
def test_any_container(kind):
    y_pred = [str(v) for v in PRED]
    assert ari(kind(TRUE), kind(y_pred)) == pytest.approx(0.8 / 3.3)


def test_contingency_is_in_natural_order():
    table = contingency(list("bbab"), ["10", "2", "0", "x"])
    assert table.index.tolist() == ["a", "b"] and table.columns.tolist() == ["0", "2", "10", "x"]
    assert table.index.name == "type" and table.columns.name == "cluster"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_left_out_aloud(missing):
    with pytest.warns(UserWarning, match="1 of 7 cells have no label") as caught:
        found = ari([*TRUE, missing], [*PRED, 9])
    assert caught[0].filename == __file__
    assert found == pytest.approx(0.8 / 3.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert scores([*TRUE, missing], [*PRED, 9])["n_clusters"] == 3
        assert cluster_sizes([*PRED, missing]).sum() == 6


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ari([0, 1], [0, 1, 1]), ValueError, "y_true has 2 labels but y_pred has 3"),
        (lambda: nmi([], []), ValueError, "nothing to score"),
        (lambda: ari([None, 1], [1, None]), ValueError, "none of the 2 cells has a label in both"),
        (
            lambda: ari("bulk_labels", [0]),
            TypeError,
            "y_true is 'bulk_labels': pass one label per cell",
        ),
        (lambda: ari([0], 3), TypeError, "y_pred is 3"),
        (lambda: ari(np.zeros((2, 3)), [0, 1]), ValueError, r"y_true has shape \(2, 3\)"),
        (
            lambda: nmi(TRUE, PRED, average="mean"),
            ValueError,
            "average='mean' is not known: use 'max'",
        ),
        (lambda: stability([PRED]), ValueError, "got 1: pass at least two"),
        (lambda: stability([PRED, PRED[1:]]), ValueError, "6 labels but y_pred has 5"),
        (
            lambda: ari(pd.Series([0, 1], index=["a", "b"]), pd.Series([0, 1], index=["b", "a"])),
            ValueError,
            "different order",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_stability_of_an_iterator_and_sizes_in_natural_order():
    assert stability(iter([TRUE, PRED])) == pytest.approx(ari(TRUE, PRED))
    assert cluster_sizes(["10", "2", "a", "a"]).index.tolist() == ["a", "2", "10"]


def test_import_is_light():
    heavy = ("torch", "scanpy", "sklearn", "fastcore", "nbdev")
    code = f"import sys, scsmd_nb.tl.metrics; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
