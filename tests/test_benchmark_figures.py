"""Figures of the benchmark: what they hold, what they say of gaps, and what bad input says; the results page runs."""

import json
import shutil
import warnings
from pathlib import Path

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import scsmd_nb as smd  # noqa: E402
from scsmd_nb.bench.figures import maps  # noqa: E402
from scsmd_nb.bench.methods import registry  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "nbs" / "results"
METHODS = ["scsmd", "scsmd-paper", "scdeepcluster", "sczidesk", "scdcca", "dca", "leiden", "kmeans"]
SETS = ["pbmc4k", "zeisel", "baron_human", "mouse_bladder"]


@pytest.fixture(scope="module")
def df():
    table = smd.bench.figures.made_up(METHODS, SETS)
    gone = (table["method"] == "dca") & (table["dataset"] == "zeisel")
    table.loc[gone, "status"], table.loc[gone, "message"] = "timeout", "stopped after 60 s"
    table.loc[gone, ["ari", "nmi_max", "nmi_mean", "accuracy"]] = np.nan
    return table[~((table["method"] == "leiden") & (table["dataset"] == "pbmc4k"))].reset_index(
        drop=True
    )


@pytest.fixture(scope="module")
def everything(df):
    "Plain comparison, ablation and noise suite in one table."
    options = [
        json.dumps({"dilations": d})
        for d in ([2, 4, 6, 8], [1, 3, 5, 7], [6, 8, 10, 12], [10, 8, 6, 4])
    ]
    parts = smd.bench.figures.made_up(
        ["scsmd"],
        SETS,
        options=["{}", *options, '{"beta": 0}', '{"cellnet": false}', '{"dilations": null}'],
    )
    noisy = smd.bench.figures.made_up(
        ["scsmd", "leiden", "kmeans"],
        [f"zeisel+{k}={v}" for k in ("dropout", "depth", "noise") for v in (0.2, 0.5)],
    )
    return pd.concat([df, parts[parts["options"] != "{}"], noisy], ignore_index=True)


@pytest.fixture(autouse=True)
def settings_stay():
    before, open_figures = dict(matplotlib.rcParams), plt.get_fignums()
    yield
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == open_figures


FIGURES = [
    smd.bench.figures.bars,
    smd.bench.figures.heatmap,
    smd.bench.figures.time_accuracy,
    smd.bench.figures.memory,
]


def words(fig) -> str:
    return " ".join(t.get_text() for t in fig.findobj(matplotlib.text.Text))


@pytest.mark.parametrize("draw", FIGURES)
def test_table_stays_as_it_was_and_width_fits(df, draw):
    before = df.copy()
    fig = draw(df)
    assert fig.get_size_inches()[0] <= 9
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize("draw", FIGURES)
def test_bad_input_says_what_and_how(df, draw):
    with pytest.raises(ValueError, match="no rows: run a suite first"):
        draw(df.head(0))
    with pytest.raises(ValueError, match="lack the columns"):
        draw(df.drop(columns="options"))
    with pytest.raises(ValueError, match="boom|no finished run"):
        draw(df.assign(status="failed", message="boom"))
    with pytest.raises(TypeError, match="smd.bench.read"):
        draw("results.csv")
    with pytest.raises(ValueError, match="Did you mean 'zeisel'"):
        draw(df, datasets=["ziesel"])
    if draw is not smd.bench.figures.memory:
        with pytest.raises(ValueError, match="Did you mean 'nmi_max'"):
            draw(df, metric="nmi")


def test_bars_hold_means_and_spreads(df):
    fig = smd.bench.figures.bars(df, "ari", datasets="baron_human", methods=["scsmd", "kmeans"])
    ax = fig.axes[0]
    own = df[(df["dataset"] == "baron_human") & (df["method"] == "kmeans")]["ari"]
    widths = sorted(p.get_width() for p in ax.patches)
    assert any(np.isclose(own.mean(), w) for w in widths) and len(widths) == 2
    lines = np.concatenate([c.get_segments() for c in ax.collections if hasattr(c, "get_segments")])
    assert np.isclose(np.ptp(lines[:, :, 0], axis=1), 2 * own.std()).any()


