"""reading, tables, tenx: every layout from real counts, read back equal; every bad file a clear error."""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.io import opening, reading, tables, writing
from scsmd_nb.io.reading import read
from scsmd_nb.io.writing import write_csv

REAL = ("pbmc4k", "zeisel_balanced550", "worm_neuron", "paul15")


@pytest.fixture(scope="module")
def pbmc():
    return smd.io.pbmc700()[:120].copy()


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    "Readers unpack to a folder of this test's own, which must be empty again afterwards."
    own = tmp_path_factory.mktemp("unpack")
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    yield
    assert list(own.iterdir()) == []


def ids_of(a):
    return [f"ENSG{10_000_000 + j:011}" for j in range(a.n_vars)]


def write_mtx(a, folder, version=3, packed=True, prefix="", ids=None, types=None, symbols=None):
    "Cell Ranger's three files; the matrix is written by scipy, not by our own code."
    from scipy.io import mmwrite

    folder.mkdir(parents=True, exist_ok=True)
    ids, symbols = ids or ids_of(a), symbols or list(a.var_names)
    types = types or ["Gene Expression"] * a.n_vars
    out = io.BytesIO()
    mmwrite(out, a.X.T.tocoo().astype(int), field="integer")
    rows = zip(ids, symbols, types) if version == 3 else zip(ids, symbols)
    texts = {
        "matrix.mtx": out.getvalue(),
        "barcodes.tsv": "".join(f"{b}\n" for b in a.obs_names).encode(),
        ("features" if version == 3 else "genes") + ".tsv": "".join(
            "\t".join(r) + "\n" for r in rows
        ).encode(),
    }
    for name, text in texts.items():
        (folder / f"{prefix}{name}{'.gz' * packed}").write_bytes(
            gzip.compress(text) if packed else text
        )
    return folder


def write_h5(a, path, version=3, genomes=("GRCh38",), types=None):
    "10x HDF5: group matrix with features (3), or one group for each genome (2)."
    ids, names = np.array(ids_of(a), "S"), a.var_names.to_numpy().astype("S")
    with h5py.File(path, "w") as f:
        for k, genome in enumerate(genomes):
            part = (
                np.arange(a.n_vars) % len(genomes) == k if version == 2 else np.ones(a.n_vars, bool)
            )
            X = sp.csr_matrix(a.X[:, part])
            g = f.create_group("matrix" if version == 3 else genome)
            for key, value in dict(
                data=X.data.astype("i4"),
                indices=X.indices.astype("i8"),
                indptr=X.indptr.astype("i8"),
                shape=np.array(X.shape[::-1], "i4"),
                barcodes=a.obs_names.to_numpy().astype("S"),
            ).items():
                g.create_dataset(key, data=value, compression="gzip")
            if version == 2:
                g["genes"], g["gene_names"] = ids[part], names[part]
            else:
                values = dict(
                    id=ids,
                    name=names,
                    genome=np.full(a.n_vars, genome.encode()),
                    feature_type=np.array(types or ["Gene Expression"] * a.n_vars, "S"),
                )
                for key, value in values.items():
                    g[f"features/{key}"] = value
                g["features/_all_tag_keys"] = np.array([b"genome"])
    return path


def write_loom(a, path, gene="Gene", cell="CellID"):
    with h5py.File(path, "w") as f:
        f["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
        f.create_dataset("matrix", data=a.X.T.toarray(), chunks=True, compression="gzip")
        f[f"row_attrs/{gene}"], f["row_attrs/Accession"] = (
            a.var_names.to_numpy().astype("S"),
            np.array(ids_of(a), "S"),
        )
        f[f"col_attrs/{cell}"] = a.obs_names.to_numpy().astype("S")
        for name in ("layers", "row_graphs", "col_graphs"):
            f.create_group(name)
    return path


def pack(to, members, mode="w"):
    "A tar of (name, path) pairs."
    with tarfile.open(to, mode) as tar:
        for name, path in members:
            tar.add(path, name)
    return to


def same(a, b, obs_names=None, var_names=None):
    assert type(a.X) is sp.csr_matrix and a.X.dtype == np.float32
    assert list(a.obs_names) == list(b.obs_names if obs_names is None else obs_names)
    assert list(a.var_names) == list(b.var_names if var_names is None else var_names)
    assert (a.X != b.X).nnz == 0 and a.X.has_sorted_indices


# ---------------------------------------------------------------- text tables


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "csv.gz", "tsv.gz", "txt.gz"])
@pytest.mark.parametrize("turned", [False, True])
def test_tables_in_both_directions(pbmc, tmp_path, capfd, ending, turned):
    table = pbmc.to_df().astype(int)
    (table.T if turned else table).to_csv(
        tmp_path / f"a.{ending}", sep="," if "csv" in ending else "\t"
    )
    same(read(tmp_path / f"a.{ending}"), pbmc)
    said = capfd.readouterr().err
    assert (
        f"cells in {'columns' if turned else 'rows'}" in said
        and ("comma" if "csv" in ending else "tab") in said
    )


@pytest.mark.parametrize("sep", [",", "\t", ";", " ", "|"])
def test_as_r_writes_it(pbmc, tmp_path, sep):
    "write.table: quotes, and no field above the row names."
    lines = [sep.join(f'"{c}"' for c in pbmc.obs_names)]
    lines += [
        sep.join([f'"{g}"', *map(str, col)])
        for g, col in zip(pbmc.var_names, pbmc.X.T.toarray().astype(int))
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    same(read(str(tmp_path / "a.txt")), pbmc)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "\ufeff" + t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: "\n\n" + t.replace("\n", "\n\n"),
        lambda t: t.rstrip("\n"),
    ],
)
def test_line_endings_marks_and_blank_lines(pbmc, tmp_path, change):
    (tmp_path / "a.csv").write_bytes(
        change(pbmc.to_df().astype(int).to_csv(lineterminator="\n")).encode()
    )
    same(read(tmp_path / "a.csv"), pbmc)


@pytest.mark.parametrize("rows_at_a_time", [17, 120, 1000])
def test_the_size_of_blocks_makes_no_difference(pbmc, tmp_path, monkeypatch, rows_at_a_time):
    pbmc.to_df().to_csv(tmp_path / "a.csv")
    monkeypatch.setattr(tables, "_BLOCK", rows_at_a_time * pbmc.n_vars)
    same(read(tmp_path / "a.csv"), pbmc)


def test_the_caller_overrules(pbmc, tmp_path, recwarn, capfd):
    pbmc.to_df().to_csv(tmp_path / "a.csv")
    same(read(tmp_path / "a.csv", cells="columns"), pbmc.T)
    same(read(tmp_path / "a.csv", cells="rows", delimiter=","), pbmc)
    assert not recwarn.list and not capfd.readouterr().err
    with pytest.raises(ValueError, match="cells='genes' must be 'rows'"):
        read(tmp_path / "a.csv", cells="genes")
    with pytest.raises(ValueError, match="must be one character"):
        read(tmp_path / "a.csv", delimiter=",,")
    with pytest.raises(ValueError, match="one field.*separated by comma"):
        read(tmp_path / "a.csv", delimiter="\t")
    pbmc.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="are for text tables, and a.h5ad is not one"):
        read(tmp_path / "a.h5ad", cells="rows")


def test_a_guess_warns(tmp_path):
    table = pd.DataFrame(
        np.arange(12).reshape(3, 4), index=["x1", "x2", "x3"], columns=["s1", "s2", "s3", "s4"]
    )
    table.to_csv(tmp_path / "a.csv")
    with pytest.warns(
        UserWarning, match="cells are taken to be in columns.*pass cells='rows'"
    ) as caught:
        a = read(tmp_path / "a.csv")
    assert a.shape == (4, 3) and caught[0].filename == __file__
    long = pd.DataFrame(
        np.ones((10_001, 3), int), index=[str(i) for i in range(10_001)], columns=["1", "2", "3"]
    )
    long.T.to_csv(tmp_path / "b.csv")
    with pytest.warns(UserWarning, match="only one side is long enough"):
        assert read(tmp_path / "b.csv").shape == (3, 10_001)


def test_the_word_above_the_row_names_decides(tmp_path):
    for word, shape in {
        "gene": (2, 1),
        "cell": (1, 2),
        "Barcode": (1, 2),
        "gene_id": (2, 1),
    }.items():
        (tmp_path / "a.csv").write_text(f"{word},a,b\nx,1,2\n")
        assert read(tmp_path / "a.csv").shape == shape


def test_values_that_are_not_counts_come_back_exactly(pbmc, tmp_path):
    logged = pbmc.copy()
    logged.X = (pbmc.X.toarray() - 1.0) / 7
    logged.to_df().astype(np.float32).to_csv(tmp_path / "a.csv")
    assert (read(tmp_path / "a.csv").X.toarray() == logged.X.astype(np.float32)).all()
    (tmp_path / "b.csv").write_text("gene,a,b\nx,1e3,+2.5\ny, 3,-.5\n")
    assert read(tmp_path / "b.csv").X.toarray().tolist() == [[1000, 3], [2.5, -0.5]]


