"""Hostile and damaged files: nothing comes from outside, nothing runs, nothing crashes, every error names the file."""

import gzip
import importlib.util
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scsmd_nb.io import guards, read, reading

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("bench_mutations", ROOT / "tools/bench_mutations.py")
mutations = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutations)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    "What is unpacked is gone afterwards, whatever went wrong."
    monkeypatch.delenv("SCSMD_UNPACK_LIMIT", raising=False)
    own = tmp_path_factory.mktemp("unpack")
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    yield
    assert list(own.iterdir()) == []


@pytest.fixture(scope="module")
def cells():
    return mutations.cells(60, 40)


@pytest.fixture
def made(cells, tmp_path):
    "A file of each kind that lives in HDF5, by its kind."
    pytest.importorskip("loompy")
    files = {k: tmp_path / f"cells.{k}" for k in ("h5ad", "h5", "loom")}
    cells.write_h5ad(files["h5ad"])
    mutations.write_10x_h5(cells, files["h5"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mutations.write_loom(cells, files["loom"])
    return files


def says(path, *words, kind=(ValueError, OSError)) -> str:
    "The error, which names the file."
    with pytest.raises(kind) as e:
        read(path)
    text = str(e.value)
    assert Path(path).name in text and len(text) < 1200
    for word in words:
        assert word in text, text
    return text


# ---------------------------------------------------------------- lying heads and addresses


def triple(folder: Path, head: str, packed=False, body="1 1 5\n3 2 1\n") -> Path:
    folder.mkdir()
    text = f"%%MatrixMarket matrix coordinate integer general\n%\n{head}\n{body}".encode()
    name = "matrix.mtx" + ".gz" * packed
    (folder / name).write_bytes(gzip.compress(text) if packed else text)
    (folder / "barcodes.tsv").write_text("AAAC-1\nAAAG-1\n")
    (folder / "genes.tsv").write_text("G1\tCD3D\nG2\tLYZ\nG3\tNKG7\n")
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "head",
    ["3 2 1000000000000", "3 2 7", "3 2", "3 2 x", "3 2 -2", "", "1000000 1000000 900000000",
     "99999999999999999999 2 2", "3 2 99999999999999999999", "0x3 2 2", "3 2 2 2"],
)  # fmt: skip
def test_a_matrix_that_promises_what_the_file_cannot_hold(tmp_path, head, packed):
    says(triple(tmp_path / "s", head, packed), "matrix.mtx" + ".gz" * packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "body",
    ["1 1 5\n", "1 1 5\n9 9 1\n", "1 1 5\n0 1 1\n", "1 1 5\n-1 1 1\n", "1 1 5\n3 2\n", "1 1 5\n3 x 1\n",
     "1 1 99999999999999999999999\n3 2 1\n", "99999999999999999999999 1 1\n3 2 1\n", "\0\0\0\n\0\0\n"],
)  # fmt: skip
def test_a_matrix_with_entries_that_cannot_be(tmp_path, body, packed):
    says(triple(tmp_path / "s", "3 2 2", packed, body), "matrix.mtx")


def test_a_damaged_gzip_under_the_matrix_is_no_fall_of_the_interpreter(tmp_path):
    folder = triple(tmp_path / "s", "3 2 2", True)
    whole = (folder / "matrix.mtx.gz").read_bytes()
    for cut in (20, len(whole) - 4, len(whole) - 9):
        (folder / "matrix.mtx.gz").write_bytes(whole[:cut])
        says(folder, "matrix.mtx.gz")
    (folder / "matrix.mtx.gz").write_bytes(whole[:-8] + b"\1\2\3\4" + whole[-4:])
    says(folder, "truncated or damaged")


@pytest.mark.parametrize("bad", [-1, 40, 10**6, 2**31 - 1])
@pytest.mark.parametrize("at", ["X", "layers/counts", "raw/X", "obsm/S", "varp/S"])
def test_an_index_outside_is_never_followed(cells, tmp_path, at, bad):
    a = cells.copy()
    a.raw = a
    a.obsm["S"] = a.X.copy()
    a.varp["S"] = sp.csr_matrix((a.X.T @ a.X).astype("f4"))
    a.write_h5ad(tmp_path / "bad.h5ad")
    a.write_zarr(tmp_path / "bad.zarr")
    read(tmp_path / "bad.h5ad")
    with h5py.File(tmp_path / "bad.h5ad", "a") as f:
        f[f"{at}/indices"][-1] = bad
    says(tmp_path / "bad.h5ad", at.split("/")[0])
    import zarr

    zarr.open(str(tmp_path / "bad.zarr"), mode="a")[f"{at}/indices"][-1] = bad
    says(tmp_path / "bad.zarr", at.split("/")[0])


def test_row_ends_that_lie(made):
    for kind, group in (("h5ad", "X"), ("h5ad", "layers/counts"), ("h5", "matrix")):
        whole = made[kind].read_bytes()
        for at, value in ((-1, 3), (5, 10**6), (0, 2), (7, 0)):
            with h5py.File(made[kind], "a") as f:
                f[f"{group}/indptr"][at] = value
            says(made[kind], "truncated, damaged")
            made[kind].write_bytes(whole)
    with h5py.File(made["h5"], "a") as f:
        f["matrix/indices"][5] = 40
    says(made["h5"], "truncated, damaged")


def test_order_that_is_broken_once_is_told(cells, tmp_path):
    a = cells.copy()
    a.X.indices[[3, 4]] = a.X.indices[[4, 3]]
    a.write_h5ad(tmp_path / "one.h5ad")
    with pytest.warns(UserWarning, match="1 of 60 rows of X"):
        read(tmp_path / "one.h5ad")
    a.X = sp.csr_matrix((a.X.data[::-1], a.X.indices[::-1], a.X.indptr), a.shape)  # every row
    a.write_h5ad(tmp_path / "all.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path / "all.h5ad")


# ---------------------------------------------------------------- files that point out of themselves


PLACE = {"h5ad": "obsm/out", "h5": "matrix/out", "loom": "layers/out"}


@pytest.mark.parametrize("kind", PLACE)
@pytest.mark.parametrize("how", ["storage", "link", "virtual", "soft", "X", "twice", "circle"])
def test_hdf5_that_points_out_of_itself(made, tmp_path, kind, how):
    secret, place = tmp_path / "secret", PLACE[kind]
    secret.write_bytes(np.arange(60 * 40, dtype="f4").tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["x"] = np.ones((60, 40), "f4")
    with h5py.File(made[kind], "a") as f:
        if how == "storage":
            f.create_dataset(place, (60, 40), "f4", external=[(str(secret), 0, 9600)])
        elif how == "link":
            f[place] = h5py.ExternalLink(tmp_path / "other.h5", "/x")
        elif how == "virtual":
            layout = h5py.VirtualLayout((60, 40), "f4")
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (60, 40))
            f.create_virtual_dataset(place, layout)
        elif how == "soft":  # a link inside that goes through one that leads out
            f["hidden"] = h5py.ExternalLink(tmp_path / "other.h5", "/")
            f[place] = h5py.SoftLink("/hidden/x")
        elif how == "X":
            name = {"h5ad": "X", "h5": "matrix/data", "loom": "matrix"}[kind]
            shape, dtype = ((60, 40), "f4") if kind != "h5" else (f[name].shape, "i4")
            del f[name]
            f.create_dataset(name, shape, dtype, external=[(str(secret), 0, 9600)])
        elif how == "twice":
            f["again"] = f[place.split("/")[0]]
        else:
            f[f"{place}/round"] = f.create_group(place)
    text = says(made[kind], "nothing was read", kind=ValueError)
    assert "another file" in text or "other arrays" in text or "two names" in text


def test_hdf5_that_points_out_inside_gzip_and_in_a_folder(made, tmp_path):
    with h5py.File(made["h5"], "a") as f:
        f["matrix/out"] = h5py.ExternalLink("/etc/hosts", "/x")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/filtered_feature_bc_matrix.h5").write_bytes(made["h5"].read_bytes())
    with pytest.raises(ValueError, match="filtered_feature_bc_matrix.h5.*another file"):
        read(tmp_path / "run")
    (tmp_path / "cells.h5.gz").write_bytes(gzip.compress(made["h5"].read_bytes()))
    says(tmp_path / "cells.h5.gz", "another file")


def test_a_link_inside_the_file_is_fine(cells, tmp_path):
    a = cells.copy()
    a.X = a.X.toarray()
    a.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as f:
        f["layers/again"] = h5py.SoftLink("/X")
    assert (read(tmp_path / "a.h5ad").layers["again"] == a.X).all()


class Evil:
    def __init__(self, at):
        self.at = str(at)

    def __reduce__(self):
        return os.mkdir, (self.at,)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("how", ["file", "folder", "pipe", "climbing", "codec", "changed"])
def test_zarr_that_points_out_of_itself(cells, tmp_path, how, version):
    path = tmp_path / "cells.zarr"
    with warnings.catch_warnings(), ad.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore")
        cells.write_zarr(path)
    assert (read(path).X != cells.X).nnz == 0
    (tmp_path / "other").mkdir()
    table = path / ("zarr.json" if version == 3 else ".zmetadata")
    own = path / "obs/depth" / ("zarr.json" if version == 3 else ".zarray")
    doc, meta = json.loads(table.read_text()), json.loads(own.read_text())
    listed = doc["consolidated_metadata"]["metadata"] if version == 3 else doc["metadata"]
    if how == "file":
        (path / "obs/out").symlink_to("/etc/hosts")
    elif how == "folder":
        (path / "out").symlink_to(tmp_path / "other")
    elif how == "pipe":
        os.mkfifo(path / "obs/out")
    elif how == "climbing":
        listed["uns/../../other/.zarray" if version == 2 else "uns/../../other"] = meta
    elif how == "codec":
        (path / "obs/depth/0").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
        if version == 2:
            meta |= {
                "dtype": "|O",
                "filters": [{"id": "pickle"}],
                "compressor": None,
                "fill_value": 0,
            }
        else:
            meta["codecs"] = [{"name": "bytes"}, {"name": "numcodecs.pickle", "configuration": {}}]
        listed["obs/depth/.zarray" if version == 2 else "obs/depth"] = meta
        own.write_text(json.dumps(meta))
    else:
        meta["shape"] = [30]
        own.write_text(json.dumps(meta))
    table.write_text(json.dumps(doc))
    says(path, "nothing was read" if how not in ("codec", "changed") else "")
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------- damage


def test_one_damaged_h5_of_a_folder_is_named(cells, tmp_path):
    mutations.write_10x_h5(cells, tmp_path / "good_matrix.h5")
    whole = (tmp_path / "good_matrix.h5").read_bytes()
    for bad in (whole[:3000], b"", b"<html>", whole[:200] + bytes(800) + whole[1000:]):
        (tmp_path / "second.h5").write_bytes(bad)
        with pytest.raises(OSError, match=r"second\.h5 .*(?s:.)*move this one away"):
            read(tmp_path)
    (tmp_path / "second.h5").unlink()
    with h5py.File(tmp_path / "molecule_info.h5", "w") as f:
        f.create_group("barcode_idx")
    assert read(tmp_path).shape == (60, 40)


@pytest.mark.parametrize("reader", mutations.READERS)
def test_a_few_mutations_of_every_reader(reader):
    "The small form of `make bench-mutations`."
    if reader == "loom":
        pytest.importorskip("loompy")
    told = []
    counts = mutations.run(reader, 10, seed=1, told=told.append)
    assert counts.total() == 10 and mutations.faults({reader: counts}) == 0, "\n".join(told)


# ---------------------------------------------------------------- more than it should be


def test_what_is_unpacked_has_a_limit(cells, made, tmp_path, monkeypatch):
    (tmp_path / "c.h5ad.gz").write_bytes(gzip.compress(made["h5ad"].read_bytes()))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(cells.to_df().astype(int).to_csv().encode()))
    mutations.write_tar(cells, tmp_path / "c.tar.gz")
    files = ["c.h5ad.gz", "c.csv.gz", "c.tar.gz", made["loom"].name, made["h5"].name]
    for name in files:
        monkeypatch.setenv("SCSMD_UNPACK_LIMIT", "0.000003")
        says(tmp_path / name, "SCSMD_UNPACK_LIMIT=", kind=ValueError)
        monkeypatch.setenv("SCSMD_UNPACK_LIMIT", "0.5")
        assert read(tmp_path / name).n_vars == 40
    for text in ("lots", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("SCSMD_UNPACK_LIMIT", text)
        with pytest.raises(ValueError, match="must be a number of GB"):
            read(tmp_path / "c.csv.gz")


@pytest.mark.parametrize("at", ["first", "second", "third"])
def test_a_line_has_a_limit(tmp_path, monkeypatch, at):
    monkeypatch.setattr(guards, "_LONGEST", 1000)
    lines = {"first": "gene,c1,c2", "second": "CD3D,1,2", "third": "LYZ,0,1"}
    lines[at] += ",7" * 4000
    for name, pack in (("t.csv", bytes), ("t.csv.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack("\n".join(lines.values()).encode()))
        says(tmp_path / name, "")


@pytest.mark.parametrize("layout", [dict(chunks=(60, 1000)), dict(chunks=(60, 10**7)), {}])
def test_an_array_that_is_all_promise(made, layout):
    with h5py.File(made["h5ad"], "a") as f:
        f.create_dataset("obsm/huge", (60, 10**9), "f4", **layout)
    says(made["h5ad"], "SCSMD_UNPACK_LIMIT=", kind=ValueError)


def test_a_zarr_that_is_all_promise(cells, tmp_path):
    import zarr

    cells.write_zarr(tmp_path / "c.zarr")
    group = zarr.open(str(tmp_path / "c.zarr"), mode="a")["uns"]
    group.create_array("huge", shape=(10**6, 10**6), chunks=(100, 100), dtype="f4")
    says(tmp_path / "c.zarr", "SCSMD_UNPACK_LIMIT=", kind=ValueError)


def test_an_archive_of_zeros_and_one_of_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(guards, "_LEAST", 10**6)
    with tarfile.open(tmp_path / "zeros.tar.gz", "w:gz") as tar:
        (m := tarfile.TarInfo("matrix.mtx")).size = 8_000_000
        tar.addfile(m, io.BytesIO(bytes(m.size)))
    says(tmp_path / "zeros.tar.gz", "SCSMD_UNPACK_LIMIT=", kind=ValueError)
    monkeypatch.setattr(reading, "_MOST_THINGS", 50)
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for i in range(60):
            tar.addfile(tarfile.TarInfo(f"f{i}"))
    says(tmp_path / "many.tar", "more than 50 files", kind=ValueError)


BOMB = """
import resource, sys
import scsmd_nb as smd
from scsmd_nb.io import read
from scsmd_nb.io.tables import _read_table
import scanpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(sys.argv[1])
except ValueError as e:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, e)
"""


def test_one_line_of_200_megabytes_takes_little_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", 1) as f:
        f.write(b"gene")
        for _ in range(100):
            f.write(b",1" * 10**6)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", BOMB, path], capture_output=True, text=True, env=env
    )
    megabytes, _, text = out.stdout.partition(" ")
    assert "line 1" in text and int(megabytes) < 400, out.stdout + out.stderr


def test_security_page():
    "What is promised stands at the top, and the README leads there."
    text = (ROOT / "SECURITY.md").read_text()
    for word in (
        "SCSMD_UNPACK_LIMIT",
        "300 times",
        "report",
        "pickle",
        "external",
        "bench-mutations",
    ):
        assert word in text
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
    assert guards._RATIO == 300 and guards._LEAST == 10**9 and guards._LONGEST == 2**25