def test_gaps_and_failures_are_shown(df):
    for fig in (smd.bench.figures.bars(df), smd.bench.figures.heatmap(df)):
        text = words(fig)
        assert "×" in text and "–" in text and "every run failed (1). – not run (1)." in text
    assert "(3 of 4 sets)" in words(smd.bench.figures.heatmap(df))
    table = smd.bench.figures.summary(df)
    assert table.loc["DCA + k-means", ["data sets", "failed runs"]].tolist() == ["3 of 4", 3]
    assert table.loc["Leiden (res. 1)", "data sets"] == "3 of 4"
    fig = smd.bench.figures.time_accuracy(df)
    assert "DCA + k-means (3 of 4 sets)" in words(fig) and "hollow" in words(fig)


def test_a_mean_is_over_seed_means(df):
    unequal = df.drop(
        df[(df["method"] == "kmeans") & (df["dataset"] == "zeisel") & (df["seed"] > 0)].index
    )
    per_set = unequal[unequal["method"] == "kmeans"].groupby("dataset")["ari"].mean()
    assert np.isclose(smd.bench.figures.summary(unequal).loc["k-means", "ARI"], per_set.mean())
    assert smd.bench.figures.summary(unequal).loc["k-means", "seeds"] == "1 to 3"


def test_one_seed_has_no_spread_and_says_so(df):
    one = df[df["seed"] == 0]
    assert "1 seed: no spread drawn" in words(smd.bench.figures.bars(one))
    assert smd.bench.figures.summary(one)["ARI sd over seeds"].isna().all()
    assert smd.bench.figures.seed_means(one)["sd"].isna().all()


def test_a_repeated_run_counts_once_and_the_last_one_wins(df):
    again = df.iloc[[0]].assign(ari=0.123)
    table = smd.bench.figures.seed_means(pd.concat([df, again]))
    same = table[
        (table["dataset"] == df["dataset"][0]) & (table["method"] == df["method"][0])
    ].iloc[0]
    assert same["seeds"] == 3
    values = df[(df["dataset"] == df["dataset"][0]) & (df["method"] == df["method"][0])][
        "ari"
    ].to_numpy()
    assert np.isclose(same["mean"], np.append(values[1:], 0.123).mean())


def test_budgets_and_options_are_never_mixed(df):
    both = pd.concat(
        [df, df.assign(budget="published", ari=0.0), df.assign(options='{"beta": 0}', ari=1.0)]
    )
    labels = set(smd.bench.figures.seed_means(both)["label"])
    assert {
        "k-means",
        "k-means (published)",
        "k-means (beta=0)",
        "scSMD (default; beta=0)",
    } <= labels
    pd.testing.assert_frame_equal(
        smd.bench.figures.seed_means(smd.bench.figures.compared(both)),
        smd.bench.figures.seed_means(df),
    )


def overlaps(boxes) -> list:
    return [
        (i, j)
        for i, a in enumerate(boxes)
        for j, b in enumerate(boxes[:i])
        if a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1
    ]


