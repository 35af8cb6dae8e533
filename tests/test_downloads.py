"""catalog, parsing, sets, downloads: the entries, each parser on real counts, the whole path against a local server."""

import contextlib
import gzip
import io
import os
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.io import downloads, guards, other_sets, paper_sets
from scsmd_nb.io.catalog import DATASETS, info
from scsmd_nb.io.downloads import fetch, load
from scsmd_nb.io.parsing import Dataset, File


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    "A cache of its own for every test, and no folder of data sets."
    monkeypatch.setenv("SCSMD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SCSMD_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    "Sixty real cells x 50 real genes with their types."
    a = smd.io.pbmc700()[:60, :50].copy()
    a.obs["cell_type"] = a.obs.pop("bulk_labels").cat.remove_unused_categories()
    return a


# ---------------------------------------------------------------- the registry

PAPER = {
    "pbmc4k": "10x",
    "bhattacherjee": "GSE124952",
    "zeisel": "GSE60361",
    "baron_human": "GSE84133",
    "baron_human1": "GSE84133",
    "osteosarcoma": "GSE152048",
    "young_kidney": "",
    "muraro": "GSE85241",
    "segerstolpe": "E-MTAB-5061",
    "mouse_bladder": "GSE108097",
    "worm_neuron": "GSE98561",
    "cbmc_cite": "GSE100866",
    "zheng_sorted": "SRP073767",
    "paul15": "GSE72857",
}


def test_every_promised_data_set_has_an_entry():
    assert set(DATASETS) == set(PAPER)
    for name, accession in PAPER.items():
        assert accession in DATASETS[name].accession


@pytest.mark.parametrize("name", PAPER)
def test_an_entry_says_everything_and_shows_it(name):
    d, text = DATASETS[name], str(DATASETS[name])
    for value in (d.accession, d.page, d.species, d.protocol):
        assert value in " ".join(text.split())
    for genes in d.markers.values():
        assert genes and all(g in text for g in genes)
        assert len(set(genes)) == len(genes)
    assert all(f.sha256 is None or len(f.sha256) == 64 for f in d.files)
    assert all(f.url or d.by_hand for f in d.files) and len({f.name for f in d.files}) == len(
        d.files
    )
    human = d.species == "Homo sapiens"
    assert all(
        g.isupper() == human
        for genes in d.markers.values()
        for g in genes
        if d.species != "Caenorhabditis elegans"
    )


def test_geo_addresses_agree_with_their_accession():
    for d in DATASETS.values():
        for f in d.files:
            if "/geo/series/" not in f.url:
                continue
            assert f"/{d.accession[:-3]}nnn/{d.accession}/suppl/" in f.url


def test_info_is_a_table_and_says_where_from(cache, tmp_path, monkeypatch, cells):
    table = info()
    assert list(table.index) == list(DATASETS) and set(table["here"]) == {"download", "by hand"}
    (cache / "raw/zeisel").mkdir(parents=True)
    (cache / "raw/zeisel/expression_mRNA_17-Aug-2014.txt").write_text("x")
    cells.write_h5ad(cache / "muraro.h5ad")
    cells.write_h5ad(tmp_path / "paul15.h5ad")
    monkeypatch.setenv("SCSMD_DATA_DIR", str(tmp_path))
    assert dict(info()["here"][["zeisel", "muraro", "paul15"]]) == {
        "zeisel": "files are here",
        "muraro": "cache",
        "paul15": "SCSMD_DATA_DIR",
    }


# ---------------------------------------------------------------- parsers, on real counts in each public layout


def put(folder: Path, **files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


def tar(members: dict, mode="w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                t.addfile(content)
                continue
            content = content.encode() if isinstance(content, str) else content
            (m := tarfile.TarInfo(name)).size = len(content)
            t.addfile(m, io.BytesIO(content))
    return out.getvalue()


def tenx(a: ad.AnnData, prefix: str) -> dict:
    scipy.io.mmwrite(m := io.BytesIO(), sp.coo_matrix(a.X.T.astype(int)), field="integer")
    return {
        f"{prefix}/matrix.mtx": m.getvalue(),
        f"{prefix}/barcodes.tsv": "".join(f"{c}\n" for c in a.obs_names),
        f"{prefix}/genes.tsv": "".join(f"ENSG{i:011d}\t{g}\n" for i, g in enumerate(a.var_names)),
    }


def table(a: ad.AnnData) -> pd.DataFrame:
    return pd.DataFrame(a.X.toarray().astype(int), a.obs_names, a.var_names)


def same(a: ad.AnnData, b: ad.AnnData, types=True):
    assert list(a.var_names) == list(b.var_names) and (a.X != b.X).nnz == 0
    assert a.X.format == "csr" and a.X.dtype == np.float32 and a.obs_names.is_unique
    if types:
        assert list(a.obs["cell_type"].astype(str)) == list(b.obs["cell_type"].astype(str))


def zeisel_text(a: ad.AnnData) -> str:
    n = a.n_obs
    facts = {
        "tissue": ["sscortex"] * n,
        "group #": ["1"] * n,
        "total mRNA mol": a.X.sum(1).A1.astype(int) if hasattr(a.X.sum(1), "A1") else [1] * n,
        "well": range(n),
        "sex": ["-1"] * n,
        "age": ["21"] * n,
        "diameter": ["9.5"] * n,
        "cell_id": a.obs_names,
        "level1class": a.obs["cell_type"],
        "level2class": ["(none)"] * n,
    }
    lines = ["\t".join(["", k, *map(str, v)]) for k, v in facts.items()] + ["\t" * (n + 1)]
    t = table(a)
    return "\n".join(lines + ["\t".join([g, "1", *map(str, t[g])]) for g in t.columns]) + "\n"


def test_zeisel(cells, tmp_path):
    a = paper_sets.parse_zeisel(
        put(tmp_path / "z", **{"expression_mRNA_17-Aug-2014.txt": zeisel_text(cells)})
    )
    same(a, cells)
    assert (
        list(a.obs_names) == list(cells.obs_names)
        and a.obs["age"].dtype.kind in "if"
        and "level2class" in a.obs
    )


def test_zeisel_with_a_cell_too_few(cells, tmp_path):
    text = "\n".join(
        line.rsplit("\t", 1)[0] if i > 10 else line
        for i, line in enumerate(zeisel_text(cells).splitlines())
    )
    with pytest.raises(ValueError, match="describes 60 cells and counts 59"):
        paper_sets.parse_zeisel(put(tmp_path / "z", **{"expression_mRNA_17-Aug-2014.txt": text}))


def baron_csv(a: ad.AnnData) -> str:
    t = table(a)
    t.insert(0, "assigned_cluster", a.obs["cell_type"].astype(str).to_numpy())
    t.insert(0, "barcode", [f"GATG-{i}" for i in range(a.n_obs)])
    return t.to_csv()


def test_baron(cells, tmp_path):
    donors = {
        f"GSM{2230757 + i}_human{i + 1}_umifm_counts.csv.gz": packed(
            baron_csv(cells[i * 15 : (i + 1) * 15])
        )
        for i in range(4)
    }
    mouse = {"GSM2230761_mouse1_umifm_counts.csv.gz": packed(baron_csv(cells[:3]))}
    a = paper_sets.parse_baron_human(
        put(tmp_path / "b", **{"GSE84133_RAW.tar": tar(donors | mouse, "w")})
    )
    same(a, cells)
    assert list(a.obs["donor"].value_counts(sort=False)) == [15] * 4 and "barcode" in a.obs
    name, content = next(iter(donors.items()))
    same(paper_sets.parse_baron_human1(put(tmp_path / "b1", **{name: content})), cells[:15])


def test_baron_without_donors_and_with_other_columns(cells, tmp_path):
    with pytest.raises(ValueError, match="holds no file"):
        paper_sets.parse_baron_human(
            put(tmp_path / "b", **{"GSE84133_RAW.tar": tar({"a.txt": "x"}, "w")})
        )
    with pytest.raises(ValueError, match="not barcode and assigned_cluster"):
        paper_sets.parse_baron_human1(
            put(
                tmp_path / "c",
                **{"GSM2230757_human1_umifm_counts.csv.gz": packed(table(cells).to_csv())},
            )
        )


def test_bhattacherjee_keeps_the_adult_cells_whatever_their_order(cells, tmp_path):
    meta = pd.DataFrame(
        {
            "nGene": 1,
            "Sample": "PFCSample1",
            "CellType": cells.obs["cell_type"].astype(str),
            "L2_clusters": "x",
            "DevStage": ["Adult", "P21"] * 30,
        },
        index=cells.obs_names,
    )
    folder = put(
        tmp_path / "b",
        **{
            "GSE124952_expression_matrix.csv.gz": packed(table(cells).T.to_csv()),
            "GSE124952_meta_data.csv.gz": packed(meta[::-1].to_csv()),
        },
    )
    a = paper_sets.parse_bhattacherjee(folder)
    same(a, cells[::2])
    assert list(a.obs_names) == list(cells.obs_names[::2])
    (folder / "GSE124952_meta_data.csv.gz").write_bytes(packed(meta[1:].to_csv()))
    with pytest.raises(ValueError, match="1 cells of the matrix are not in the table"):
        paper_sets.parse_bhattacherjee(folder)


def test_pbmc4k_and_osteosarcoma_and_zheng(cells, tmp_path):
    folder = put(
        tmp_path / "p",
        **{
            "pbmc4k_filtered_gene_bc_matrices.tar.gz": tar(
                tenx(cells, "filtered_gene_bc_matrices/GRCh38")
            )
        },
    )
    a = paper_sets.parse_pbmc4k(folder)
    same(a, cells, types=False)
    assert (
        list(a.var["gene_ids"])[:2] == ["ENSG00000000000", "ENSG00000000001"]
        and "graphclust" not in a.obs
    )
    put(
        folder,
        **{
            "pbmc4k_analysis.tar.gz": tar(
                {
                    "analysis/clustering/graphclust/clusters.csv": pd.DataFrame(
                        {"Barcode": cells.obs_names[::-1], "Cluster": range(60)}
                    ).to_csv(index=False)
                }
            )
        },
    )
    assert list(paper_sets.parse_pbmc4k(folder).obs["graphclust"]) == [
        str(i) for i in range(59, -1, -1)
    ]

    samples = paper_sets._OS_SAMPLES
    parts = {s: cells[i * 5 : (i + 1) * 5] for i, s in enumerate(samples)}
    b = paper_sets.parse_osteosarcoma(
        put(
            tmp_path / "o",
            **{f"GSE152048_{s}.matrix.tar.gz": tar(tenx(p, s)) for s, p in parts.items()},
        )
    )
    same(b, cells[:55], types=False)
    assert (
        list(b.obs["sample"]) == [s for s in samples for _ in range(5)]
        and b.obs_names[0] == f"{cells.obs_names[0]}-BC2"
    )

    files = {
        f"{n}_filtered_gene_bc_matrices.tar.gz": tar(tenx(cells[:6], "filtered_matrices_mex/hg19"))
        for n in other_sets._SORTED
    }
    c = other_sets.parse_zheng_sorted(put(tmp_path / "s", **files))
    assert (
        c.n_obs == 60
        and c.obs_names.is_unique
        and list(c.obs["cell_type"])[::6] == list(other_sets._SORTED.values())
    )
    assert (c[54:].X != cells[:6].X).nnz == 0


@pytest.mark.parametrize("letters", [None, 4, 6])
def test_muraro_undoes_the_saturation(cells, tmp_path, letters):
    o = table(cells).clip(upper=200).astype(float)
    K = 4**letters if letters else None
    t = -K * np.log(1 - o / K) if K else o
    t.index, t.columns = [f"D28-1_{i}" for i in range(60)], [f"{g}__chr1" for g in t.columns]
    text = t.T.to_csv(sep="\t", index_label=False)  # as R writes it: no name above the first column
    types = '"x"\n' + "".join(
        f'"D28.1_{i}"\t"{c}"\n' for i, c in enumerate(cells.obs["cell_type"]) if i != 3
    )
    a = other_sets.parse_muraro(
        put(
            tmp_path / "m",
            **{
                "GSE85241_cellsystems_dataset_4donors_updated.csv.gz": packed(text),
                "cell_type_annotation_Cels2016.csv": types,
            },
        )
    )
    assert (a.X.toarray() == o.to_numpy()).all() and list(a.var_names) == list(cells.var_names)
    assert a.uns["saturation_undone"] == (K or 0) and set(a.obs["donor"]) == {"D28"}
    assert (
        a.obs["cell_type"].isna().sum() == 1
        and a.obs["cell_type"].iloc[0] == cells.obs["cell_type"].iloc[0]
    )


def test_muraro_refuses_other_fractions(cells, tmp_path):
    text = (table(cells) * 1.37).T.to_csv(sep="\t", index_label=False)
    with pytest.raises(ValueError, match="neither whole nor corrected"):
        other_sets.parse_muraro(
            put(
                tmp_path / "m",
                **{"GSE85241_cellsystems_dataset_4donors_updated.csv.gz": packed(text)},
            )
        )


def test_mouse_bladder_leaves_out_cells_without_a_type(cells, tmp_path):
    t = table(cells).T
    text = (
        " ".join(f'"{c}"' for c in t.columns)
        + "\n"
        + "".join(" ".join([f'"{g}"', *map(str, t.loc[g])]) + "\n" for g in t.index)
    )
    types = pd.DataFrame(
        {
            "Cell.name": t.columns,
            "ClusterID": "Bladder_1",
            "Tissue": "Bladder",
            "Batch": "Bladder_1",
            "Cell.Barcode": "x",
            "Annotation": [f"{c}(Bladder)" for c in cells.obs["cell_type"]],
        },
        index=range(1, 61),
    )[2:]
    folder = put(
        tmp_path / "m",
        **{
            "MCA_500more_dge.tar.gz": tar(
                {
                    "500more_dge/Brain1_dge.txt.gz": b"no",
                    "500more_dge/Bladder_dge.txt.gz": packed(text),
                }
            ),
            "MCA_CellAssignments.csv": types.to_csv(),
        },
    )
    same(other_sets.parse_mouse_bladder(folder), cells[2:])


def test_paul15_young_and_worm(cells, tmp_path):
    import h5py

    with h5py.File(memory := io.BytesIO(), "w") as f:
        f["data.debatched"], f["cluster.id"] = cells.X.T.toarray(), np.arange(60)[:, None] % 19 + 1
        for key, names in {
            "data.debatched_rownames": [f"{g};other" for g in cells.var_names],
            "data.debatched_colnames": cells.obs_names,
            "info.genes_strings": cells.var_names[:7],
        }.items():
            f[key] = np.array(list(names), dtype="S")
    a = other_sets.parse_paul15(put(tmp_path / "p", **{"paul15.h5": memory.getvalue()}))
    same(a, cells, types=False)
    assert (
        a.obs["cell_type"].nunique() == 19
        and a.obs["cell_type"].iloc[6] == "7MEP"
        and a.var["informative"].sum() == 7
    )

    scipy.io.mmwrite(m := io.BytesIO(), sp.coo_matrix(cells.X.T.astype(int)), field="integer")
    rows = pd.DataFrame(
        {
            "RowNumber": range(50),
            "EnsemblID": [f"E{j}" for j in range(50)],
            "Symbol": cells.var_names,
        }
    )
    cols = pd.DataFrame(
        {
            "ColNumber": range(60),
            "SangerID": "S1",
            "Barcode": cells.obs_names,
            "DropletID": [f"S1___{c}" for c in cells.obs_names],
        }
    )
    folder = put(
        tmp_path / "y",
        **{
            "tableOfCounts.mtx": m.getvalue(),
            "tableOfCounts_rowLabels.tsv": rows.to_csv(sep="\t", index=False),
            "tableOfCounts_colLabels.tsv": cols.to_csv(sep="\t", index=False),
        },
    )
    same(other_sets.parse_young_kidney(folder), cells, types=False)
    (folder / "tableOfCounts_colLabels.tsv").write_text(cols[1:].to_csv(sep="\t", index=False))
    with pytest.raises(ValueError, match="50 x 60, its labels are 50 genes x 59"):
        other_sets.parse_young_kidney(folder)

    types = [other_sets._NEURONS[i % 10] if i % 2 else "Gonad" for i in range(60)]
    folder = put(
        tmp_path / "w",
        **{
            "worm.mtx": m.getvalue(),
            "worm_genes.csv": pd.DataFrame({"symbol": cells.var_names}).to_csv(),
            "worm_cells.csv": pd.DataFrame({"cell.type": types}, index=cells.obs_names).to_csv(),
        },
    )
    b = other_sets.parse_worm_neuron(folder)
    same(b, cells[1::2], types=False)
    assert list(b.obs["cell_type"]) == types[1::2]


# ---------------------------------------------------------------- the whole path


class Server:
    "Gives out files by name, well or badly, and remembers what was asked for."

    def __init__(self):
        self.files, self.mode, self.asked, self.etag, self.cut = {}, "good", [], '"v1"', 1000
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, h):
        name, start = h.path.strip("/"), 0
        self.asked.append((name, h.headers.get("Range")))
        if self.mode == "busy":
            return h.send_error(503)
        if name not in self.files:
            return h.send_error(404)
        body = self.files[name]
        if self.mode == "empty":
            body = b""
        if (
            "Range" in h.headers
            and self.mode != "no ranges"
            and self.etag
            and h.headers.get("If-Range") == self.etag
        ):
            start = int(h.headers["Range"][6:-1])
        h.send_response(206 if start else 200)
        if not self.mode.startswith("no length"):
            h.send_header("Content-Length", str(len(body) - start))
        if start and self.mode == "another place":
            h.send_header("Content-Range", f"bytes {start + 9}-{len(body) - 1}/{len(body)}")
        elif start:
            h.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.etag:
            h.send_header("ETag", self.etag)
        h.end_headers()
        h.wfile.write(
            body[start : start + self.cut]
            if self.mode in ("breaking", "no ranges", "no length, cut")
            else body[start:]
        )

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(cells, monkeypatch):
    "A server with the Zeisel file and a PBMC tar, and a registry that points to it."
    s = Server()
    s.files = {
        "expression_mRNA_17-Aug-2014.txt": zeisel_text(cells).encode(),
        "pbmc4k_filtered_gene_bc_matrices.tar.gz": tar(
            tenx(cells, "filtered_gene_bc_matrices/GRCh38")
        ),
    }
    for name in ("zeisel", "pbmc4k"):
        d = DATASETS[name]
        monkeypatch.setitem(
            DATASETS,
            name,
            replace(d, files=tuple(replace(f, url=f"{s.url}/{f.name}") for f in d.files)),
        )
    yield s
    if s.http:
        s.close()


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


RAW = "raw/zeisel/expression_mRNA_17-Aug-2014.txt"


def left(cache) -> list[str]:
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file())


def failure(kind, name="zeisel") -> str:
    with pytest.raises(kind) as e:
        load(name, progress=False)
    return str(e.value)


def test_good_file_is_fetched_parsed_and_cached(server, cache, cells):
    same(load("zeisel", progress=False), cells)
    made = ["zeisel.h5ad", "zeisel.h5ad.sha256"]
    assert left(cache) == [RAW, f"{RAW}.sha256", *made] and len(server.asked) == 1
    same(load("zeisel"), cells)
    same(ad.read_h5ad(cache / "zeisel.h5ad"), cells)
    assert len(server.asked) == 1  # the second came from the cache
    source = load("zeisel").uns["source"]
    digest = (cache / f"{RAW}.sha256").read_text().split()[0]
    assert digest in source["files"] and source["accession"] == "GSE60361"
    import hashlib

    assert hashlib.sha256(server.files["expression_mRNA_17-Aug-2014.txt"]).hexdigest() == digest


def test_own_files_come_first_and_fetch_never_looks_there(server, tmp_path, monkeypatch, cells):
    cells[:5].copy().write_h5ad(tmp_path / "zeisel.h5ad")
    monkeypatch.setenv("SCSMD_DATA_DIR", str(tmp_path))
    assert load("zeisel").n_obs == 5 and server.asked == []
    assert fetch("zeisel", progress=False).n_obs == 60
    assert smd.io.available() == ["zeisel"]


@pytest.mark.parametrize(
    "mode, kind, says",
    [
        ("missing", FileNotFoundError, "answered 404 (it was moved, renamed"),
        ("empty", OSError, "the server sent 0 bytes"),
        ("busy", ConnectionError, "answered 503"),
    ],
)
def test_bad_answers_leave_nothing(server, cache, mode, kind, says):
    server.mode = mode
    if mode == "missing":
        server.files = {"expression_mRNA_18-Aug-2014.txt": b"renamed"}
    text = failure(kind)
    assert (
        says in text
        and "By hand: fetch" in text
        and str(cache / "raw/zeisel") in text
        and "GSE60361" in text
    )
    assert [p for p in left(cache) if not p.endswith(".part")] == [] and not list(
        cache.rglob("*.part")
    )


def test_a_page_instead_of_a_file(server, cache):
    server.files["expression_mRNA_17-Aug-2014.txt"] = b"\n<!DOCTYPE html><p>maintenance"
    assert "begins with" in failure(OSError) and left(cache) == []
    server.files["pbmc4k_filtered_gene_bc_matrices.tar.gz"] = b"maintenance"
    assert "begins with b'maintenance'" in failure(OSError, "pbmc4k") and left(cache) == []


@pytest.mark.parametrize("change", ["no tag", "other tag", "no ranges"])
def test_halves_of_two_files_are_never_put_together(server, cache, cells, change):
    if change == "no tag":
        server.etag = None
    server.mode = "breaking"
    failure(ConnectionError)
    server.mode = "good"
    if change == "other tag":
        server.etag = '"v2"'
    if change == "no ranges":
        server.mode, server.cut = "no ranges", 10**9
    same(load("zeisel", progress=False), cells)
    assert (cache / RAW).read_bytes() == server.files["expression_mRNA_17-Aug-2014.txt"]


def test_a_server_that_tells_no_length(server, cells):
    server.mode = "no length"
    same(load("zeisel", progress=False), cells)


def test_a_text_cut_by_a_server_that_tells_no_length_is_not_taken(server, cache):
    whole = server.files["expression_mRNA_17-Aug-2014.txt"]
    server.mode, server.etag = "no length, cut", None
    for server.cut in (len(whole) - 9, whole.index(b"\n", len(whole) // 2) + 1):
        text = failure(ConnectionError)
        assert "bytes came" in text and not (cache / RAW).exists()
        assert not list(cache.glob("*.h5ad"))


def test_a_part_from_another_place_is_not_joined(server, cache, cells):
    server.mode = "breaking"
    failure(ConnectionError)
    server.mode = "another place"
    same(load("zeisel", progress=False), cells)
    assert (cache / RAW).read_bytes() == server.files["expression_mRNA_17-Aug-2014.txt"]
    assert server.asked[-1] == ("expression_mRNA_17-Aug-2014.txt", None)


@pytest.mark.parametrize("to, well", [("http://h/b", 0), ("ftp://h/b", 0), ("//h/b", 1), ("/b", 1)])
def test_nobody_is_sent_from_https_to_http(to, well):
    answer = SimpleNamespace(url="https://h/a", is_redirect=True, headers={"Location": to})
    with contextlib.nullcontext() if well else pytest.raises(ValueError, match="sends on to"):
        guards._safe_redirect(answer)
    answer.is_redirect = False
    guards._safe_redirect(answer)


def test_what_was_made_of_the_files_is_checked(server, cache, cells):
    load("zeisel", progress=False)
    other = cells[:, ::-1].copy()
    other.write_h5ad(cache / "zeisel.h5ad")  # sound, but another
    assert "was altered" in failure(OSError)
    (cache / "zeisel.h5ad").unlink()
    same(load("zeisel", progress=False), cells)
    (cache / "zeisel.h5ad.sha256").unlink()  # a cache of an older version
    same(load("zeisel", progress=False), cells)
    assert (cache / "zeisel.h5ad.sha256").exists()


def test_a_truncated_file_of_the_right_announced_length(server, cache):
    "Cut off at the publisher: the transfer is whole, the content is not."
    whole = server.files["pbmc4k_filtered_gene_bc_matrices.tar.gz"]
    server.files["pbmc4k_filtered_gene_bc_matrices.tar.gz"] = whole[: len(whole) // 2]
    with pytest.warns(UserWarning, match="read without pbmc4k_analysis"):
        text = failure(OSError, "pbmc4k")
    assert "not as expected" in text and "remove them and call again" in text
    assert not (cache / "pbmc4k.h5ad").exists() and not list(
        cache.rglob("*.sha256")
    )  # garbage is never remembered as the truth


def test_altered_on_disk_is_mended_and_altered_at_the_server_is_refused(server, cache, cells):
    load("zeisel", progress=False)
    for spoil in (b"spoiled", b""):
        (cache / "zeisel.h5ad").unlink()
        (cache / RAW).write_bytes(spoil)
        same(load("zeisel", progress=False), cells)
    (cache / "zeisel.h5ad").unlink()
    (cache / RAW).unlink()
    server.files["expression_mRNA_17-Aug-2014.txt"] += b"New\t1" + b"\t7" * 60 + b"\n"
    text = failure(OSError)
    assert "not the file that was first seen here" in text and f"{RAW}.sha256" in text
    assert left(cache) == [f"{RAW}.sha256", "zeisel.h5ad.sha256"]
    (cache / f"{RAW}.sha256").unlink()  # what the message advises
    assert load("zeisel", progress=False).n_vars == 51


def test_a_published_checksum_is_compared(server, cache, monkeypatch):
    d = DATASETS["zeisel"]
    monkeypatch.setitem(
        DATASETS, "zeisel", replace(d, files=(replace(d.files[0], sha256="0" * 64),))
    )
    assert "checksum that its publisher gives" in failure(OSError) and left(cache) == []


def test_an_archive_that_writes_outside_its_folder(server, cache, tmp_path, cells):
    members = tenx(cells, "filtered_gene_bc_matrices/GRCh38")
    link = tarfile.TarInfo("filtered_gene_bc_matrices/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    for name, evil in {
        "../../../evil.txt": "x",
        str(tmp_path / "evil.txt"): "x",
        link.name: link,
    }.items():
        server.files["pbmc4k_filtered_gene_bc_matrices.tar.gz"] = tar(members | {name: evil})
        with pytest.warns(UserWarning, match="read without"):
            text = failure(OSError, "pbmc4k")
        assert (
            "nothing was unpacked" in text
            and not list(tmp_path.rglob("evil.txt"))
            and not (cache / "pbmc4k.h5ad").exists()
        )
        for p in (cache / "raw/pbmc4k").iterdir():
            p.unlink()


def test_baron_reads_members_in_place(cells, tmp_path):
    "A table inside a tar is never unpacked, so a name that leads outside has no effect."
    evil = {
        "../../GSM2230757_human1_umifm_counts.csv.gz": packed(baron_csv(cells)),
        "/GSM2230758_human2_umifm_counts.csv.gz": packed(baron_csv(cells)),
    }
    folder = put(tmp_path / "a/b/c", **{"GSE84133_RAW.tar": tar(evil, "w")})
    before = sorted(tmp_path.rglob("*"))
    assert (
        paper_sets.parse_baron_human(folder).n_obs == 120 and sorted(tmp_path.rglob("*")) == before
    )


def test_a_file_put_there_by_hand_needs_no_server(server, cache, cells):
    server.close()
    put(cache / "raw/zeisel", **{"expression_mRNA_17-Aug-2014.txt": zeisel_text(cells)})
    same(load("zeisel"), cells)
    assert (cache / f"{RAW}.sha256").exists()
    server.http = None


def test_offline_says_which_file_from_where_and_where_to(server, cache):
    server.close()
    text = failure(ConnectionError)
    assert "cannot be reached" in text and f"{server.url}/expression_mRNA_17-Aug-2014.txt" in text
    assert str(cache / "raw/zeisel") in text and "load('zeisel')" in text and left(cache) == []
    server.http = None


def test_renamed_by_a_browser(server, cache, cells):
    server.close()
    put(cache / "raw/zeisel", **{"expression_mRNA_17-Aug-2014 (1).txt": zeisel_text(cells)})
    assert "expression_mRNA_17-Aug-2014 (1).txt is there: rename it" in failure(ConnectionError)
    (cache / "raw/zeisel/expression_mRNA_17-Aug-2014 (1).txt").unlink()
    put(cache / "raw/zeisel", **{"expression_mRNA_17-Aug-2014.txt.gz": packed(zeisel_text(cells))})
    same(load("zeisel"), cells)
    server.http = None


def test_by_hand_sets_say_how(cache):
    text = failure(FileNotFoundError, "young_kidney")
    assert (
        "Data S1" in text
        and text.count("tableOfCounts") == 3
        and str(cache / "raw/young_kidney") in text
    )
    assert "writeMM" in failure(FileNotFoundError, "worm_neuron")


def test_no_permission_on_the_cache(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SCSMD_CACHE_DIR", str(tmp_path / "file"))
    assert "Set SCSMD_CACHE_DIR" in failure(PermissionError) and server.asked == []
    monkeypatch.setenv("SCSMD_CACHE_DIR", str(tmp_path / "locked"))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(downloads.tempfile, "TemporaryFile", refuse)
    assert (
        "cannot be written to: Permission denied" in failure(PermissionError) and server.asked == []
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_on_a_real_folder(server, cache):
    cache.mkdir(mode=0o500)
    assert "Permission denied" in failure(PermissionError)


def test_a_full_disk_while_caching_leaves_no_half_file(server, cache, monkeypatch, cells):
    import errno

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(ad.AnnData, "write_h5ad", full)
        with pytest.raises(OSError, match="no space left"):
            load("zeisel", progress=False)
    assert left(cache) == [RAW, f"{RAW}.sha256"]
    same(load("zeisel"), cells)


def test_a_damaged_file_of_the_cache_says_how_to_mend_it(server, cache, cells):
    load("zeisel", progress=False)
    whole = (cache / "zeisel.h5ad").read_bytes()
    for part in (whole[: len(whole) // 2], b""):
        (cache / "zeisel.h5ad").write_bytes(part)
        assert "remove it and call again" in failure(OSError)
    (cache / "zeisel.h5ad").unlink()
    same(load("zeisel"), cells)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "asked, offered",
    [
        ("zeisl", "'zeisel'"),
        ("Zeisel", "'zeisel'"),
        ("baron", "'baron_human'"),
        ("osteo", "'osteosarcoma'"),
        ("nothing like it", "There are: "),
    ],
)
def test_unknown_names_offer_the_nearest(asked, offered):
    for f in (load, fetch, info):
        with pytest.raises(ValueError) as e:
            f(asked)
        assert offered in str(e.value)


def test_another_process_is_not_joined(server, cache):
    fcntl = pytest.importorskip("fcntl")
    (cache / "raw/zeisel").mkdir(parents=True)
    with open(cache / f"{RAW}.part", "wb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert "another process is downloading" in failure(OSError)
    assert isinstance(DATASETS["zeisel"], Dataset) and isinstance(DATASETS["zeisel"].files[0], File)
