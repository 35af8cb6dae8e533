"""qc_report: the page complete, escaped, whole, its warnings, and the input untouched."""

import html
import os
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.sparse as sp
from pp_cells import (
    contaminated,
    marked_cells,
)

import scsmd_nb as smd


class Page(HTMLParser):
    "Tags, attributes and text of a page; unclosed tags are found."

    def __init__(self, text: str):
        super().__init__()
        self.open, self.images, self.text, self.links = [], [], [], []
        self.feed(text)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        self.links += [v for k, v in attrs if k in ("href", "src") and not v.startswith("data:")]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.filterwarnings("ignore")
def test_page_is_whole_escaped_and_agrees_with_the_filter(tmp_path):
    a = marked_cells()
    a.X[:30, :5] = 200.0
    a.X = sp.csr_matrix(a.X)
    before, uns = a.copy(), repr(a.uns)
    scores = smd.pp.find_doublets(a, by="sample")
    thresholds = smd.pp.mad_thresholds(a, by="sample")
    path = smd.pl.qc_report(
        a, tmp_path / "qc.html", doublets=scores, title="<i>T</i>", **thresholds
    )
    assert os.listdir(tmp_path) == ["qc.html"] and path == tmp_path / "qc.html"
    text = path.read_text()
    page = Page(text)
    assert "<script" not in text and "&lt;script&gt;" in text and "<i>" not in text
    assert (
        page.links == []
        and len(page.images) == 3
        and all(i["alt"] and "base64," in i["src"] for i in page.images)
    )
    out = smd.pp.filter(a, doublets=scores, **thresholds)
    assert f"{out.n_obs} of 300 stay" in page.text and f"{out.n_vars} of 600 stay" in " ".join(
        page.text
    )
    for name, row in smd.pp.filter_table(out).iterrows():
        if row["axis"] == "cells":
            assert (
                f'<td>{name}</td><td>one per sample</td><td class="n">{row["removed"]}</td>' in text
                or name == "doublets"
            )
    assert (
        (a.X != before.X).nnz == 0
        and a.obs.equals(before.obs)
        and a.var.equals(before.var)
        and repr(a.uns) == uns
    )
    line = html.unescape(re.search(r"<pre>(.*?)</pre>", text, re.S)[1])
    done = {}
    exec(line, {"smd": smd, "adata": a, "doublets": scores}, done)
    assert done["adata"].shape == out.shape


def warned(path) -> str:
    return html.unescape(" ".join(re.findall(r'class="warn">(.*?)</p>', path.read_text())))


@pytest.mark.filterwarnings("ignore")
def test_every_warning_has_its_cause_and_clean_data_none(tmp_path):
    a = marked_cells(600)
    assert warned(smd.pl.qc_report(a, tmp_path / "a.html", by="sample", min_genes=50)) == ""
    assert "ambient" in warned(
        smd.pl.qc_report(contaminated(a, 0.3), tmp_path / "a.html", min_genes=50)
    )
    assert "lie apart" in warned(
        smd.pl.qc_report(a, tmp_path / "a.html", by="cell_type", min_genes=50)
    )
    said = warned(smd.pl.qc_report(a, tmp_path / "a.html", min_genes=590))
    assert "No cell survives: of 600 cells min_genes took 600" in said
    b = a.copy()
    b.var_names = [f"g{j}" for j in range(600)]
    assert "No mitochondrial gene was found" in warned(
        smd.pl.qc_report(b, tmp_path / "a.html", min_genes=50)
    )
    b.var_names = [f"{'GRCh38' if j % 2 else 'mm10'}_g{j}" for j in range(600)]
    assert "genes of 2 species" in warned(smd.pl.qc_report(b, tmp_path / "a.html", min_genes=50))
    b = a.copy()
    thin = (b.obs["sample"] == "b & c").to_numpy() & (np.arange(600) % 2 == 0)
    b.X = sp.csr_matrix(b.X.multiply(np.where(thin, 0, 1)[:, None])).astype(np.float32)
    b.obs["sample"] = b.obs["sample"].where(~thin, "thin").astype(str)
    assert "'thin' loses 100%" in warned(
        smd.pl.qc_report(b, tmp_path / "a.html", by="sample", min_genes=50)
    )


@pytest.mark.filterwarnings("ignore")
def test_a_failed_report_leaves_the_old_one(tmp_path, monkeypatch):
    a, path = marked_cells(100), tmp_path / "qc.html"
    path.write_text("old")
    bad = a.copy()
    bad.X = bad.X.log1p()
    for b, kwargs, words in (
        (bad, {}, "normalised or log"),
        (a, {"max_mito": 5}, "share between 0 and 1"),
        (a, {"by": "smaple"}, "Did you mean 'sample'"),
        (a, {"max_gene": 5}, "no threshold 'max_gene'"),
        (a, {"mito": ["MT-X"]}, "not in adata.var_names"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pl.qc_report(b, path, **kwargs)
        assert path.read_text() == "old"

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="(?i)no space left"):
        smd.pl.qc_report(a, path, min_genes=50)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["qc.html"]


@pytest.mark.filterwarnings("ignore")
def test_report_of_a_few_cells(tmp_path):
    a = marked_cells(5)
    text = smd.pl.qc_report(a, tmp_path / "qc.html", by="sample", min_genes=1).read_text()
    assert "cannot be told" in text
    assert Page(text)


def test_report_of_real_cells(data_dir, tmp_path):
    a = smd.io.load("pbmc_facs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = smd.pl.qc_report(a, tmp_path / "qc.html", **smd.pp.mad_thresholds(a))
    assert warned(path) == "" and path.stat().st_size < 1e6