def test_names_of_22_methods_do_not_overlap():
    names = registry.names()
    names += [f"method {i}" for i in range(22 - len(names))]
    big = smd.bench.figures.made_up(names[:22], [f"set_{i}" for i in range(12)])
    near = big.assign(cpu_seconds=10 + big["cpu_seconds"] / 1e4)  # all as good as equally fast
    noisy = smd.bench.figures.made_up(
        names[:22], [f"a{s}" for s in ("", "+dropout=0.2", "+dropout=0.4")]
    )
    figures = {
        "time": smd.bench.figures.time_accuracy(big),
        "near": smd.bench.figures.time_accuracy(near),
        "robust": smd.bench.figures.robustness(noisy),
        "cd": smd.bench.figures.critical_difference(big),
        "bars": smd.bench.figures.bars(big),
        "heat": smd.bench.figures.heatmap(big),
    }
    titles = {smd.bench.figures.title(n) for n in names}
    for name, fig in figures.items():
        fig.draw_without_rendering()
        frame = fig.bbox
        for ax in fig.axes:
            shown = [
                t
                for t in [*ax.texts, *ax.get_yticklabels()]
                if any(k in t.get_text() for k in titles)
            ]
            boxes = [matplotlib.text.Text.get_window_extent(t) for t in shown if t.get_visible()]
            boxes = [b for b in boxes if b.width > 1]
            assert not overlaps(boxes), (
                f"{name}: {[(shown[i].get_text(), shown[j].get_text()) for i, j in overlaps(boxes)]}"
            )
            assert all(b.x0 >= frame.x0 - 2 and b.x1 <= frame.x1 + 2 for b in boxes), name


def test_rank_test_on_shared_sets_only(df):
    test = smd.bench.figures.rank_test(df)
    assert set(test.left_out) == {"zeisel", "pbmc4k"} and len(test.datasets) == 2
    text = words(smd.bench.figures.critical_difference(df))
    assert "over the 2 data sets they share" in text and "zeisel (DCA + k-means)" in text
    whole = smd.bench.figures.rank_test(
        df, methods=[m for m in METHODS if m not in ("dca", "leiden")]
    )
    assert len(whole.datasets) == 4 and not whole.left_out
    with pytest.raises(ValueError, match="DCA \\+ k-means lacks 1"):
        smd.bench.figures.critical_difference(df[df["dataset"] == "zeisel"])


def test_dilations_beside_published(everything):
    published = smd.bench.figures.read_published(RESULTS / "published.csv")
    table = smd.bench.figures.dilation_table(everything, "ari", published)
    row = table.loc["baron_human (paper: Baron)"]
    assert row["(4,6,8,10)", "published"] == "0.724" and "±" in row["(4,6,8,10)", "measured"]
    assert table.loc["Osteosarcoma (paper only)"]["(10,8,6,4)", "published"] == "0.356"
    assert set(table.columns.get_level_values(0)) == {
        "(2,4,6,8)",
        "(1,3,5,7)",
        "(4,6,8,10)",
        "(6,8,10,12)",
        "(10,8,6,4)",
    }
    assert "the best dilations" in words(smd.bench.figures.dilations(everything))
    with pytest.raises(ValueError, match="run the ablation suite"):
        smd.bench.figures.dilations(everything[everything["options"] == "{}"])


def test_figures_fit_the_ablation_suite():
    suite = smd.bench.suite("ablation")
    rows = [
        smd.bench.figures.made_up([m], suite.datasets, options=[json.dumps(o)])
        for m, o in [x if isinstance(x, tuple) else (x, {}) for x in suite.methods]
    ]
    table = pd.concat(rows, ignore_index=True)
    assert (
        smd.bench.figures.dilation_table(table, "ari", None, "scsmd").shape[1]
        == smd.bench.figures.dilation_table(table, "ari", None, "scsmd-paper").shape[1]
        == 5
    )
    assert not smd.bench.figures.ablation_table(table)["variant"].str.contains("paper;").any()
    published = smd.bench.figures.read_published(RESULTS / "published.csv")
    own = smd.bench.figures.measured_beside_published(table, published).query(
        "source == 'table 3' and `published for` == 'Zeisel'"
    )
    assert set(own["as"]) == {"scSMD (default)", "scSMD (paper)"} and len(own) == 10