@pytest.mark.parametrize(
    "text, part",
    [
        (",A1,B2\nx,1,2\ny,1\nz,1,2\n", "line 3: row 'y' has 1 values, but there are 2 columns"),
        (",A1,B2\nx,1,2\n\ny,1,2,3\nz,1,2\n", "line 4: row 'y' has 3 values"),
        (",A1,B2\nx,1,2\ny,1,2\nz,1,", "line 4: row 'z', column 'B2' holds nothing"),
        (",A1,B2\nx,1,2\ny,1,high\n", "line 3: row 'y', column 'B2' holds 'high'"),
        (",A1,B2\nx,1,NA\n", "line 2: row 'x', column 'B2' holds 'NA'"),
        (",A1,B2\nx,1,nan\n", "column 'B2' holds 'nan'"),
        (",A1,B2\nx,inf,1\n", "column 'A1' holds 'inf'"),
        (",A1,B2\nx,1_0,1\n", "column 'A1' holds '1_0'"),
        (",A1,B2\nx,1e99,1\n", "column 'A1' holds '1e99'"),
        (",A1,A1\nx,1,2\n", "1 column name occurs more than once: 'A1'"),
        (",A1,B2\nx,1,2\ny,1,2\nx,1,2\n", "1 row name occurs more than once: 'x'"),
        (",A1,\nx,1,2\n", "column number 2 has no name"),
        (",A1,B2\n,1,2\n", "row number 1 has no name"),
        ("1,2,3\n4,5,6\n", "line 1: the first line holds only numbers"),
        (",A1,B2\n", "has 1 line with text"),
        ("\n\n", "has 0 lines"),
        ("abc\ndef\n", "each line is one field"),
        ("<!DOCTYPE html>\n<p>", "is a web page"),
    ],
)
def test_bad_tables(tmp_path, text, part):
    for name, content in (("a.csv", text.encode()), ("b.csv.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError) as e:
            read(tmp_path / name)
        assert part in str(e.value) and name in str(e.value)


@pytest.mark.parametrize("at", [0, 55, 119])
@pytest.mark.parametrize("block", [20, 1000])
def test_the_fault_is_found_wherever_it_is(pbmc, tmp_path, monkeypatch, at, block):
    monkeypatch.setattr(tables, "_BLOCK", block * pbmc.n_vars)
    lines = pbmc.to_df().astype(int).to_csv().splitlines()
    lines[at + 1] = lines[at + 1].rsplit(",", 3)[0] + ",?,0,0"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(
        ValueError,
        match=rf"line {at + 2}: row '{pbmc.obs_names[at]}', column '{pbmc.var_names[-3]}' holds '\?'",
    ):
        read(tmp_path / "a.csv")


def test_other_encodings(tmp_path):
    (tmp_path / "a.csv").write_bytes(",A1,B2\nL\xf6we,1,2\n".encode("latin1"))
    with pytest.raises(ValueError, match="not text in UTF-8.*iconv"):
        read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(",A1,B2\nx,1,2\n".encode("utf-16"))
    with pytest.raises(ValueError, match="CSV UTF-8"):
        read(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("gene,A1,B2\nLöwe,1,2\n", encoding="utf-8")
    assert list(read(tmp_path / "c.csv").var_names) == ["Löwe"]


def test_a_very_wide_line(tmp_path):
    "Lines longer than the csv module takes as one field, with and without quotes."
    for q in ("", '"'):
        (tmp_path / "a.csv").write_text(
            ","
            + ",".join(f"{q}cell_{i}{q}" for i in range(20_000))
            + "\nCD3D"
            + ",1" * 20_000
            + "\n"
        )
        assert read(tmp_path / "a.csv").shape == (20_000, 1)


def test_memory_stays_far_below_the_dense_table():
    bench = Path(__file__).parent.parent / "tools/bench_read.py"
    done = subprocess.run(
        [sys.executable, str(bench), "--cells", "8000", "--genes", "6000", "--limit-gb", "0.7"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "counts equal" in done.stdout, done.stdout + done.stderr


# ---------------------------------------------------------------- 10x


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefix", ["", "GSM4600000_tumour_", "s1."])
def test_10x_folders(pbmc, tmp_path, version, packed, prefix):
    folder = write_mtx(pbmc, tmp_path / "x", version, packed, prefix)
    a = read(folder)
    same(a, pbmc)
    assert (
        list(a.var["gene_ids"]) == ids_of(pbmc)
        and ("feature_types" in a.var) == (version == 3)
        and "sample" not in a.obs
    )
    same(read(folder / f"{prefix}matrix.mtx{'.gz' * packed}"), pbmc)
    assert a.uns["source"] == {"file": "x", "format": "10x folder"}


def test_scanpy_reads_the_same(pbmc, tmp_path):
    import scanpy as sc

    for version, packed in ((2, False), (3, True)):
        folder = write_mtx(pbmc, tmp_path / str(version), version, packed)
        same(read(folder), sc.read_10x_mtx(folder))
        theirs = sc.read_10x_h5(write_h5(pbmc, tmp_path / f"{version}.h5", version))
        ours = read(tmp_path / f"{version}.h5")
        same(ours, theirs)
        assert list(ours.var["gene_ids"]) == list(theirs.var["gene_ids"])


def test_feature_types_are_kept_and_named(pbmc, tmp_path):
    types = ["Gene Expression"] * (pbmc.n_vars - 5) + ["Antibody Capture"] * 5
    write_mtx(pbmc, tmp_path / "x", types=types)
    write_h5(pbmc, tmp_path / "x.h5", types=types)
    for name in ("x", "x.h5"):
        with pytest.warns(
            UserWarning, match="not all genes: 760 Gene Expression, 5 Antibody Capture"
        ) as caught:
            a = read(tmp_path / name)
        same(a, pbmc)
        assert list(a.var["feature_types"]) == types and caught[0].filename == __file__


def test_symbols_of_two_genes(pbmc, tmp_path, capfd):
    symbols = ["TBCE", "TBCE", *pbmc.var_names[2:]]
    a = read(write_mtx(pbmc, tmp_path / "x", symbols=symbols))
    assert list(a.var_names[:2]) == ["TBCE", "TBCE-1"]
    assert list(a.var["gene_ids"]) == ids_of(pbmc)
    assert "1 gene symbol (such as 'TBCE') stand" in capfd.readouterr().err
    with pytest.raises(ValueError, match="1 gene identifier name occurs more than once"):
        read(write_mtx(pbmc, tmp_path / "y", ids=["ENSG1", "ENSG1", *ids_of(pbmc)[2:]]))
    double = pbmc.copy()
    double.obs_names = [pbmc.obs_names[1], *pbmc.obs_names[1:]]
    with pytest.raises(ValueError, match="1 barcode name occurs more than once"):
        read(write_mtx(double, tmp_path / "z"))


def test_10x_hdf5_of_two_genomes(pbmc, tmp_path):
    write_h5(pbmc, tmp_path / "x.h5", 2, ("hg19", "mm10"))
    a = read(tmp_path / "x.h5")
    assert a.var["genome"].value_counts().to_dict() == {"hg19": 383, "mm10": 382}
    assert a.X.has_sorted_indices and (a[:, pbmc.var_names].X != pbmc.X).nnz == 0


def test_10x_hdf5_by_content(pbmc, tmp_path):
    "The name does not matter, and gzip around it neither."
    write_h5(pbmc, tmp_path / "x.hdf5")
    same(read(tmp_path / "x.hdf5"), pbmc)
    (tmp_path / "y.h5.gz").write_bytes(gzip.compress((tmp_path / "x.hdf5").read_bytes()))
    same(read(tmp_path / "y.h5.gz"), pbmc)


@pytest.mark.parametrize(
    "harm, part",
    [
        (
            lambda d: (d / "barcodes.tsv").write_text("AAAC-1\n"),
            "names 765 genes and barcodes.tsv 1 barcodes",
        ),
        (lambda d: (d / "features.tsv").write_text("ENSG1\tA\n"), "names 1 genes"),
        (lambda d: (d / "barcodes.tsv").unlink(), "no barcodes.tsv of the same prefix"),
        (lambda d: (d / "features.tsv").unlink(), "no genes.tsv or features.tsv"),
        (lambda d: (d / "matrix.mtx").unlink(), "no matrix.mtx"),
        (lambda d: [p.unlink() for p in d.iterdir()], "holds no 10x sample.*It holds no files"),
        (
            lambda d: (d / "matrix.mtx").write_text((d / "matrix.mtx").read_text()[:-500]),
            "is not a whole matrix",
        ),
        (
            lambda d: (d / "matrix.mtx").write_text((d / "matrix.mtx").read_text() + "1 1 5\n"),
            "is not a whole matrix",
        ),
        (lambda d: (d / "matrix.mtx").write_text("gene,cell\n"), "is not a whole matrix"),
        (lambda d: (d / "matrix.mtx").write_text(""), "is not a whole matrix"),
        (
            lambda d: (d / "genes.tsv").write_text("ENSG1\tA\n"),
            "holds both features.tsv and genes.tsv",
        ),
    ],
)
def test_bad_10x_folders(pbmc, tmp_path, harm, part):
    harm(write_mtx(pbmc, tmp_path / "x", packed=False))
    with pytest.raises((ValueError, FileNotFoundError), match=part) as e:
        read(tmp_path / "x")
    assert str(tmp_path / "x") in str(e.value)


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
def test_truncated_parts_of_a_triple(pbmc, tmp_path, name):
    whole = (write_mtx(pbmc, tmp_path / "x") / name).read_bytes()
    (tmp_path / "x" / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=f"{name} .*truncated or damaged"):
        read(tmp_path / "x")


def test_a_matrix_without_names_beside_it(tmp_path):
    (tmp_path / "counts.mtx").write_text(
        "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n"
    )
    with pytest.raises(ValueError, match="matrix without names"):
        read(tmp_path / "counts.mtx")


# ---------------------------------------------------------------- several samples


def suffixed(a, sample):
    return [f"{b}-{sample}" for b in a.obs_names]


def test_prefixed_samples_in_one_folder(pbmc, tmp_path, capfd):
    write_mtx(pbmc[:70], tmp_path / "geo", prefix="GSM1_a_")
    write_mtx(pbmc[50:], tmp_path / "geo", 2, False, prefix="GSM2_b.")
    (tmp_path / "geo/GSE1_metadata.csv").write_text("cell,type\n")
    a = read(tmp_path / "geo")
    assert a.obs["sample"].value_counts().to_dict() == {"GSM1_a": 70, "GSM2_b": 70}
    same(a[a.obs["sample"] == "GSM1_a"].copy(), pbmc[:70], suffixed(pbmc[:70], "GSM1_a"))
    same(a[a.obs["sample"] == "GSM2_b"].copy(), pbmc[50:], suffixed(pbmc[50:], "GSM2_b"))
    assert "2 samples (GSM1_a, GSM2_b)" in capfd.readouterr().err
    same(read(tmp_path / "geo/GSM2_b.matrix.mtx"), pbmc[50:])


def test_filtered_is_preferred_to_raw(pbmc, tmp_path, capfd):
    for sample in ("s1", "s2"):
        write_mtx(pbmc, tmp_path / "run" / sample / "outs/raw_feature_bc_matrix")
        write_mtx(pbmc[:50], tmp_path / "run" / sample / "outs/filtered_feature_bc_matrix")
        write_h5(pbmc[:50], tmp_path / "run" / sample / "outs/filtered_feature_bc_matrix.h5")
    a = read(tmp_path / "run")
    assert a.obs["sample"].value_counts().to_dict() == {"s1": 50, "s2": 50}
    said = capfd.readouterr().err
    assert "left out are s1/outs/raw_feature_bc_matrix (raw), s2/outs/raw" in said
    same(read(tmp_path / "run/s1"), pbmc[:50])
    same(read(tmp_path / "run/s1/outs/raw_feature_bc_matrix"), pbmc)


def test_samples_of_one_name(pbmc, tmp_path):
    for where in ("control/x", "treated/x"):
        write_mtx(pbmc[:9], tmp_path / "d" / where)
    assert set(read(tmp_path / "d").obs["sample"]) == {"control_x", "treated_x"}


def test_samples_with_different_genes(pbmc, tmp_path, capfd):
    write_mtx(pbmc[:70], tmp_path / "d/s1")
    write_mtx(pbmc[70:, 100:], tmp_path / "d/s2", ids=ids_of(pbmc)[100:])
    a = read(tmp_path / "d")
    assert "list different genes (665 to 765)" in capfd.readouterr().err
    assert list(a.var_names) == list(pbmc.var_names) and list(a.var["gene_ids"]) == ids_of(pbmc)
    assert (
        (a.X[:70] != pbmc.X[:70]).nnz == 0
        and (a.X[70:, 100:] != pbmc.X[70:, 100:]).nnz == 0
        and a.X[70:, :100].nnz == 0
    )


def test_the_first_sample_names_a_gene(pbmc, tmp_path):
    "Two releases of one reference: same identifiers, a new symbol, and no feature types in the old one."
    write_mtx(pbmc[:9], tmp_path / "d/old", 2)
    write_mtx(pbmc[9:20], tmp_path / "d/later", symbols=["NEW1", *pbmc.var_names[1:]])
    a = read(tmp_path / "d")  # in the order of the alphabet: later, old
    assert a.var_names[0] == "NEW1" and list(a.var_names[1:]) == list(pbmc.var_names[1:])
    assert (a.var["feature_types"] == "Gene Expression").all() and (a.X[11:] != pbmc.X[:9]).nnz == 0
    a.write_h5ad(tmp_path / "a.h5ad")
    same(read(tmp_path / "a.h5ad"), a)


def nested(pbmc, tmp_path, to, mode="w", version=3):
    "As GSE152048: a tar of one tar.gz for each sample, a folder with the three files in each."
    inner = []
    for name, part in {"BC10": pbmc[:70], "BC2": pbmc[50:]}.items():
        folder = write_mtx(part, tmp_path / "in" / name, version)
        inner.append(pack(tmp_path / f"GSE152048_{name}.matrix.tar.gz", [(name, folder)], "w:gz"))
    return pack(to, [(p.name, p) for p in inner], mode)


@pytest.mark.parametrize("ending, mode", [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_tar_of_tars(pbmc, tmp_path, monkeypatch, ending, mode, form):
    monkeypatch.setattr(tarfile, "DEFAULT_FORMAT", form)
    a = read(nested(pbmc, tmp_path, tmp_path / f"GSE152048_RAW.{ending}", mode))
    assert (
        a.obs["sample"].value_counts().to_dict() == {"BC10": 70, "BC2": 70}
        and a.obs_names.is_unique
    )
    same(a[a.obs["sample"] == "BC10"].copy(), pbmc[:70], suffixed(pbmc[:70], "BC10"))
    same(a[a.obs["sample"] == "BC2"].copy(), pbmc[50:], suffixed(pbmc[50:], "BC2"))
    assert list(a.var["gene_ids"]) == ids_of(pbmc) and a.uns["source"]["format"] == "tar"


def test_tar_of_prefixed_triples_and_of_hdf5(pbmc, tmp_path):
    for k, part in enumerate((pbmc[:70], pbmc[50:])):
        write_mtx(part, tmp_path / "geo", prefix=f"GSM{k}_s{k}_")
    a = read(
        pack(tmp_path / "GSE1_RAW.tar", [(p.name, p) for p in sorted((tmp_path / "geo").iterdir())])
    )
    assert a.obs["sample"].value_counts().to_dict() == {"GSM0_s0": 70, "GSM1_s1": 70}
    paths = [
        write_h5(part, tmp_path / f"GSM{k}_s{k}_filtered_feature_bc_matrix.h5", 3)
        for k, part in enumerate((pbmc[:70], pbmc[50:]))
    ]
    b = read(pack(tmp_path / "GSE2_RAW.tar", [(p.name, p) for p in paths]))
    assert list(b.obs_names) == list(a.obs_names) and (b.X != a.X).nnz == 0


def test_tar_of_one_sample(pbmc, tmp_path):
    write_mtx(pbmc, tmp_path / "filtered_gene_bc_matrices/hg19", 2, False)
    path = pack(
        tmp_path / "pbmc4k.tar.gz",
        [("filtered_gene_bc_matrices", tmp_path / "filtered_gene_bc_matrices")],
        "w:gz",
    )
    a = read(path)
    same(a, pbmc)
    assert set(a.obs["sample"]) == {"pbmc4k"}


def evil(to, change):
    "A tar whose second member is not what it should be."
    with tarfile.open(to, "w") as tar:
        for name in ("s1/readme.txt", "s1/matrix.mtx"):
            m = tarfile.TarInfo(name)
            m.size = 3
            if name.endswith("mtx"):
                change(m)
            tar.addfile(m, io.BytesIO(b"abc") if m.isfile() else None)
    return to


def set_to(**values):
    def change(m):
        for k, v in values.items():
            setattr(m, k, v)
        if "type" in values:
            m.size = 0

    return change


@pytest.mark.parametrize(
    "change, part",
    [
        (set_to(name="/etc/x"), "absolute path"),
        (set_to(name="../x"), "leaves the archive"),
        (set_to(name="s1/../../x"), "leaves the archive"),
        (set_to(name="C:\\x"), "absolute path"),
        (set_to(name="s1\\..\\..\\x"), "leaves the archive"),
        (set_to(type=tarfile.SYMTYPE, linkname="/etc/passwd"), "symbolic link to '/etc/passwd'"),
        (set_to(type=tarfile.LNKTYPE, linkname="s1/readme.txt"), "hard link"),
        (set_to(type=tarfile.CHRTYPE), "device or pipe"),
        (set_to(type=tarfile.FIFOTYPE), "device or pipe"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_archives_that_reach_outside(tmp_path, change, part, inside):
    path = evil(tmp_path / "bad.tar", change)
    if inside:
        path = pack(tmp_path / "outer.tar", [("sample.tar", path)])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=part) as e:
        read(path)
    assert (
        str(path) in str(e.value)
        and "scsmd_" not in str(e.value).replace(str(path), "")
        and sorted(tmp_path.rglob("*")) == before
    )


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_cut_archive_never_comes_back_as_data(pbmc, tmp_path, mode):
    path = pack(
        tmp_path / "a.tar",
        [
            (f"s{k}", write_mtx(pbmc[k : k + 20], tmp_path / "in" / f"s{k}", packed=False))
            for k in range(3)
        ],
        mode,
    )
    whole = path.read_bytes()
    at = {1, 300, 512, 10_000} | {int(len(whole) * share) for share in np.linspace(0.05, 0.97, 9)}
    if mode == "w":
        with tarfile.open(path) as tar:
            at |= {m.offset for m in tar} | {m.offset + 100 for m in tar.getmembers()[1:]}
        at -= {0}
    for n in sorted(at):
        path.write_bytes(whole[:n])
        with pytest.raises(OSError, match="a.tar"):
            read(path)


def test_archives_without_samples(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileNotFoundError, match="holds no 10x sample.*It holds notes.txt"):
        read(pack(tmp_path / "a.tar", [("notes.txt", tmp_path / "notes.txt")]))
    path = tmp_path / "a.tar"
    for k in range(5):
        path = pack(tmp_path / f"b{k}.tar", [(path.name, path)])
    with pytest.raises(ValueError, match="archives in archives"):
        read(path)


def test_a_damaged_sample_is_named_by_its_place_in_the_archive(pbmc, tmp_path):
    write_mtx(pbmc, tmp_path / "s1", packed=False)
    (tmp_path / "s1/barcodes.tsv").write_text("x\n")
    path = pack(tmp_path / "a.tar", [("s1", tmp_path / "s1")])
    with pytest.raises(ValueError, match="a.tar/s1/matrix.mtx has 765 rows"):
        read(path)


def test_no_room_to_unpack(pbmc, tmp_path, monkeypatch):
    path = nested(pbmc, tmp_path, tmp_path / "a.tar")
    monkeypatch.setattr(reading.shutil, "disk_usage", lambda p: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="set TMPDIR"):
        read(path)


# ---------------------------------------------------------------- h5ad, zarr, loom


@pytest.mark.parametrize(
    "as_stored",
    [
        np.asarray,
        lambda X: X.toarray(),
        lambda X: X.tocsc(),
        lambda X: X.astype(np.int64),
        lambda X: X.toarray().astype(np.float64),
    ],
)
@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_counts_of_any_type_in_anndata_files(pbmc, tmp_path, as_stored, ending):
    a = pbmc.copy()
    if as_stored is not np.asarray:
        a.X = as_stored(pbmc.X)
    a.layers["log"] = pbmc.X.log1p()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(a, f"write_{ending}")(tmp_path / f"a.{ending}")
    back = read(tmp_path / f"a.{ending}")
    same(back, pbmc)
    assert (
        back.obs.equals(pbmc.obs)
        and back.uns["source"] == pbmc.uns["source"]
        and (back.layers["log"] != a.layers["log"]).nnz == 0
    )


def test_values_that_are_no_counts_stay_as_stored(pbmc, tmp_path):
    a = pbmc.copy()
    a.X = pbmc.X.toarray().astype(np.float64) - 0.5
    a.write_h5ad(tmp_path / "a.h5ad")
    back = read(tmp_path / "a.h5ad")
    assert back.X.dtype == np.float64 and (back.X == a.X).all()
    empty = ad.AnnData(obs=pbmc.obs, var=pbmc.var)
    empty.write_h5ad(tmp_path / "b.h5ad")
    assert read(tmp_path / "b.h5ad").X is None


def test_doubles_in_anndata_files(pbmc, tmp_path):
    a = pbmc.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a.var_names = ["LYZ", "LYZ", *pbmc.var_names[2:]]
        a.write_h5ad(tmp_path / "a.h5ad")
        with pytest.raises(
            ValueError, match="1 gene name occurs more than once: 'LYZ'.*var_names_make_unique"
        ):
            read(tmp_path / "a.h5ad")
        a.var["gene_ids"] = ids_of(a)
        a.write_h5ad(tmp_path / "b.h5ad")
        assert list(read(tmp_path / "b.h5ad").var_names[:2]) == ["LYZ", "LYZ-1"]
        a.obs_names = ["x"] * a.n_obs
        a.write_h5ad(tmp_path / "c.h5ad")
        with pytest.raises(ValueError, match="1 cell name occurs more than once: 'x'"):
            read(tmp_path / "c.h5ad")


def test_no_cells_or_no_genes(pbmc, tmp_path):
    pbmc[:0].copy().write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="holds 0 cells and 765 genes"):
        read(tmp_path / "a.h5ad")


@pytest.mark.parametrize(
    "names",
    [{}, {"gene": "var_names", "cell": "obs_names"}, {"gene": "gene_names", "cell": "cell_names"}],
)
def test_loom_in_its_layout(pbmc, tmp_path, names):
    pytest.importorskip("loompy")
    a = read(write_loom(pbmc, tmp_path / "a.loom", **names))
    same(a, pbmc)
    assert list(a.var["Accession"]) == ids_of(pbmc)


def test_loom_written_by_loompy(pbmc, tmp_path):
    loompy = pytest.importorskip("loompy")
    loompy.create(
        str(tmp_path / "a.loom"),
        {"": pbmc.X.T.toarray(), "spliced": pbmc.X.T.toarray() // 2},
        {"Gene": pbmc.var_names.to_numpy(), "Accession": np.array(ids_of(pbmc))},
        {"CellID": pbmc.obs_names.to_numpy()},
    )
    a = read(tmp_path / "a.loom")
    same(a, pbmc)
    assert (a.layers["spliced"].toarray() == pbmc.X.toarray() // 2).all()


def test_loom_without_names_and_without_loompy(pbmc, tmp_path, monkeypatch):
    pytest.importorskip("loompy")
    write_loom(pbmc, tmp_path / "a.loom", gene="what")
    with h5py.File(tmp_path / "a.loom", "a") as f:
        del f["row_attrs/Accession"]
    with pytest.raises(ValueError, match=r"does not name its genes \(row_attrs/Gene\)"):
        read(tmp_path / "a.loom")
    monkeypatch.setitem(sys.modules, "loompy", None)
    with pytest.raises(ImportError, match="pip install loompy"):
        read(tmp_path / "a.loom")


# ---------------------------------------------------------------- files that are something else


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["a.h5ad", "a.h5", "a.loom", "a.csv.gz", "a.h5ad.gz"])
def test_a_cut_file_never_comes_back_as_data(pbmc, tmp_path, share, name):
    path = tmp_path / name
    if name == "a.h5ad":
        pbmc.write_h5ad(path)
    elif name == "a.h5":
        write_h5(pbmc, path)
    elif name == "a.loom":
        write_loom(pbmc, path)
    elif name == "a.csv.gz":
        pbmc.to_df().to_csv(path)
    else:
        pbmc.write_h5ad(tmp_path / "b.h5ad")
        path.write_bytes(gzip.compress((tmp_path / "b.h5ad").read_bytes()))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(OSError, match=name):
        read(path)


def test_gzip_with_altered_bytes(pbmc, tmp_path):
    pbmc.to_df().to_csv(tmp_path / "a.csv.gz")
    whole = bytearray((tmp_path / "a.csv.gz").read_bytes())
    whole[-6] ^= 255  # in the checksum
    (tmp_path / "a.csv.gz").write_bytes(whole)
    with pytest.raises(OSError, match="truncated or damaged"):
        read(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    "name, content, error, part",
    [
        ("a.h5ad", b"<html>", OSError, "not an HDF5 file, whatever its name"),
        ("a.loom", b"abc", OSError, "not an HDF5 file"),
        ("a.tar", b"abc", OSError, "not a tar archive"),
        ("a.tar.gz", gzip.compress(b"abc", mtime=0), OSError, "not a tar archive"),
        ("a.csv", b"", OSError, r"is empty \(0 bytes\)"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), OSError, "unpacks to 0 bytes"),
        ("a.xlsx", b"PK\x03\x04...", ValueError, "Excel"),
        ("a.csv.bz2", b"BZh91AY", ValueError, "bzip2. Unpack it"),
        (
            "a.dat",
            b"x,a\n",
            ValueError,
            r"'.dat', which scsmd_nb does not know. It reads text tables .*\.loom",
        ),
        ("a", b"x,a\n", ValueError, "does not know"),
    ],
)
def test_other_files(tmp_path, name, content, error, part):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=part):
        read(tmp_path / name)


def test_hdf5_of_another_kind(tmp_path):
    for name, keys in {"a.h5": ["image"], "b.h5ad": ["matrix/data"], "c.h5": []}.items():
        with h5py.File(tmp_path / name, "w") as f:
            for key in keys:
                f[key] = np.arange(3)
        with pytest.raises(OSError, match="cannot be read as AnnData, nor as 10x or loom"):
            read(tmp_path / name)
    (tmp_path / "d.zarr").mkdir()
    with pytest.raises(OSError, match="cannot be read as AnnData"):
        read(tmp_path / "d.zarr")


def test_missing_files(tmp_path):
    (tmp_path / "cells.csv").write_text("x")
    with pytest.raises(FileNotFoundError, match="Did you mean cells.csv"):
        read(tmp_path / "cell.csv")
    with pytest.raises(FileNotFoundError, match="nor a folder"):
        read(tmp_path / "no/cells.csv")


def test_no_permission(pbmc, tmp_path, monkeypatch):
    pbmc.to_df().to_csv(tmp_path / "a.csv")
    folder = write_mtx(pbmc, tmp_path / "x")
    if os.geteuid():
        (tmp_path / "a.csv").chmod(0)
        folder.chmod(0)
    else:  # for the superuser no file is closed

        def refuse(path, *args, **kwargs):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(opening, "open", refuse, raising=False)
        monkeypatch.setattr(opening.os, "listdir", refuse)
    try:
        for path in (tmp_path / "a.csv", folder):
            with pytest.raises(PermissionError, match=f"no permission to read {path}"):
                read(path)
    finally:
        monkeypatch.undo()
        folder.chmod(0o755)


# ---------------------------------------------------------------- layouts of other programs
# Each builder writes a layout in miniature: a and b are the cells of two samples, raw those of all droplets. It gives
# the path to read, and what must come back: one AnnData, or one for each sample.


def three(a, folder, matrix="matrix.mtx", cells="barcodes.tsv", genes="features.tsv", **how):
    "Three files under any names; cells in rows if `turned`; `text` and `gene_text` replace the lists of names."
    from scipy.io import mmwrite

    folder.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    X = a.X if how.get("turned") else a.X.T
    mmwrite(out, X.tocoo().astype(int), field="integer")
    third = "\tGene Expression" if "features" in genes else ""
    of_genes = "".join(f"{i}\t{g}{third}\n" for i, g in zip(ids_of(a), a.var_names))
    texts = {
        matrix: out.getvalue(),
        cells: how.get("text", lines(a.obs_names)).encode(),
        genes: how.get("gene_text", of_genes).encode(),
    }
    for name, text in texts.items():
        (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return folder


def lines(names):
    return "".join(f"{n}\n" for n in names)


def cellranger_2(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for state, y in (("filtered", x), ("raw", raw)):
            three(y, d / s / f"outs/{state}_gene_bc_matrices/GRCh38", genes="genes.tsv")
            write_h5(y, d / s / f"outs/{state}_gene_bc_matrices_h5.h5", 2)
    return d, {"S1": a, "S2": b}


def cellranger_count(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for state, y in (("filtered", x), ("raw", raw)):
            write_mtx(y, d / s / f"outs/{state}_feature_bc_matrix")
            write_h5(y, d / s / f"outs/{state}_feature_bc_matrix.h5")
        with h5py.File(d / s / "outs/molecule_info.h5", "w") as f:
            f["umi"] = [1]
    return d, {"S1": a, "S2": b}


def cellranger_h5(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        (d / s / "outs").mkdir(parents=True)
        for state, y in (("filtered", x), ("raw", raw)):
            write_h5(y, d / s / f"outs/{state}_feature_bc_matrix.h5")
    return d, {"S1": a, "S2": b}


def cellranger_multi(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for state, y in (("filtered", x), ("raw", raw)):
            write_mtx(y, d / f"outs/per_sample_outs/{s}/count/sample_{state}_feature_bc_matrix")
            write_h5(y, d / f"outs/per_sample_outs/{s}/count/sample_{state}_feature_bc_matrix.h5")
    write_mtx(raw, d / "outs/multi/count/raw_feature_bc_matrix")
    return d, {"S1": a, "S2": b}


def cellranger_multi_9(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        write_mtx(x, d / f"outs/per_sample_outs/{s}/sample_filtered_feature_bc_matrix")
    write_mtx(ad.concat([a, b]), d / "outs/filtered_feature_bc_matrix")
    write_mtx(raw, d / "outs/raw_feature_bc_matrix")
    return d, {"S1": a, "S2": b}


def cellranger_aggr(d, a, b, raw):
    both = ad.concat([a, b])
    both.obs_names = [f"{n[:-1]}{1 + (k >= a.n_obs)}" for k, n in enumerate(both.obs_names)]
    write_mtx(both, d / "outs/count/filtered_feature_bc_matrix")
    write_h5(both, d / "outs/count/filtered_feature_bc_matrix.h5")
    return d, both


def cellranger_arc(d, a, b, raw):
    types = ["Gene Expression"] * (a.n_vars - 5) + ["Peaks"] * 5
    for state, y in (("filtered", a), ("raw", raw)):
        write_mtx(y, d / f"outs/{state}_feature_bc_matrix", types=types)
        write_h5(y, d / f"outs/{state}_feature_bc_matrix.h5", types=types)
    three(b, d / "outs/filtered_peak_bc_matrix", genes="peaks.bed")
    return d, a


def starsolo(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for way in ("Gene", "GeneFull", "GeneFull_Ex50pAS"):
            for state, y in (("filtered", x if way == "Gene" else raw[: x.n_obs]), ("raw", raw)):
                three(y, d / s / "Solo.out" / way / state)
        three(raw, d / s / "Solo.out/Gene/raw", "UniqueAndMult-EM.mtx")
        for part in ("spliced", "unspliced", "ambiguous"):
            three(raw, d / s / "Solo.out/Velocyto/filtered", f"{part}.mtx")
        three(raw, d / s / "Solo.out/SJ/raw")
    return d, {"S1": a, "S2": b}


def starsolo_velocyto(d, a, b, raw):
    for part, x in (("spliced", a), ("unspliced", b), ("ambiguous", b)):
        x = x.copy()
        x.obs_names = a.obs_names
        three(x, d / "Solo.out/Velocyto/filtered", f"{part}.mtx")
    return d / "Solo.out/Velocyto", added(a, b)


def added(a, b):
    "Spliced a and ambiguous b (which is unspliced, too)."
    out = a.copy()
    out.X = sp.csr_matrix(a.X + b.X)
    out.layers = {"spliced": a.X, "unspliced": b.X, "ambiguous": b.X}
    return out


def alevin_fry(d, a, b, raw):
    usa = ad.concat([a, a, a], axis="var")
    usa.X = sp.hstack([a.X, b.X, b.X]).tocsr()
    three(
        usa,
        d / "S1/af_quant/alevin",
        *("quants_mat.mtx", "quants_mat_rows.txt", "quants_mat_cols.txt"),
        turned=True,
        text=lines(a.obs_names),
        gene_text=lines([*a.var_names, *(f"{g}-{k}" for k in "UA" for g in a.var_names)]),
    )
    return d, added(a, b)


def alevin(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        names = ("quants_mat.mtx.gz", "quants_mat_rows.txt", "quants_mat_cols.txt")
        three(x, d / s / "alevin", *names, turned=True, gene_text=lines(a.var_names))
    return d, {"S1": a, "S2": b}


def kb_files(x, folder, stem="cells_x_genes", part=""):
    names = (f"{stem}{part}.mtx", f"{stem}.barcodes.txt", f"{stem}.genes.txt")
    three(x, folder, *names, turned=True, gene_text=lines(ids_of(x)))
    (folder / f"{stem}.genes.names.txt").write_text(lines(x.var_names))
    return folder


def kb_count(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        kb_files(x, d / s / "counts_filtered")
        kb_files(raw, d / s / "counts_unfiltered")
        three(x, d / s / "counts_filtered/cellranger", genes="genes.tsv")
    return d, {"S1": a, "S2": b}


def kb_nac(d, a, b, raw):
    for part, x in (("mature", a), ("nascent", b), ("ambiguous", b)):
        x = x.copy()
        x.obs_names = a.obs_names
        kb_files(x, d / "counts_unfiltered", part=f".{part}")
    return d, added(a, b)


def bustools(d, a, b, raw):
    return kb_files(a, d / "genecount", "genes") / "genes.mtx", a


def rhapsody_mex(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for way, y in (("DBEC", x), ("RSEC", raw), ("RSEC_Unfiltered", raw)):
            name = f"{s}_{way.split('_')[0]}_MolsPerCell{way[4:]}_MEX"
            three(y, d / name, "matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz")
    return d, {"S1": a, "S2": b}


def rhapsody_csv(d, a, b, raw):
    a = a.copy()
    a.obs_names = [str(1000 + i) for i in range(a.n_obs)]
    head = "####################\n## BD Rhapsody Analysis Pipeline Version 1.9\n## Reference: r\n#####\n"
    table = a.to_df().astype(int).rename_axis("Cell_Index").to_csv()
    (d / "S1_RSEC_MolsPerCell.csv").write_text(head + table)
    return d / "S1_RSEC_MolsPerCell.csv", a


def parse(d, a, b, raw):
    genes = "gene_id,gene_name,genome\n" + "".join(
        f"{i},{g},hg38\n" for i, g in zip(ids_of(a), a.var_names)
    )
    for s, x in (("S1", a), ("S2", b), ("all-sample", ad.concat([a, b]))):
        for state, y in (("filtered", x), ("unfiltered", raw if s != "all-sample" else x)):
            cells = "bc_wells,sample,species\n" + "".join(f"{c},{s},hg38\n" for c in y.obs_names)
            names = ("count_matrix.mtx", "cell_metadata.csv", "all_genes.csv")
            how = dict(turned=True, text=cells, gene_text=genes)
            three(y, d / s / f"DGE_{state}", *names, **how)
    return d, {"S1": a, "S2": b}


def dragen(d, a, b, raw):
    names = ("S1.scRNA.matrix.mtx.gz", "S1.scRNA.barcodes.tsv.gz", "S1.scRNA.features.tsv.gz")
    three(raw, d, *names)
    three(a, d, "S1.scRNA.filtered.matrix.mtx.gz", "S1.scRNA.filtered.barcodes.tsv.gz", names[2])
    return d, a


def celescope(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for state, y in (("filtered", x), ("raw", raw)):
            write_mtx(y, d / s / f"outs/{s}_{state}_feature_bc_matrix")
    return d, {"S1": a, "S2": b}


def celescope_1(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        for state, y in (("matrix_10X", x), ("all_matrix", raw)):
            three(y, d / s / f"05.count/{s}_{state}", genes="genes.tsv")
    return d, {"S1": a, "S2": b}


def dnbelab(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        write_mtx(x, d / s / "output/filter_matrix")
        write_mtx(raw, d / s / "output/raw_matrix")
    return d, {"S1": a, "S2": b}


def scalebio(d, a, b, raw):
    for s, x in (("S1.lib1", a), ("S2.lib1", b)):
        write_mtx(x, d / f"samples/{s}.filtered.matrix")
        write_mtx(raw, d / f"samples/{s}.raw.matrix")
    return d, {"S1.lib1": a, "S2.lib1": b}


def epi2me(d, a, b, raw):
    for way, state, x in (
        ("gene", "raw", raw),
        ("gene", "processed", a),
        ("transcript", "raw", raw),
        ("transcript", "processed", b),
    ):
        write_mtx(x, d / f"S1/S1.{way}_{state}_feature_bc_matrix")
    return d, a


def citeseq_count(d, a, b, raw):
    a = ad.AnnData(sp.hstack([a.X, np.full((a.n_obs, 1), 9)]).tocsr(), a.obs)
    a.var_names = [*b.var_names, "unmapped"]
    for way in ("umi_count", "read_count"):
        three(
            a,
            d / way,
            "matrix.mtx.gz",
            "barcodes.tsv.gz",
            "features.tsv.gz",
            gene_text=lines(a.var_names),
        )
    return d, a[:, :-1].copy()


def cellbender(d, a, b, raw):
    for s, x in (("S1", a), ("S2", b)):
        write_h5(x, d / f"{s}_cellbender_output_filtered.h5")
        write_h5(raw, d / f"{s}_cellbender_output.h5")
    return d, {"S1": a, "S2": b}


def soupx(d, a, b, raw):
    return three(a, d / "strainedCounts", genes="genes.tsv"), a


def soupx_beside(d, a, b, raw):
    three(raw[: b.n_obs], d / "S1/strainedCounts", genes="genes.tsv")
    write_mtx(a, d / "S1/outs/filtered_feature_bc_matrix")
    return d, a


def featurecounts(d, a, b, raw):
    head = '# Program:featureCounts v2.0.1; Command:"featureCounts" "-T" "4"\n'
    table = a.to_df().astype(int).T
    table.insert(0, "Length", 1000)
    for k, name in enumerate(("Chr", "Start", "End", "Strand")):
        table.insert(k, name, ("1;1", "5;9", "7;20", "+;+")[k])
    (d / "counts.txt").write_text(head + table.rename_axis("Geneid").to_csv(sep="\t"))
    return d / "counts.txt", a


def htseq(d, a, b, raw):
    table = a.to_df().astype(int).T
    for name in ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned"):
        table.loc[name] = 9000
    table.to_csv(d / "htseq.tsv", sep="\t")
    return d / "htseq.tsv", a


def dropseq(d, a, b, raw):
    table = a.to_df().astype(int).T.rename_axis("GENE").to_csv(sep="\t")
    (d / "S1.dge.txt.gz").write_bytes(gzip.compress(("#DGE\tVERSION:1.1\n" + table).encode()))
    return d / "S1.dge.txt.gz", a


def umi_tools(d, a, b, raw):
    a.to_df().astype(int).T.rename_axis("gene").to_csv(d / "counts.tsv.gz", sep="\t")
    return d / "counts.tsv.gz", a


def velocyto(d, a, b, raw):
    pytest.importorskip("loompy")
    path = write_loom(a, d / "S1.loom")
    with h5py.File(path, "a") as f:
        for part in ("spliced", "unspliced", "ambiguous"):
            f[f"layers/{part}"] = a.X.T.toarray()
    return path, a


def seurat_table(d, a, b, raw):
    rows = ["\t".join(f'"{c}"' for c in a.obs_names)]
    rows += [
        f'"{g}"\t' + "\t".join(map(str, x))
        for g, x in zip(a.var_names, a.X.T.toarray().astype(int))
    ]
    (d / "counts.txt").write_text("\n".join(rows))
    return d / "counts.txt", a


def seurat_meta(d, a, b, raw):
    table = a.to_df().astype(int)
    table.insert(0, "nCount_RNA", 9999)
    table.insert(1, "orig.ident", "s")
    table.to_csv(d / "fetched.csv")
    return d / "fetched.csv", a


def droputils(d, a, b, raw):
    return write_mtx(a, d / "out", 2, False), a


def sce_writemm(d, a, b, raw):
    quoted = lambda names: '"x"\n' + lines(f'"{n}"' for n in names)
    return three(
        a, d / "S1", genes="genes.tsv", text=quoted(a.obs_names), gene_text=quoted(a.var_names)
    ), a


def sce_csv(d, a, b, raw):
    numbered = lambda names: '"","x"\n' + lines(f'"{k}","{n}"' for k, n in enumerate(names, 1))
    names = ("matrix.mtx", "barcodes.csv", "genes.csv")
    return three(
        a, d / "S1", *names, text=numbered(a.obs_names), gene_text=numbered(a.var_names)
    ), a


def zellkonverter(d, a, b, raw):
    a.write_h5ad(d / "sce.h5ad")
    return d / "sce.h5ad", a


def excel(d, a, b, raw):
    (d / "a.csv").write_text("sep=;\n" + a.to_df().astype(int).T.to_csv(sep=";"))
    return d / "a.csv", a


def geo(d, a, b, raw):
    for k, x in ((1, a), (2, b)):
        write_mtx(x, d, prefix=f"GSM{k}_S{k}_filtered_")
        write_mtx(raw, d, prefix=f"GSM{k}_S{k}_raw_")
    tar = pack(d.parent / "GSE1_RAW.tar", [(p.name, p) for p in sorted(d.iterdir())])
    return tar, {"GSM1_S1": a, "GSM2_S2": b}


LAYOUTS = {
    "Cell Ranger 2, `count`": [cellranger_2],
    "Cell Ranger 3 to 9, `count`; Space Ranger; SeekSoul": [cellranger_count, cellranger_h5],
    "Cell Ranger 5 to 8, `multi`": [cellranger_multi],
    "Cell Ranger 9 and later, `multi`": [cellranger_multi_9],
    "Cell Ranger, `aggr`": [cellranger_aggr],
    "Cell Ranger ARC": [cellranger_arc],
    "STARsolo": [starsolo, starsolo_velocyto],
    "alevin-fry, simpleaf": [alevin_fry],
    "alevin, with `--dumpMtx`": [alevin],
    "kb-python, bustools": [kb_count, kb_nac, bustools],
    "BD Rhapsody 2": [rhapsody_mex],
    "BD Rhapsody 1": [rhapsody_csv],
    "Parse (split-pipe)": [parse],
    "DRAGEN": [dragen],
    "CeleScope": [celescope, celescope_1],
    "DNBelab C4": [dnbelab],
    "ScaleBio": [scalebio],
    "EPI2ME wf-single-cell": [epi2me],
    "CITE-seq-Count": [citeseq_count],
    "CellBender": [cellbender],
    "SoupX": [soupx, soupx_beside],
    "featureCounts": [featurecounts],
    "HTSeq": [htseq],
    "Drop-seq tools": [dropseq],
    "UMI-tools, wide": [umi_tools],
    "velocyto": [velocyto],
    "Seurat": [seurat_table, seurat_meta, droputils],
    "SingleCellExperiment": [sce_writemm, sce_csv, zellkonverter],
    "Excel": [excel],
    "GEO": [geo],
}


@pytest.mark.parametrize(
    "build", [f for fs in LAYOUTS.values() for f in fs], ids=lambda f: f.__name__
)
def test_layouts(pbmc, tmp_path, build):
    a, b = pbmc[:30, :60].copy(), pbmc[30:60, :60].copy()
    (tmp_path / "study").mkdir()
    path, expected = build(tmp_path / "study", a, b, pbmc[:90, :60].copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that are no genes
        got = read(path)
    if isinstance(expected, dict):
        assert got.obs["sample"].value_counts().to_dict() == {
            s: x.n_obs for s, x in expected.items()
        }
        for s, x in expected.items():
            same(got[got.obs["sample"] == s].copy(), x, suffixed(x, s))
    else:
        same(got, expected)
        for key, values in expected.layers.items():
            assert (got.layers[key] != values).nnz == 0


def touch(name, content=b"x"):
    def build(d, a):
        (d / name).write_bytes(content)
        return d / name

    return build


def pipseeker(d, a):
    for k in (1, 2, 3):
        write_mtx(a, d / f"S1/filtered_matrix/sensitivity_{k}")
    write_mtx(a, d / "S1/raw_matrix")
    return d


def umi_tools_long(d, a):
    (d / "counts.tsv").write_text("gene\tcell\tcount\nACTB\tAAAC\t3\nLYZ\tAAAC\t1\n")
    return d / "counts.tsv"


def peaks(d, a):
    return three(a, d / "filtered_peak_bc_matrix", genes="peaks.bed")


REFUSED = {
    "PIPseeker": ([pipseeker], "same cells in S1/filtered_matrix/sensitivity_1 and in .*own path"),
    "UMI-tools, long": ([umi_tools_long], "one line for each cell and gene.*pivot_table"),
    "R objects: Seurat, SingleCellExperiment, zUMIs, dropEst": (
        [touch("a.rds"), touch("a.RData"), touch("a.qs")],
        "an R object.*write10xCounts",
    ),
    "SeuratDisk": ([touch("a.h5seurat")], "Convert"),
    "MuData": ([touch("a.h5mu")], "mudata.read"),
    "alevin, without `--dumpMtx`": ([touch("quants_mat.gz")], "--dumpMtx"),
    "STAR `ReadsPerGene.out.tab`, `htseq-count` of one cell": (
        [
            touch("a.ReadsPerGene.out.tab", b"N_unmapped\t4\t4\t4\nN_multimapping\t1\t2\t3\n"),
            touch("a.txt", b"ENSG00000000003\t7\nENSG00000000005\t0\n"),
        ],
        "must hold the names of the columns",
    ),
    "RSEM, salmon, kallisto of one sample": (
        [
            touch(
                "abundance.tsv", b"target_id\tlength\teff_length\test_counts\ttpm\nT1\t9\t8\t1\t2\n"
            )
        ],
        "table of one sample.*tximport",
    ),
    "Cell Ranger ATAC": ([peaks], "peaks of ATAC, not genes"),
    "Cell Ranger `molecule_info.h5`": (
        [lambda d, a: h5py.File(d / "molecule_info.h5", "w").create_group("umi").file.filename],
        "molecule_info.h5 of Cell Ranger is not it",
    ),
    "Loupe, BAM, FASTQ, BUS": (
        [touch("a.cloupe"), touch("a.bam"), touch("a.fastq.gz"), touch("a.bus")],
        "Loupe|reads, not|list of reads",
    ),
    "Stereo-seq": ([touch("a.gef"), touch("a.gem.gz")], "stereopy"),
    "zip and Excel": (
        [touch("a.zip", b"PK\x03\x04"), touch("a.xlsx", b"PK\x03\x04")],
        "Unpack it first",
    ),
}


@pytest.mark.parametrize("build, part", [(f, part) for fs, part in REFUSED.values() for f in fs])
def test_layouts_that_are_refused_by_name(pbmc, tmp_path, build, part):
    path = build(tmp_path, pbmc[:30, :60].copy())
    with pytest.raises((ValueError, OSError), match=part):
        read(path)


def test_the_page_lists_these_layouts():
    page = json.loads((Path(__file__).parent.parent / "nbs/api/io/08_reading.ipynb").read_text())
    table = next(s for c in page["cells"] if "| written by |" in (s := "".join(c["source"])))
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")][2:]
    assert rows == [*LAYOUTS, *REFUSED]


# ---------------------------------------------------------------- the same cells, and values


def test_what_is_left_out_can_be_read_by_its_path(pbmc, tmp_path, capfd):
    a, raw = pbmc[:30, :60].copy(), pbmc[:90, :60].copy()
    starsolo(tmp_path, a, a, raw)
    solo = tmp_path / "S1/Solo.out"
    same(read(solo), a)
    said = capfd.readouterr().err
    for name in ("Gene/raw (raw)", "GeneFull/filtered (counted otherwise)", "Velocyto/filtered"):
        assert name in said
    same(read(solo / "Gene/raw"), raw)
    same(read(solo / "GeneFull"), raw[:30])
    same(read(solo / "Gene/raw/UniqueAndMult-EM.mtx"), raw)
    same(read(solo / "Velocyto/filtered/unspliced.mtx"), raw)


@pytest.mark.parametrize(
    "raw, filtered",
    [
        ("S1_raw", "S1_filtered"),
        ("raw/S1", "filtered/S1"),
        ("cellranger_raw", "cellranger_filtered"),
        ("S1.RAW", "S1"),
        ("S1/RawMatrix", "S1/FilteredMatrix"),
        ("S1-unfiltered", "S1"),
        ("S1/rawdata", "S1/filteredmatrix"),
        ("sRaw", "sFiltered"),
        ("raw_data/S1/raw_feature_bc_matrix", "raw_data/S1/filtered_feature_bc_matrix"),
    ],
)
def test_raw_in_any_spelling(pbmc, tmp_path, raw, filtered):
    write_mtx(pbmc[:90], tmp_path / "d" / raw)
    write_mtx(pbmc[:30], tmp_path / "d" / filtered)
    same(read(tmp_path / "d"), pbmc[:30])
    same(read(tmp_path / "d" / raw), pbmc[:90])


def test_raw_of_all_samples_is_read_where_nothing_else_is(pbmc, tmp_path):
    for s in ("S1", "S2"):
        write_mtx(pbmc[:20], tmp_path / f"{s}/outs/raw_feature_bc_matrix")
    assert read(tmp_path).obs["sample"].value_counts().to_dict() == {"S1": 20, "S2": 20}


def test_the_same_barcodes_twice_are_noticed(pbmc, tmp_path):
    write_mtx(pbmc, tmp_path / "one")
    write_mtx(pbmc, tmp_path / "two")
    with pytest.warns(UserWarning, match="one and two share 120 of 120 barcodes") as caught:
        read(tmp_path)
    assert caught[0].filename == __file__


def test_names_of_samples():
    from scsmd_nb.io.samples import sample_of

    for path, name in {
        "/x/S1/outs/filtered_feature_bc_matrix": "S1",
        "/x/S1/outs/filtered_feature_bc_matrix.h5": "S1",
        "/x/outs/per_sample_outs/S2/count/sample_filtered_feature_bc_matrix": "S2",
        "/x/S3.Solo.out/Gene/filtered/matrix.mtx": "S3",
        "/x/GSM1_S1_filtered_feature_bc_matrix.h5": "GSM1_S1",
        "/x/S4/counts_unfiltered/cells_x_genes.mtx": "S4",
        "/x/cells.csv.gz": "cells",
    }.items():
        assert sample_of(path) == name


@pytest.mark.parametrize(
    "value, part",
    [
        ("5.7", "line 4 holds '1 1 5.7'.*a whole number"),
        ("5,7", "line 4 holds '1 1 5,7'"),
        ("nan", "line 4 holds '1 1 nan'"),
        ("inf", "line 4 holds '1 1 inf'"),
        ("5 7", "line 4 holds '1 1 5 7'"),
        ("0x10", "line 4 holds"),
        ("True", "line 4 holds"),
        ("16777217", "cell 'c1', gene 'g1' holds 16777217"),
    ],
)
def test_values_in_mtx(tmp_path, value, part):
    head = "%%MatrixMarket matrix coordinate {} general\n%\n1 1 1\n1 1 {}\n"
    (tmp_path / "barcodes.tsv").write_text("c1\n")
    (tmp_path / "features.tsv").write_text("g1\tLYZ\n")
    (tmp_path / "matrix.mtx").write_text(head.format("integer", value))
    with pytest.raises(ValueError, match=part):
        read(tmp_path)
    for kind in ("complex", "pattern"):
        (tmp_path / "matrix.mtx").write_text(head.format(kind, "5 0"))
        with pytest.raises(ValueError, match=f"line 1: the matrix is {kind}"):
            read(tmp_path)
    (tmp_path / "matrix.mtx").write_text(head.format("real", "5.5"))
    assert read(tmp_path).X[0, 0] == 5.5


@pytest.mark.parametrize(
    "text, part",
    [
        (",A1,B2\nx,True,False\ny,True,True\n", "line 2: row 'x', column 'A1' holds 'True'"),
        (",A1,B2\nx,1,16777217\n", "line 2: row 'x', column 'B2' holds 16777217"),
        (",A1,B2\nx,1,1+2j\n", "line 2: row 'x', column 'B2' holds '1\\+2j'"),
        ("gene\tA1\tB2\nx\t1,5\t2,0\ny\t1,0\t2,0\n", "column 'A1' holds '1,5': a comma inside"),
        ("'','A1','B2'\n'x',1,2\n", "names are in single quotes"),
        (";A1;B2\nx;1,5;2,0\n", "column 'A1' holds '1,5': a comma inside a number"),
        (',"A\n1",B2\nx,1,2\n', "line 1: a quote is opened and not closed"),
        (',A1,B2\n"x\ny",1,2\n', "line 2: a quote is opened and not closed"),
        (
            "Title, with a comma\n,A1,B2\nx,1,2\ny,1,2\n",
            r"line 1 \('Title, with a comma'\) has 2 fields, but line 2 has 3|row ''",
        ),
        ("Counts\n,A1,B2\nx,1,high\n", "has 1 field, but line 2 has 3"),
    ],
)
def test_more_bad_tables(tmp_path, text, part):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=part):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "above", ["# a\n# b\n", "Title\n", "%x\n", "sep=,\n", "## a, b\n\n", "#\n!x\n"]
)
def test_lines_above_the_names(pbmc, tmp_path, capfd, above):
    (tmp_path / "a.csv").write_text(above + pbmc.to_df().astype(int).to_csv())
    same(read(tmp_path / "a.csv"), pbmc)
    assert "left out above the line of names" in capfd.readouterr().err
    (tmp_path / "b.csv").write_text(above + pbmc[:1].to_df().astype(int).to_csv())
    same(read(tmp_path / "b.csv", cells="rows"), pbmc[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf, 2**24 + 1])
@pytest.mark.parametrize("ending", ["h5", "loom", "h5ad", "zarr"])
def test_values_in_binary_formats(pbmc, tmp_path, ending, value):
    a = pbmc[:20].copy()
    a.X = a.X.astype(np.float64)
    a.X.data[5] = value
    path = tmp_path / f"a.{ending}"
    if ending == "h5":
        write_h5(a, path)
        with h5py.File(path, "a") as f:
            del f["matrix/data"]
            f["matrix/data"] = a.X.data
    elif ending == "loom":
        pytest.importorskip("loompy")
        write_loom(a, path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(a, f"write_{ending}")(path)
    if ending in ("h5ad", "zarr") and np.isfinite(value):
        assert read(path).X.data[5] == value  # kept exactly
        return
    with pytest.raises(ValueError, match=r"cell '[ACGT]+-1', gene '\w+"):
        read(path)
    if ending == "h5ad":
        a.layers["counts"] = pbmc[:20].X
        a.write_h5ad(path)
        with pytest.warns(UserWarning, match="Layers and raw are as stored") as caught:
            read(path)
        assert caught[0].filename == __file__


def test_ten_x_hdf5_with_whole_numbers_that_float32_changes(pbmc, tmp_path):
    path = write_h5(pbmc[:20], tmp_path / "a.h5")
    with h5py.File(path, "a") as f:
        f["matrix/data"][3] = 2**24 + 1
    with pytest.raises(ValueError, match="holds 16777217, which float32 cannot hold exactly"):
        read(path)


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
@pytest.mark.parametrize("slot", ["layers", "obsm"])
def test_a_slash_in_a_key(pbmc, tmp_path, ending, slot):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(pbmc, f"write_{ending}")(tmp_path / f"a.{ending}")
    if ending == "h5ad":
        with h5py.File(tmp_path / "a.h5ad", "a") as f:
            f[f"{slot}/G2/M"] = np.ones((120, 3))
    else:
        import zarr

        zarr.open_group(str(tmp_path / "a.zarr"))[slot].create_group("G2").create_array(
            "M", data=np.ones((120, 3))
        )
        zarr.consolidate_metadata(str(tmp_path / "a.zarr"))
    with pytest.raises(ValueError, match=rf"keys with a slash, and there is {slot}\['G2/M'\]"):
        read(tmp_path / f"a.{ending}")


def test_counters_are_left_out_of_every_format(pbmc, tmp_path, capfd):
    a = pbmc.copy()
    a.var_names = [*a.var_names[:-1], "__no_feature"]
    a.write_h5ad(tmp_path / "a.h5ad")
    write_h5(a, tmp_path / "a.h5")
    write_mtx(a, tmp_path / "a")
    for name in ("a.h5ad", "a.h5", "a"):
        same(read(tmp_path / name), pbmc[:, :-1])
        assert "__no_feature" in capfd.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "{i};{g}",
        '"{i}","{g}"',
        "{i} {g}",
        "'{i}'\t'{g}'",
        "{k}\t{i}\t{g}",
        "{g}\t{i}",
        '"{i}\t{g}"',
    ],
)
@pytest.mark.parametrize("name", ["features.tsv", "gene_names.txt"])
def test_separators_in_lists_of_names(pbmc, tmp_path, line, name):
    a = pbmc[:20].copy()
    folder = write_mtx(a, tmp_path / "x", packed=False)
    (folder / "features.tsv").unlink()
    parts = enumerate(zip(ids_of(a), a.var_names), 1)
    (folder / name).write_text("".join(line.format(k=k, i=i, g=g) + "\n" for k, (i, g) in parts))
    same(read(folder), a)
    assert list(read(folder).var["gene_ids"]) == ids_of(a)


def test_symbols_and_sums_in_tables(pbmc, tmp_path, capfd):
    table = pbmc.to_df().astype(int).T
    table.loc["Total"] = table.sum()
    table.loc["nCount_RNA"] = 5
    table.insert(0, "gene_name", table.index)
    table.insert(1, "Length", 1000)
    table.index = [*ids_of(pbmc), "Total", "nCount_RNA"]
    table.rename_axis("gene_id").to_csv(tmp_path / "a.csv")
    a = read(tmp_path / "a.csv")
    same(a, pbmc)
    assert list(a.var["gene_ids"]) == ids_of(pbmc)
    said = capfd.readouterr().err
    assert "left out: gene_name, Length" in said and "Total, nCount_RNA" in said


def test_as_many_genes_as_cells(pbmc, tmp_path, capfd):
    a = pbmc[:50, :50].copy()
    three(a, tmp_path / "tenx")
    kb_files(a, tmp_path / "kb")
    same(read(tmp_path / "tenx"), a)
    assert "as many genes as cells; genes taken as its rows" in capfd.readouterr().err
    same(read(tmp_path / "kb"), a)


def test_headings_and_quotes_in_lists_of_names(pbmc, tmp_path):
    a = pbmc[:20].copy()
    folder = write_mtx(a, tmp_path / "x", packed=False)
    (folder / "features.tsv").write_text(
        "gene_id\tsymbol\n" + "".join(f'"{i}"\t"{g}"\n' for i, g in zip(ids_of(a), a.var_names))
    )
    same(read(folder), a)
    (folder / "features.tsv").write_text(
        "".join(f"{g}\t{i}\n" for i, g in zip(ids_of(a), a.var_names))
    )
    same(read(folder), a)
    assert list(read(folder).var["gene_ids"]) == ids_of(a)
    (folder / "barcodes.tsv").write_text("what?\n" + lines(a.obs_names))
    with pytest.raises(ValueError, match="21 lines, one more than the matrix.*heading"):
        read(folder)
    (folder / "barcodes.tsv").write_text('"AAAC\n' + lines(a.obs_names[1:]))
    with pytest.raises(ValueError, match="line 1: a quote is opened"):
        read(folder)


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_write_csv_and_back(pbmc, tmp_path, ending):
    logged = pbmc.copy()
    logged.X = pbmc.X.log1p()
    dense = pbmc.copy()
    dense.X = (pbmc.X.toarray() - 1) / 3
    for a in (pbmc, logged, dense, pbmc[::2]):
        before = a.X.copy()
        back = read(write_csv(a, tmp_path / f"a.{ending}"))
        assert (sp.csr_matrix(a.X) != back.X).nnz == 0 and (
            sp.csr_matrix(a.X) != sp.csr_matrix(before)
        ).nnz == 0
        assert list(back.obs_names) == list(a.obs_names) and list(back.var_names) == list(
            a.var_names
        )
    plain = pd.read_csv(write_csv(pbmc, str(tmp_path / f"a.{ending}")), index_col=0)
    assert (
        plain.index.name == "cell"
        and (plain.dtypes == "int64").all()
        and (plain.to_numpy() == pbmc.X.toarray()).all()
    )


def test_names_that_need_quotes(tmp_path):
    a = ad.AnnData(
        sp.csr_matrix(np.eye(2, dtype=np.float32)),
        obs=pd.DataFrame(index=['a,"1"', "b c"]),
        var=pd.DataFrame(index=["x;y", "é"]),
    )
    back = read(write_csv(a, tmp_path / "a.csv"))
    assert list(back.obs_names) == list(a.obs_names) and list(back.var_names) == list(a.var_names)


def test_write_csv_whole_or_not_at_all(pbmc, tmp_path, monkeypatch):
    write_csv(pbmc, tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    bad = pbmc.copy()
    bad.X.data[-1] = np.nan
    with pytest.raises(ValueError, match="not finite in rows 0 to 119"):
        write_csv(bad, tmp_path / "a.csv")
    bad.obs_names = ["x"] * bad.n_obs
    with pytest.raises(ValueError, match="obs_names_make_unique"):
        write_csv(bad, tmp_path / "a.csv")
    with pytest.raises(ValueError, match="must end in .csv"):
        write_csv(pbmc, tmp_path / "a.tsv")
    with pytest.raises(FileNotFoundError, match="Make it first"):
        write_csv(pbmc, tmp_path / "no/a.csv")
    with pytest.raises(ValueError, match="X is empty"):
        write_csv(ad.AnnData(obs=pbmc.obs, var=pbmc.var), tmp_path / "a.csv")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_rows", full)
    with pytest.raises(OSError, match="no space left"):
        write_csv(pbmc, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before and sorted(
        p.name for p in tmp_path.iterdir()
    ) == ["a.csv"]


# ---------------------------------------------------------------- real data sets, every layout


@pytest.mark.parametrize("name", REAL)
def test_direction_of_real_names(data_dir, name):
    "From the names alone, in both directions, and from subsets as small as twenty."
    a = ad.read_h5ad(data_dir / f"{name}.h5ad", backed="r")
    rng = np.random.default_rng(0)
    for n in (20, 200, None):
        cells, genes = (
            list(x) if n is None else list(rng.choice(x, n, replace=False))
            for x in (a.obs_names, a.var_names)
        )
        for rows, columns, expected in ((cells, genes, "rows"), (genes, cells, "columns")):
            found, why, sure = tables._orientation(rows, columns)
            assert (found, sure) == (expected, True), (n, why)


@pytest.mark.parametrize("name", REAL)
def test_real_counts_in_every_layout(data_dir, tmp_path, name):
    "The first 20 cells of each set, written in each public layout, read back equal."
    whole = ad.read_h5ad(data_dir / f"{name}.h5ad")
    a = ad.AnnData(whole.X[:20], obs=whole.obs.iloc[:20][["cell_type"]], var=whole.var.iloc[:, :0])
    table = a.to_df().astype(int)
    table.to_csv(tmp_path / "rows.csv")
    table.T.to_csv(tmp_path / "columns.tsv.gz", sep="\t")
    write_csv(a, tmp_path / "own.csv.gz")
    write_mtx(a, tmp_path / "v3")
    write_mtx(a, tmp_path / "v2", 2, False, "GSM1_x_")
    write_h5(a, tmp_path / "v2.h5", 2)
    write_h5(a, tmp_path / "v3.h5")
    a.write_h5ad(tmp_path / "a.h5ad")
    paths = ["rows.csv", "columns.tsv.gz", "own.csv.gz", "v3", "v2", "v2.h5", "v3.h5", "a.h5ad"]
    with contextlib.suppress(ImportError):
        import loompy  # noqa: F401

        write_loom(a, tmp_path / "a.loom")
        paths.append("a.loom")
    for path in paths:
        same(read(tmp_path / path), a)
