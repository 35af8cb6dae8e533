"""qc_report: ambient share and mixing against planted truth, the page complete, escaped, whole, and the input untouched."""

import html
import os
import re
import warnings
from html.parser import HTMLParser

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.pl import report as qc_report


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


def cells(n=300, fold=100, **kwargs) -> ad.AnnData:
    "Simulated cells with five mitochondrial genes and two samples, one with a name that is HTML."
    a = smd.io.simulate(n, 600, 3, library_size=2500, fold_change=fold, random_state=4, **kwargs)
    a.var_names = [f"MT-{j}" for j in range(5)] + [f"GENE{j}" for j in range(5, 600)]
    a.obs["sample"] = np.where(np.arange(n) % 3 == 0, "<script>alert(1)</script>", "b & c")
    return a


def contaminated(a: ad.AnnData, rho: float) -> ad.AnnData:
    rng, X = np.random.default_rng(0), a.X.toarray().astype(int)
    kept, liquid = rng.binomial(X, 1 - rho), X.sum(0) / X.sum()
    out = a.copy()
    X = [k + rng.multinomial(t, liquid) for k, t in zip(kept, X.sum(1) - kept.sum(1))]
    out.X = sp.csr_matrix(np.array(X, dtype=np.float32))
    return out


@pytest.mark.parametrize("rho", [0.1, 0.3])
def test_ambient_finds_what_was_put_in(rho):
    a = cells(600)
    clean, dirty = qc_report.ambient(a), qc_report.ambient(contaminated(a, rho))
    assert clean["share"] < 0.05 and abs(dirty["share"] - rho) < 0.05
    assert not any(g.startswith("MT-") for g in dirty["genes"])


def test_ambient_says_when_it_cannot_tell():
    for a in (
        cells(60),
        cells(300, fold=1.01),
        ad.AnnData(sp.csr_matrix(np.ones((200, 50), np.float32))),
    ):
        assert np.isnan(qc_report.ambient(a)["share"])


def test_mixing_of_random_apart_and_one_sample():
    a = cells(400, fold=20)
    free = qc_report.mixing(a, "sample")
    assert free.between(0.85, 1.15).all() and free.index.tolist() == sorted(set(a.obs["sample"]))
    assert (qc_report.mixing(a, "cell_type") < 0.05).all()
    a.obs["one"] = "x"
    with pytest.raises(ValueError, match="one sample only, 'x'"):
        qc_report.mixing(a, "one")


def test_mixing_score_by_brute_force():
    rng = np.random.default_rng(0)
    Z, g = rng.normal(size=(40, 3)), rng.choice(["a", "b", "c"], 40)
    D = ((Z[:, None] - Z) ** 2).sum(-1)
    np.fill_diagonal(D, np.inf)
    near = np.argsort(D, 1)[:, :5]
    plain = [np.mean(g[near[i]] != g[i]) / ((g != g[i]).sum() / 39) for i in range(40)]
    np.testing.assert_allclose(qc_report._mixing_score(Z, g, 5), plain)


@pytest.mark.filterwarnings("ignore")
def test_page_is_whole_escaped_and_agrees_with_the_filter(tmp_path):
    a = cells()
    a.X[:30, :5] = 200.0
    a.X = sp.csr_matrix(a.X)
    before, uns = a.copy(), repr(a.uns)
    scores = smd.pp.find_doublets(a, by="sample")
    thresholds = smd.pp.mad_thresholds(a, by="sample")
    path = qc_report.write(a, tmp_path / "qc.html", doublets=scores, title="<i>T</i>", **thresholds)
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
    exec(line, {"smd": type("smd", (), {"qc": qc}), "adata": a, "doublets": scores}, done)
    assert done["adata"].shape == out.shape


def warned(path) -> str:
    return html.unescape(" ".join(re.findall(r'class="warn">(.*?)</p>', path.read_text())))


@pytest.mark.filterwarnings("ignore")
def test_every_warning_has_its_cause_and_clean_data_none(tmp_path):
    a = cells(600)
    assert warned(qc_report.write(a, tmp_path / "a.html", by="sample", min_genes=50)) == ""
    assert "ambient" in warned(
        qc_report.write(contaminated(a, 0.3), tmp_path / "a.html", min_genes=50)
    )
    assert "lie apart" in warned(
        qc_report.write(a, tmp_path / "a.html", by="cell_type", min_genes=50)
    )
    said = warned(qc_report.write(a, tmp_path / "a.html", min_genes=590))
    assert "No cell survives: of 600 cells min_genes took 600" in said
    b = a.copy()
    b.var_names = [f"g{j}" for j in range(600)]
    assert "No mitochondrial gene was found" in warned(
        qc_report.write(b, tmp_path / "a.html", min_genes=50)
    )
    b.var_names = [f"{'GRCh38' if j % 2 else 'mm10'}_g{j}" for j in range(600)]
    assert "genes of 2 species" in warned(qc_report.write(b, tmp_path / "a.html", min_genes=50))
    b = a.copy()
    thin = (b.obs["sample"] == "b & c").to_numpy() & (np.arange(600) % 2 == 0)
    b.X = sp.csr_matrix(b.X.multiply(np.where(thin, 0, 1)[:, None])).astype(np.float32)
    b.obs["sample"] = b.obs["sample"].where(~thin, "thin").astype(str)
    assert "'thin' loses 100%" in warned(
        qc_report.write(b, tmp_path / "a.html", by="sample", min_genes=50)
    )


@pytest.mark.filterwarnings("ignore")
def test_a_failed_report_leaves_the_old_one(tmp_path, monkeypatch):
    a, path = cells(100), tmp_path / "qc.html"
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
            qc_report.write(b, path, **kwargs)
        assert path.read_text() == "old"

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device. Choose another place"):
        qc_report.write(a, path, min_genes=50)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["qc.html"]


def test_bad_places(tmp_path):
    a = cells(100)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        qc_report.write(a, tmp_path)
    with pytest.raises(ValueError, match="does not end in .html"):
        qc_report.write(a, tmp_path / "qc.pdf")
    with pytest.raises(FileNotFoundError, match="no folder"):
        qc_report.write(a, tmp_path / "none" / "qc.html")
    assert os.listdir(tmp_path) == []


@pytest.mark.filterwarnings("ignore")
def test_report_of_a_few_cells(tmp_path):
    a = cells(5)
    text = qc_report.write(a, tmp_path / "qc.html", by="sample", min_genes=1).read_text()
    assert "cannot be told" in text
    assert Page(text)


@pytest.mark.parametrize(
    "name,low,high", [("pbmc_facs", 0, 0.02), ("baron_human", 0, 0.05), ("cellmix_5lines", 0, 0.2)]
)
def test_ambient_on_real_cells(data_dir, name, low, high):
    assert low <= qc_report.ambient(smd.io.load(name))["share"] <= high


def test_mixing_on_real_cells(data_dir):
    assert (qc_report.mixing(smd.io.load("baron_human"), "donor") < 0.3).all()
    assert (qc_report.mixing(smd.io.load("cellmix_5lines"), "plate") > 0.4).all()


def test_report_of_real_cells(data_dir, tmp_path):
    a = smd.io.load("pbmc_facs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = qc_report.write(a, tmp_path / "qc.html", **smd.pp.mad_thresholds(a))
    assert warned(path) == "" and path.stat().st_size < 1e6
