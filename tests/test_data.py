"""data: checks, finding counts, the embedded set, the simulator, files, and the real data sets where they are."""

import subprocess
import sys
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


@pytest.mark.parametrize("axis", ["obs", "var"])
def test_duplicate_names(axis):
    a = smd.io.simulate(5, 5, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(a, f"{axis}_names", ["a", "b", "b", "c", "c"])
    words = rf"2 \w+ names occur more than once in adata.{axis}_names: 'b', 'c'"
    with pytest.raises(ValueError, match=words):
        smd.counts.check_names(a)


def test_pbmc700_are_whole_counts_of_the_stored_data():
    import scanpy as sc

    a = smd.io.pbmc700()
    smd.counts.check_counts(a.X)
    smd.counts.check_names(a)
    assert (
        a.shape == (700, 765) and a.obs["bulk_labels"].nunique() == 10 and a.X.dtype == np.float32
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        src = sc.datasets.pbmc68k_reduced()
    again = np.log1p(
        a.X.toarray().astype(float) / src.obs["n_counts"].to_numpy(float)[:, None] * 1e4
    )
    assert np.abs(again - src.raw.X.toarray()).max() < 5.1e-4  # stored with three decimals
    assert (a.obs_names == src.obs_names).all() and (a.var_names == src.raw.var_names).all()


def test_pbmc700_gives_a_new_object_each_time():
    a = smd.io.pbmc700()
    a.X.data[:] = 0
    assert smd.io.pbmc700().X.sum() > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 6), st.integers(0, 10))
def test_simulate_holds_what_it_promises(n_cells, n_genes, n_clusters, seed):
    if n_clusters > n_cells:
        with pytest.raises(ValueError, match="n_clusters"):
            smd.io.simulate(n_cells, n_genes, n_clusters)
        return
    a = smd.io.simulate(n_cells, n_genes, n_clusters, random_state=seed)
    smd.counts.check_counts(a.X)
    assert a.shape == (n_cells, n_genes) and a.obs["cell_type"].nunique() == n_clusters
    assert np.allclose(a.varm["profile"].sum(0), 1) and (a.var["phi"] > 0).all()
    assert np.allclose(smd.io.true_mean(a).sum(1), a.obs["library_size"])
    assert (smd.io.simulate(n_cells, n_genes, n_clusters, random_state=seed).X != a.X).nnz == 0


@given(st.integers(1, 500), st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
def test_cluster_sizes_sum_up(n_cells, proportions):
    if len(proportions) > n_cells:
        return
    p = np.array(proportions) / np.sum(proportions)
    sizes = simulation._cluster_sizes(n_cells, p)
    assert sizes.sum() == n_cells and (sizes >= 1).all()
    if (p * n_cells >= 1).all():
        assert np.abs(sizes - p * n_cells).max() < 1


def test_simulate_across_blocks_of_cells():
    a = smd.io.simulate(2500, 20, 3, proportions=[5, 3, 2])
    assert a.obs["cell_type"].value_counts().to_dict() == {
        "type_0": 1250,
        "type_1": 750,
        "type_2": 500,
    }


def test_read_and_load(tmp_path, monkeypatch):
    a = smd.io.simulate(20, 10, 2)
    a.write_h5ad(tmp_path / "one.h5ad")
    pd.testing.assert_frame_equal(smd.io.read(str(tmp_path / "one.h5ad")).obs, a.obs)
    monkeypatch.setenv("SCSMD_DATA_DIR", str(tmp_path))
    assert smd.io.available() == ["one"]
    assert smd.io.load("one").shape == smd.io.load("one.h5ad").shape == (20, 10)
    with pytest.raises(ValueError, match="Did you mean 'one'"):
        smd.io.load("onne")
    monkeypatch.setenv("SCSMD_DATA_DIR", str(tmp_path / "no"))
    with pytest.raises(FileNotFoundError, match="SCSMD_DATA_DIR="):
        smd.io.load("one")
    monkeypatch.delenv("SCSMD_DATA_DIR")
    with pytest.raises(ValueError, match="SCSMD_DATA_DIR is not set"):
        smd.io.load("one")


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.99])
def test_a_cut_file_never_comes_back_as_data(tmp_path, share):
    smd.io.pbmc700().write_h5ad(tmp_path / "a.h5ad")
    whole = (tmp_path / "a.h5ad").read_bytes()
    (tmp_path / "a.h5ad").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(OSError, match="a.h5ad"):
        smd.io.read(tmp_path / "a.h5ad")


def test_hdf5_of_another_kind(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5ad", "w") as f:
        f["matrix/data"] = np.arange(3)
    with pytest.raises(OSError, match="cannot be read as AnnData"):
        smd.io.read(tmp_path / "a.h5ad")


def test_import_is_light():
    code = (
        "import sys; from scsmd_nb.data import *; from scsmd_nb import qc; "
        "print([m for m in ('torch', 'scanpy', 'sklearn', 'matplotlib', 'fastcore', 'nbdev') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


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
