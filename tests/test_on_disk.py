"""Cells that stay on disk: the clusters of a fit in memory, and clear words where something is wrong."""

import os
import warnings
from collections import namedtuple

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import zarr
from typer.testing import CliRunner

import scsmd_nb as smd
from scsmd_nb.cli import app
from scsmd_nb.tl import on_disk as module

QUICK = dict(n_top_genes=80, max_epochs=1, start="kmeans", progress=False)


@pytest.fixture(scope="module")
def cells():
    return smd.io.simulate(n_cells=257, n_genes=120, n_clusters=3, random_state=0)


def left(cells, tmp_path, kind="h5ad"):
    path = tmp_path / f"cells.{kind}"
    (cells.write_h5ad if kind == "h5ad" else cells.write_zarr)(path)
    return smd.io.open_backed(path)


def fitted(adata, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smd.cluster(adata, 3, return_model=True, **QUICK | options)[1]


@pytest.mark.parametrize(
    "kind, n, options",
    [
        ("zarr", 257, {"batch_size": 128}),  # one cell is left over
        ("h5ad", 40, {"batch_size": 64}),  # fewer cells than a batch
        ("h5ad", 40, {"batch_size": 2}),  # more clusters than a batch has cells
        ("h5ad", 120, {"n_clusters": "auto"}),
    ],
    ids=str,
)
def test_disk_is_memory(cells, tmp_path, kind, n, options):
    K, cells = options.get("n_clusters", 3), cells[:n].copy()
    options = {k: v for k, v in options.items() if k != "n_clusters"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disk, memory = (
            smd.cluster(a, K, return_model=True, **QUICK | options)[1]
            for a in (left(cells, tmp_path, kind), cells.copy())
        )
    np.testing.assert_array_equal(disk.labels_, memory.labels_)
    np.testing.assert_array_equal(disk.embedding_, memory.embedding_)
    np.testing.assert_array_equal(disk.mask_, memory.mask_)
    assert disk.data_hash_ == memory.data_hash_
    np.testing.assert_allclose(disk._shares, memory._shares)


def prepared(counts, **options):
    return module.prepare(counts, None, smd.tl.Params(n_top_genes=80, **options))


@pytest.mark.parametrize("size", [50, 256, 10_000])
def test_blocks_of_any_size_read_the_same(cells, tmp_path, monkeypatch, size):
    "Also one cell in the last block, and a block larger than the file."
    whole = prepared(smd.io.counts_of(cells))
    monkeypatch.setattr(smd.counts.row_blocks, "__defaults__", (size,))
    again = prepared(smd.io.DiskCounts(left(cells, tmp_path)))
    np.testing.assert_array_equal(again.mask, whole.mask)
    for a, b in zip(*(p.cells.batch(np.arange(257))[:4] for p in (again, whole))):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_cells_sorted_by_type_are_drawn_from_everywhere(cells, tmp_path):
    "A batch has the types of the whole file, not those of a neighbourhood, and an epoch every cell once."
    order = np.argsort(cells.obs["cell_type"].to_numpy(), kind="stable")
    ordered = cells[order].copy()
    ordered.X = ordered.X.toarray()
    types = ordered.obs["cell_type"].cat.codes.to_numpy()
    found = prepared(smd.io.DiskCounts(left(ordered, tmp_path)))
    ready, at = found.cells, found.rows
    parts = smd.tl.batches(len(ready), 32, torch.Generator().manual_seed(0))
    assert sorted(np.concatenate(parts)) == list(range(257))
    for index in parts:
        assert len(set(types[at[index]])) == 3
        rows = ready.batch(index)
        assert (rows.target.sum(1).numpy() <= ordered.X[at[index]].sum(1)).all()


def test_new_cells_are_read_in_blocks(cells, tmp_path, monkeypatch):
    model, backed = fitted(cells.copy()), left(cells, tmp_path)
    monkeypatch.setattr(module.memory_blocks, "__defaults__", (50,))
    np.testing.assert_array_equal(model.predict(backed), model.predict(cells))
    np.testing.assert_allclose(model.transform(backed), model.transform(cells), atol=1e-5)
    (tmp_path / "fewer").mkdir()
    fewer = left(cells[:, 15:].copy(), tmp_path / "fewer")
    with pytest.warns(UserWarning) as said:
        model.predict(fewer)
    assert len({str(w.message) for w in said}) == len(said)


def test_large_counts_decimals_and_marked_genes(cells, tmp_path):
    a = cells.copy()
    a.X = a.X * 3000.5
    a.var["highly_variable"] = np.arange(120) < 60
    mask = np.arange(120) < 60
    pair = (smd.io.counts_of(x, whole=False) for x in (left(a, tmp_path), a))
    disk, memory = (module.prepare(x, mask, smd.tl.Params()) for x in pair)
    for x, y in zip(*(p.cells.batch(np.arange(257)) for p in (disk, memory))):
        np.testing.assert_array_equal(x, y)


def test_what_is_wrong_is_said_and_where(cells, tmp_path):
    a = cells.copy()
    a.X[200, 5] = 0.5
    with pytest.raises(ValueError, match=str(a.obs_names[200])):
        fitted(left(a, tmp_path))
    a = cells.copy()
    a.X = sp.csr_matrix(a.X.multiply((np.arange(257) != 7)[:, None]))
    with pytest.raises(ValueError, match=str(a.obs_names[7])):
        fitted(left(a, tmp_path))
    a.X = sp.csc_matrix(cells.X)
    with pytest.raises(ValueError, match="gene by gene"):
        fitted(left(a, tmp_path))
    with pytest.raises(ValueError, match="in memory"):
        fitted(left(cells, tmp_path), gene_selection="pearson_residuals")


def test_a_file_that_changes_and_a_full_disk(cells, tmp_path, monkeypatch):
    backed = left(cells, tmp_path)
    counts = smd.io.DiskCounts(backed)
    os.utime(tmp_path / "cells.h5ad", ns=(1, 1))
    with pytest.raises(ValueError, match="written to while it was read"):
        module.copy_rows(counts, module.survey(counts), np.arange(120) < 50)
    none = namedtuple("usage", "free")(10)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: none)
    with pytest.raises(OSError, match="TMPDIR"):
        fitted(backed)


def test_a_zarr_that_changes(cells, tmp_path):
    counts = smd.io.DiskCounts(left(cells, tmp_path, "zarr"))
    seen = module.survey(counts)
    data = zarr.open_group(tmp_path / "cells.zarr")["X/data"]
    data[1000] = data[1000] + 1
    with pytest.raises(ValueError, match="other counts when it was read again"):
        module.copy_rows(counts, seen, np.arange(120) < 50)


def test_a_stopped_fit_goes_on_from_disk(cells, tmp_path, monkeypatch):
    whole = fitted(left(cells, tmp_path))
    at, real = tmp_path / "run.safetensors", smd.tl.Checkpoint.save

    def stop(self, run):
        real(self, run)
        if run.phase == "soft":
            raise KeyboardInterrupt

    monkeypatch.setattr(smd.tl.Checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        fitted(left(cells, tmp_path), checkpoint=at)
    monkeypatch.setattr(smd.tl.Checkpoint, "save", real)
    for a in (left(cells, tmp_path), cells.copy()):  # from disk or from memory: the same run
        again = fitted(a, checkpoint=at)
        np.testing.assert_array_equal(again.labels_, whole.labels_)


def test_rows_of_any_kind_come_back(tmp_path):
    rng = np.random.default_rng(0)
    for columns, most in ((50, 9), (50, 70_000), (70_000, 9)):
        X = sp.random(40, columns, 0.02, "csr", np.float32, rng)
        X.data = rng.integers(1, most + 1, X.nnz).astype(np.float32)
        rows = module.RowFile(columns, small=most < 2**16)
        rows.append(X[:25])
        rows.append(X[25:])
        rows.finish()
        for index in (slice(3, 9), np.array([39, 0, 0, 7]), np.arange(0)):
            assert abs(rows[index] - X[index]).nnz == 0


def test_the_callers_file_is_left_as_it_was(cells, tmp_path):
    backed = left(cells, tmp_path)
    before = (tmp_path / "cells.h5ad").read_bytes()
    fitted(backed)
    assert backed.obs["scsmd"].notna().all() and backed.obsm["X_scsmd"].shape == (257, 32)
    backed.file.close()
    assert (tmp_path / "cells.h5ad").read_bytes() == before
    assert "scsmd" not in ad.read_h5ad(tmp_path / "cells.h5ad").obs


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_what_lies_beside_x_goes_along(cells, tmp_path, kind):
    a = cells.copy()
    a.obsm["X_map"], a.layers["more"], a.varm["w"] = np.ones((257, 2)), a.X * 2, np.ones((120, 1))
    backed, keep = left(a, tmp_path, kind), np.arange(257) % 2 == 0
    again = ad.read_h5ad(smd.io.copy_cells(backed, tmp_path / "half.h5ad", keep))
    assert (again.X != a.X[keep]).nnz == 0 and (
        again.layers["more"] != a.layers["more"][keep]
    ).nnz == 0
    assert again.obsm["X_map"].shape == (129, 2) and again.varm["w"].shape == (120, 1)
    assert again.obs.equals(a.obs[keep])


def test_a_file_without_x(cells, tmp_path):
    with pytest.raises(ValueError, match="no X"):
        fitted(left(ad.AnnData(obs=cells.obs, var=cells.var), tmp_path))


def test_what_passes_the_filter_can_stay_on_disk(cells, tmp_path):
    cells = cells.copy()
    cells.obs["sample"] = pd.Categorical(np.where(np.arange(257) % 2, "a", "b"))
    cells.layers["more"] = cells.X * 2
    asked = dict(min_genes=100, max_mito=None, min_cells=200, by="sample")
    memory = smd.pp.filter(cells, **asked)
    disk = smd.pp.filter(left(cells, tmp_path), path=tmp_path / "kept.h5ad", **asked)
    assert disk.isbacked and memory.n_obs < 257 and memory.n_vars < 120
    again = disk.to_memory()
    assert (again.X != memory.X).nnz == 0 and (
        again.layers["more"] != memory.layers["more"]
    ).nnz == 0
    pd.testing.assert_frame_equal(again.obs, memory.obs)
    assert smd.pp.filter_table(again).equals(smd.pp.filter_table(memory))
    disk.file.close()


def test_the_command_leaves_on_disk_what_does_not_fit(cells, tmp_path, monkeypatch):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    out = {}
    for name, free in (("memory", 10**12), ("disk", 10_000)):
        monkeypatch.setattr("scsmd_nb.cli.memory.free_memory", lambda free=free: free)
        words = ["fit", tmp_path / "cells.h5ad", "-k", 3, "--out", tmp_path / name, "--qc"]
        words += [
            "-o",
            "min_genes=50",
            "-o",
            "max_mito=none",
            "--max-epochs",
            1,
            "-o",
            "start=kmeans",
        ]
        done = CliRunner().invoke(app, [str(w) for w in [*words, "--no-figures"]])
        assert done.exit_code == 0, done.output
        assert ("the cells stay on disk" in done.output) == (name == "disk")
        out[name] = ad.read_h5ad(tmp_path / name / "cells.h5ad")
    labels = [(tmp_path / name / "labels.csv").read_text() for name in out]
    assert labels[0] == labels[1]
    assert (out["disk"].X != out["memory"].X).nnz == 0
    np.testing.assert_array_equal(out["disk"].obsm["X_scsmd"], out["memory"].obsm["X_scsmd"])
    words = ["predict", tmp_path / "disk/model", tmp_path / "cells.h5ad"]
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == 0 and "stay on disk" in done.output, done.output


@pytest.mark.parametrize("layer", [["counts"], 3, "cuonts"])
def test_a_layer_that_is_none_is_told_clearly(cells, layer):
    for function in (smd.pp.cell_metrics, smd.pp.normalize, smd.pp.highly_variable, smd.pp.filter):
        with pytest.raises(ValueError, match="layer"):
            function(cells, layer=layer)