def test_dilations_and_ablation_do_not_mix_budgets(everything):
    own = everything[
        everything["options"].eq("{}")
        & everything["dataset"].eq("zeisel")
        & everything["method"].eq("scsmd")
    ]
    both = pd.concat([everything, own.assign(budget="published", ari=0.0)])
    pd.testing.assert_frame_equal(
        smd.bench.figures.dilation_runs(both), smd.bench.figures.dilation_runs(everything)
    )
    pd.testing.assert_frame_equal(
        smd.bench.figures.ablation_table(both), smd.bench.figures.ablation_table(everything)
    )
    table = smd.bench.figures.budget_table(both)
    assert len(table) == 1 and np.isclose(table["laptop - published"].iloc[0], own["ari"].mean())
    assert smd.bench.figures.dilations(both).axes


def test_ablation_pairs_by_set_and_seed(everything):
    table = smd.bench.figures.ablation_table(everything)
    assert {
        "beta=0",
        "no CellNet",
        "no attention gates",
        "scSMD (paper)",
        "dilations 2,4,6,8",
    } <= set(table["variant"])
    own = everything[
        (everything["method"] == "scsmd") & (everything["dataset"] == "zeisel")
    ].set_index(["options", "seed"])["ari"]
    expected = (own['{"beta": 0}'] - own["{}"]).mean()
    got = table[(table["variant"] == "beta=0") & (table["dataset"] == "zeisel")]["difference"].iloc[
        0
    ]
    assert np.isclose(got, expected)
    assert smd.bench.figures.ablation(everything).axes


def test_robustness_needs_whole_lines(everything):
    table = smd.bench.figures.disturbed(everything)
    assert set(table["kind"]) == {"dropout", "depth", "noise"}
    assert (
        table.query("kind == 'depth'")["strength"].max() == 1
        and table.query("kind == 'noise'")["strength"].min() == 0
    )
    lacking = everything.drop(
        everything[
            (everything["method"] == "kmeans") & everything["dataset"].eq("zeisel+noise=0.5")
        ].index
    )
    assert "k-means" not in set(
        smd.bench.figures.disturbed(lacking).query("kind == 'noise'")["label"]
    )
    assert smd.bench.figures.robustness(lacking).axes
    with pytest.raises(ValueError, match="run the noise suite"):
        smd.bench.figures.robustness(smd.bench.figures.compared(everything))


def test_published_numbers_are_those_of_the_seed():
    table = smd.bench.figures.read_published(RESULTS / "published.csv")
    assert table.groupby("source").size()[["table 1", "table 2", "table 3"]].tolist() == [
        10,
        25,
        25,
    ]
    value = lambda **k: table.loc[
        np.logical_and.reduce([table[c] == v for c, v in k.items()]), "value"
    ].tolist()
    assert value(metric="nmi", dataset="Baron", setting="dilations 6,8,10,12") == [0.814]
    assert value(metric="ari", dataset="Osteosarcoma", setting="dilations 10,8,6,4") == [0.356]
    assert value(metric="nmi", method="sccan") == [0.8309, 0.502]
    assert value(metric="cells", dataset="PBMC") == [4340]
    assert table["value"].notna().all() and (table["source"] != "").all()


def test_every_published_score_is_answered(everything):
    published = smd.bench.figures.read_published(RESULTS / "published.csv")
    table = smd.bench.figures.measured_beside_published(everything, published)
    scores = published[published["metric"].isin(["ari", "nmi", "accuracy"])]
    assert len(
        table.drop_duplicates(["metric", "published for", "method", "setting", "source"])
    ) == len(scores)
    assert (table["what differs"] != "").all()
    gone = table[table["published for"].isin(["Bhattacherjee", "Osteosarcoma"])]
    assert gone["measured"].isna().all() and gone["what differs"].eq("not available here").all()
    pbmc = table[
        (table["published for"] == "PBMC")
        & (table["metric"] == "ARI")
        & (table["setting"] == "dilations 4,6,8,10")
    ]
    assert list(pbmc["as"]) == ["scSMD (default)", "scSMD (paper)"]
    own = everything[
        (everything["method"] == "scsmd")
        & (everything["dataset"] == "pbmc4k")
        & (everything["options"] == "{}")
    ]["ari"]
    assert (
        np.isclose(pbmc["difference"].iloc[0], own.mean() - 0.852)
        and "4,340 there" in pbmc["what differs"].iloc[0]
    )


