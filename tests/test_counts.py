"""counts: the check on every kind of matrix, finding counts in an AnnData, and the real data sets where they are."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scsmd_nb as smd

COUNTS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.integers(0, 50).map(float),
)
FORMATS = [
    np.asarray,
    sp.csr_matrix,
    sp.csc_matrix,
    sp.coo_matrix,
    sp.lil_matrix,
    sp.csr_array,
    sp.csc_array,
]


@settings(max_examples=60, deadline=None)
@given(
    COUNTS,
    st.sampled_from(FORMATS),
    st.sampled_from([np.float32, np.float64, np.int16, np.int64, np.uint8]),
)
def test_counts_pass_in_every_format_and_type(X, fmt, dtype):
    smd.counts.check_counts(fmt(X.astype(dtype)))


@settings(max_examples=60, deadline=None)
@given(
    COUNTS,
    st.sampled_from(FORMATS),
    st.data(),
    st.sampled_from(
        [
            (np.nan, "NaN"),
            (np.inf, "infinite"),
            (-np.inf, "infinite"),
            (-2.0, "negative"),
            (0.5, "not a whole"),
        ]
    ),
)
def test_one_bad_entry_is_found_and_placed(X, fmt, draw, bad):
    value, word = bad
    i, j = (draw.draw(st.integers(0, n - 1)) for n in X.shape)
    X[i, j] = value
    with pytest.raises(ValueError, match=word) as e:
        smd.counts.check_counts(fmt(X), where="layers['u']")
    assert f"at cell {i}, gene {j}" in str(e.value) and str(e.value).startswith("layers['u']")


def test_bad_entry_beyond_the_first_block_of_a_dense_matrix():
    X = np.zeros((3000, 4))
    X[2500, 3] = 0.25
    with pytest.raises(ValueError, match="0.25 at cell 2500, gene 3"):
        smd.counts.check_counts(X)


@pytest.mark.parametrize(
    "X", [np.array([["1", "2"]]), np.array([[1, "a"]], dtype=object), np.ones((2, 2), complex)]
)
def test_values_that_are_not_numbers(X):
    with pytest.raises(ValueError, match="not numbers"):
        smd.counts.check_counts(X)


def test_string_x_in_an_anndata():
    with pytest.raises(ValueError, match="X holds values of type .*not numbers"):
        smd.counts.get_counts(ad.AnnData(np.array([["1", "2"], ["3", "4"]])))


@settings(max_examples=40, deadline=None)
@given(
    COUNTS,
    st.sampled_from([np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array]),
    st.sampled_from([np.float64, np.int32]),
)
def test_get_counts_is_exact_and_fresh(X, fmt, dtype):
    a = ad.AnnData(fmt(X.astype(dtype)))
    for source in (a, a[:, :], a[::-1][::-1]):
        out = smd.counts.get_counts(source)
        assert type(out) is sp.csr_matrix and out.dtype == np.float32
        assert (out.toarray() == X).all() and (out.data != 0).all() and out.has_sorted_indices
        out.data[:] = -1
        kept = source.X.toarray() if sp.issparse(source.X) else np.asarray(source.X)
        assert (kept == X).all()


def test_get_counts_prefers_the_layer_and_never_falls_back():
    a = smd.io.simulate(20, 10, 2)
    a.layers["counts"] = a.X.copy()
    a.X = a.X.log1p()
    assert (smd.counts.get_counts(a) != a.layers["counts"]).nnz == 0
    a.layers["counts"].data[0] = 0.5
    with pytest.raises(ValueError, match=r"layers\['counts'\] holds a value that is not a whole"):
        smd.counts.get_counts(a)


def test_the_error_points_to_where_the_counts_are():
    a = smd.io.simulate(20, 10, 2)
    a.raw = a
    a.X = a.X.log1p()
    with pytest.raises(ValueError, match=r"adata.raw does hold counts"):
        smd.counts.get_counts(a)


def test_backed_files(tmp_path):
    a = smd.io.simulate(30, 12, 2)
    for name, X in {"sparse": a.X, "dense": a.X.toarray()}.items():
        ad.AnnData(X).write_h5ad(tmp_path / f"{name}.h5ad")
        b = ad.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        assert (smd.counts.get_counts(b) != a.X).nnz == 0
        b.file.close()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_two_entries_for_one_place_are_summed_without_overflow(dtype):
    entries = (np.array([100, 100, 100], dtype), ([0, 0, 0], [1, 1, 1]))
    out = smd.counts.as_counts(sp.coo_matrix(entries, shape=(2, 2)))
    assert out.toarray().tolist() == [[0, 300], [0, 0]]


@pytest.mark.parametrize("X", [np.array([[1e30, 1]]), np.array([[2**64 - 1, 1]], np.uint64)])
@pytest.mark.parametrize("whole", [True, False])
def test_counts_that_no_cell_has(X, whole):
    for fmt in (np.asarray, sp.csr_matrix):
        with pytest.raises(ValueError, match="more than float32"):
            smd.counts.as_counts(fmt(X), whole=whole)


def test_indices_outside_of_the_matrix_are_refused():
    a = smd.io.simulate(20, 10, 2)
    a.X.indices[3] = 2**30
    with pytest.raises(ValueError, match="damaged"):
        smd.counts.get_counts(a)


def test_cells_cut_to_the_genes_of_a_model_get_their_library_back():
    a = smd.io.simulate(200, 100, 3, n_markers=10, random_state=0)
    library = np.asarray(a.X.sum(1)).ravel()
    shares = np.asarray((a.X.multiply(1 / library[:, None])).mean(0)).ravel()
    shares, genes = dict(zip(a.var_names, shares)), a.var_names[30:].to_numpy()
    with pytest.warns(UserWarning, match="librar"):
        _, found = smd.counts.align(a[:, genes].copy(), genes, pd.Series(shares))
    part = np.asarray(a[:, genes].X.sum(1)).ravel()
    assert abs(np.median(found / library) - 1) < 0.05 < 1 - np.median(part / library)
    _, whole = smd.counts.align(a, genes, pd.Series(shares))
    assert (whole == library).all()


@pytest.mark.parametrize("axis", ["obs", "var"])
def test_duplicate_names(axis):
    a = smd.io.simulate(5, 5, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(a, f"{axis}_names", ["a", "b", "b", "c", "c"])
    words = rf"2 \w+ names occur more than once in adata.{axis}_names: 'b', 'c'"
    with pytest.raises(ValueError, match=words):
        smd.counts.check_names(a)


REAL = {
    "pbmc4k": (4271, 2000, 8),
    "zeisel": (2121, 3529, 7),
    "zeisel_balanced550": (550, 17894, 11),
    "baron_human": (2812, 2000, 6),
    "baron_mouse1": (822, 14359, 13),
    "mouse_bladder": (2746, 2003, 16),
    "worm_neuron": (4186, 13488, 10),
    "cbmc_cite": (8617, 2000, 15),
    "pbmc_facs": (3774, 16791, 5),
    "pancreas_endocrinogenesis": (3696, 1617, 8),
    "paul15": (2730, 3451, 19),
    "cellmix_5lines": (793, 5000, 5),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data_sets(data_dir, name):
    a = smd.io.load(name)
    assert (a.n_obs, a.n_vars, a.obs["cell_type"].nunique()) == REAL[name]
    smd.counts.check_names(a)
    assert (smd.counts.get_counts(a) != a.X).nnz == 0