def test_losses_name_the_best_rival(df):
    table = smd.bench.figures.losses(df.assign(ari=df["ari"].where(df["method"] != "kmeans", 0.99)))
    assert (
        (table["best rival"] == "k-means").all()
        and (table["difference"] < 0).all()
        and (table["rivals ahead"] >= 1).all()
    )
    with pytest.raises(ValueError, match="shares no data set"):
        smd.bench.figures.losses(df[df["method"] == "scsmd"])


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(2.0, (90, 20)).astype(np.float32))
    adata.obs["cell_type"] = pd.Categorical(np.repeat(["T", "B", None], [50, 30, 10]))
    return adata


def test_colours_follow_the_type(cells):
    labels = np.repeat([2, 0, 1], [50, 30, 10])
    plane = np.random.default_rng(0).normal(size=(90, 2))
    table = smd.bench.figures.umap_table(
        cells, {"kmeans": labels}, embeddings={"kmeans": plane, "": plane}
    )
    part = table[table["panel"] == "kmeans"]
    assert len(part) == 80 and (part["matched"] == part["type"]).all() and part["ari"].iloc[0] == 1
    fig = smd.bench.figures.draw_maps(table)
    colours = [[tuple(c.get_facecolor()[0]) for c in ax.collections] for ax in fig.axes]
    assert colours[0] == colours[1] and "k-means\nARI 1.00" in words(fig)
    surplus = smd.bench.figures.umap_table(
        cells, {"many": np.arange(90) % 4}, embeddings={"many": plane, "": plane}
    )
    assert (surplus.query("panel == 'many'")["matched"] == "").any()


def test_maps_from_a_run_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(
        maps, "_map", lambda space, random_state: space[:, :2]
    )  # UMAP itself is tested in its notebook
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smd.bench.run(["kmeans"], ["pbmc700"], seeds=(0,), out=tmp_path, time_limit=300)
    table = smd.bench.figures.umap_table_of_runs(tmp_path, "pbmc700", max_cells=60)
    assert set(table["panel"]) == {"", "kmeans"} and len(table) == 120
    row = smd.bench.read(tmp_path).iloc[0]
    assert np.isclose(table.query("panel == 'kmeans'")["ari"].iloc[0], row["ari"], atol=1e-3)
    with pytest.raises(ValueError, match="not in the results"):
        smd.bench.figures.umap_table_of_runs(tmp_path, "pbmc4k")


def test_provenance_counts_runs(df):
    table = smd.bench.figures.provenance(df)
    assert table["runs"].sum() == len(df) and table["failed"].sum() == (df["status"] != "ok").sum()
    assert "8 methods on 4 data sets" in smd.bench.figures.seeds_in_words(df)


def run_page(folder: Path, tables: dict) -> str:
    "The results page run on made-up files: its text output."
    import nbformat
    from nbclient import NotebookClient

    shutil.copy(RESULTS / "benchmark.ipynb", folder)
    for name in ("published.csv", "accuracy.csv"):
        shutil.copy(RESULTS / name, folder)
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
    page = nbformat.read(folder / "benchmark.ipynb", 4)
    NotebookClient(
        page, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    out = [o for c in page.cells if c.cell_type == "code" for o in c.outputs]
    assert not [o for o in out if o.output_type == "error"]
    return "\n".join(
        str(o.get("data", {}).get("text/markdown", "")) + str(o.get("text", "")) for o in out
    )


@pytest.mark.skipif(
    not (RESULTS / "benchmark.ipynb").exists(), reason="the results page is not there yet"
)
def test_results_page_runs_on_few_results(tmp_path):
    table = smd.bench.figures.made_up(["scsmd", "kmeans"], ["zeisel"], seeds=[0])
    text = run_page(tmp_path, {"benchmark.csv": table})  # the notebook runs on all of them
    assert "scSMD" in text and "Not drawn" in text
