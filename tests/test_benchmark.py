"""The benchmark harness: what a run may see, how it may end, and that no finished result is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.bench import runner
from scsmd_nb.bench.methods.registry import Method, names, register
from scsmd_nb.bench.table import _append

PROGRAM = Path(sys.executable).with_name("scsmd")


# ---------------------------------------------------------------- methods (found by the runs in this module, by name)


def small():
    "A data set of 90 cells with everything in it that could give labels away."
    a = smd.io.simulate(n_cells=90, n_genes=60, n_clusters=3, random_state=0)
    a = a[np.argsort(a.obs["cell_type"].to_numpy(), kind="stable")].copy()
    a.obs_names = [f"{t}_{i}" for i, t in enumerate(a.obs["cell_type"])]
    a.obsm["X_truth"], a.layers["counts"] = (
        pd.get_dummies(a.obs["cell_type"]).to_numpy(float),
        a.X.copy(),
    )
    a.raw = a
    return a


def looks(adata, n_clusters, random_state):
    assert adata.obs.shape == (90, 0) and list(adata.obs_names) == [f"cell_{i}" for i in range(90)]
    assert (
        not adata.uns
        and not adata.obsm
        and not adata.obsp
        and not adata.layers
        and not adata.varm
        and adata.raw is None
    )
    assert adata.var.shape[1] == 0 and list(adata.var_names[:2]) == ["gene_0", "gene_1"]
    assert sp.issparse(adata.X) and (adata.X.data % 1 == 0).all() and n_clusters == 3
    assert (
        os.environ["OMP_NUM_THREADS"]
        == os.environ["NUMBA_NUM_THREADS"]
        == os.environ["MKL_NUM_THREADS"]
        == "1"
    )
    warnings.warn("seen with surprise")
    warnings.warn("seen with surprise")
    warnings.warn("old", DeprecationWarning)
    return np.asarray(adata.X.sum(1)).ravel().astype(int), np.tile(np.asarray(adata.X.sum(1)), 60)


def texts(adata, n_clusters, random_state):
    return np.array(["a", "b", "c"])[np.random.randint(3, size=adata.n_obs)], None


def leaves_a_child(adata, n_clusters, random_state):
    child = subprocess.Popen(["sleep", "300"])
    warnings.warn(f"child {child.pid}")
    return np.zeros(adata.n_obs), None


def stubborn(adata, n_clusters, random_state):
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, signal.SIG_IGN)
    time.sleep(200)


def short_of_memory(adata, n_clusters, random_state):
    np.ones(2**50)


def gives_up(adata, n_clusters, random_state):
    sys.exit("no more")


def crooked(adata, n_clusters, random_state):
    return np.zeros(adata.n_obs), np.zeros((3, 2))


def killed(adata, n_clusters, random_state):
    os.kill(os.getpid(), signal.SIGKILL)


def naps(adata, n_clusters, random_state):
    time.sleep(0.5)
    return np.arange(adata.n_obs) % n_clusters, None


def sleeps(adata, n_clusters, random_state):
    (Path(os.environ["SCSMD_TEST_MARK"]) / "asleep").write_text(str(os.getpid()))
    time.sleep(200)


def once(adata, n_clusters, random_state):
    mark = Path(os.environ["SCSMD_TEST_MARK"]) / "tried"
    if not mark.exists():
        mark.touch()
        raise OSError("the first time fails, with /some/secret/folder/file.txt")
    return np.arange(adata.n_obs) % n_clusters, None


@register("test-own")
def own(adata, n_clusters, random_state, budget="laptop", parts=2):
    return np.arange(adata.n_obs) % parts, None


def run(functions, out, **kwargs):
    kwargs = {"datasets": ("small", small()), "seeds": [0], "progress": False} | kwargs
    return smd.bench.run([Method(f.__name__, f) for f in functions], out=out, **kwargs)


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    "Folder and table of runs that end in different ways."
    out = tmp_path_factory.mktemp("endings")
    functions = (looks, texts, leaves_a_child, stubborn, short_of_memory, gives_up, crooked, killed)
    return out, run(functions, out, time_limit=5, jobs=2).set_index("method")


# ---------------------------------------------------------------- one run


def test_a_method_sees_counts_and_nothing_else(endings):
    out, table = endings
    row = table.loc["looks"]
    assert row["status"] == "ok", row["message"]
    assert row["warnings"] == "seen with surprise"
    assert (
        row["n_cells"],
        row["n_genes"],
        row["n_types"],
        row["n_clusters_asked"],
        row["threads"],
    ) == (90, 60, 3, 3, 1)


def test_labels_come_back_in_the_order_of_the_data(endings):
    kept = smd.bench.arrays(
        endings[0],
        {"dataset": "small", "method": "looks", "options": "{}", "budget": "laptop", "seed": 0},
    )
    totals = np.asarray(small().X.sum(1)).ravel().astype(int)
    assert (np.unique(totals, return_inverse=True)[1] == kept["labels"]).all()
    assert kept["embedding"].shape == (90, 50) and (kept["embedding"][:, 0] == totals).all()


def test_every_ending_is_a_row(endings):
    table = endings[1]
    assert table["status"].to_dict() == {
        "looks": "ok",
        "texts": "ok",
        "leaves_a_child": "ok",
        "stubborn": "timeout",
        "short_of_memory": "memory",
        "gives_up": "failed",
        "crooked": "failed",
        "killed": "memory",
    }
    for name, says in {
        "stubborn": "time limit of 5 s",
        "short_of_memory": "allocate",
        "gives_up": "SystemExit: no more",
        "crooked": "one row per cell",
        "killed": "SIGKILL",
    }.items():
        assert says in table.loc[name, "message"]
    failed = table[table["status"] != "ok"]
    assert (
        failed[["seconds", "ari", "n_clusters_found"]].isna().all(axis=None)
        and table["machine"].str.contains("cores").all()
    )


def test_nothing_is_left_running(endings):
    child = int(endings[1].loc["leaves_a_child", "warnings"].split()[1])
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    assert not list((endings[0] / "runs").glob("*.lock"))
    logs = [p.read_text() for p in (endings[0] / "runs").glob("*.log")]
    assert len(logs) == 5 and any("Traceback" in text and "no more" in text for text in logs)


def test_global_seeds_are_set(endings):
    key = {"dataset": "small", "method": "texts", "options": "{}", "budget": "laptop", "seed": 0}
    sizes = np.unique(smd.bench.arrays(endings[0], key)["labels"], return_counts=True)[1]
    drawn = [np.random.RandomState(seed).randint(3, size=90) for seed in (0, 1)]
    assert (sizes == np.bincount(drawn[0])).all() and (sizes != np.bincount(drawn[1])).any()


def test_options_own_registered_methods_and_retry(tmp_path, monkeypatch):
    monkeypatch.setenv("SCSMD_TEST_MARK", str(tmp_path))
    methods = [("test-own", {"parts": 3}), Method("once", once)]
    first = smd.bench.run(
        methods, ("small", small()), [0], out=tmp_path / "out", progress=False, jobs=2
    )
    assert list(first["status"]) == ["ok", "failed"] and first["n_clusters_found"][0] == 3
    assert list(first["options"]) == ['{"parts": 3}', "{}"]
    assert first["message"][1].endswith("with file.txt")
    second = smd.bench.run(methods, ("small", small()), [0], out=tmp_path / "out", progress=False)
    pd.testing.assert_frame_equal(first, second)
    third = smd.bench.run(
        methods, ("small", small()), [0], out=tmp_path / "out", progress=False, retry=True
    )
    assert list(third["status"]) == ["ok"] * 2 and third["date"][0] == first["date"][0]
    assert len((tmp_path / "out/results.csv").read_text().splitlines()) == 4
    assert not list((tmp_path / "out/runs").glob("*.log"))


# ---------------------------------------------------------------- mistakes of the caller


@pytest.mark.parametrize(
    "words, says",
    [
        (dict(methods="kmeanz"), "Did you mean 'kmeans'"),
        (dict(datasets="pbmc70"), "Did you mean 'pbmc700'"),
        (dict(methods=("test-own", {"part": 3})), "no option 'part'"),
        (dict(methods=[("test-own", {"parts": {1}})]), "cannot be written down"),
        (dict(datasets="pbmc700+drop=0.5"), "Did you mean 'dropout'"),
        (dict(datasets="pbmc700+depth=0"), "between 0 and 1"),
        (dict(datasets="pbmc700+noise=x"), "between 0 and 1"),
        (dict(labels="celltype"), "Did you mean 'cell_type'"),
        (dict(budget="published "), "Did you mean 'published'"),
        (dict(jobs=0), "jobs=0"),
        (dict(threads=1.5), "threads=1.5"),
        (dict(time_limit=0), "time_limit=0"),
        (dict(memory_limit=-1), "memory_limit=-1"),
        (dict(seeds=[]), "seeds=[]"),
        (dict(seeds=[-1]), "seeds=[-1]"),
        (dict(seeds=3), "seeds=3"),
        (dict(methods=[(Method("naps", naps), {"a": 1})]), "takes no options"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(tmp_path, words, says):
    words = dict(methods=["test-own"], datasets="pbmc700", seeds=[0], progress=False) | words
    if isinstance(words["methods"], tuple):
        words["methods"] = [words["methods"]]
    with pytest.raises(ValueError) as error:
        smd.bench.run(out=tmp_path / "new", **words)
    assert says in str(error.value) and not (tmp_path / "new").exists()


def test_data_without_labels_or_counts(tmp_path):
    a = small()
    del a.layers["counts"]
    for change, says in (
        (lambda b: b.obs.drop(columns="cell_type", inplace=True), "no column 'cell_type'"),
        (lambda b: b.obs.__setitem__("cell_type", "one"), "has 1 types"),
        (lambda b: setattr(b, "X", b.X / 3), "not a whole number"),
    ):
        b = a.copy()
        change(b)
        with pytest.raises(ValueError, match=says):
            run([naps], tmp_path, datasets=("mine", b))
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_cannot_travel(tmp_path):
    lock = threading.Lock()
    with pytest.raises(ValueError, match="cannot be sent"):
        smd.bench.run(Method("locked", lambda a, k, s: lock), ("small", small()), out=tmp_path)


def test_changed_data_are_not_mixed(endings):
    other = small()
    other.layers["counts"] = other.layers["counts"].copy() * 2
    with pytest.raises(ValueError, match="has changed"):
        run([looks], endings[0], datasets=("small", other))


# ---------------------------------------------------------------- the file

ROW = dict(
    schema=1,
    dataset="a",
    method="m",
    options='{"x": [1, 2]}',
    budget="laptop",
    seed=0,
    status="ok",
    message='a, "b"',
    ari=0.5,
    seconds=1.0,
    date="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def file(tmp_path):
    for seed in (0, 1, 2):
        _append(tmp_path / "results.csv", ROW | {"seed": seed})
    return tmp_path / "results.csv"


def test_every_cut_keeps_the_rows_before_it(file):
    whole = file.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    near = {end + step for end in ends for step in (-2, -1, 0, 1)}
    for size in sorted({*range(0, len(whole), 37), *near} - {*range(len(whole), len(whole) + 2)}):
        file.write_bytes(whole[:size])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seeds = list(smd.bench.read(file)["seed"])
            complete = max(
                0, sum(size >= end - 1 for end in ends) - 1
            )  # a row is whole if only its line end is missing
            assert seeds == list(range(complete)), size
            _append(file, ROW | {"seed": 7})
            assert list(smd.bench.read(file)["seed"]) == [*range(complete), 7], size


def test_damaged_lines_are_named_and_left_out(file):
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1], lines[2][:30], "\0\0\0", lines[3]]) + "\n")
    with pytest.warns(UserWarning, match="line 3, 4 is cut"):
        assert list(smd.bench.read(file)["seed"]) == [0, 2]


def test_windows_line_ends_and_later_rows(file):
    _append(file, ROW | {"ari": 0.9})
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    table = smd.bench.read(file.parent)
    assert list(table["seed"]) == [1, 2, 0] and list(table["ari"]) == [0.5, 0.5, 0.9]
    assert json.loads(table["options"][0]) == {"x": [1, 2]} and table["message"][0] == 'a, "b"'


@pytest.mark.parametrize(
    "text, says",
    [
        ("cell,cluster\nc1,0\n", "not a table of benchmark results"),
        ("schema,dataset,method,seed,ari\n1,a,b,0,1\n", "another version"),
        ("not even a table", "not a table"),
        ("\x89HDF", "not a table"),
    ],
)
def test_a_foreign_or_older_file_is_refused_and_kept(tmp_path, text, says):
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        smd.bench.read(tmp_path)
    with pytest.raises(ValueError, match=says):
        run([naps], tmp_path)
    assert (tmp_path / "results.csv").read_text() == text and len(list(tmp_path.iterdir())) == 1


def test_rows_of_another_schema_are_refused(file):
    file.write_text(file.read_text().replace("\n1,a", "\n2,a"))
    with pytest.raises(ValueError, match="schema 2"):
        smd.bench.read(file)


def test_no_results_yet(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results"):
        smd.bench.read(tmp_path)
    (tmp_path / "results.csv").touch()
    assert len(smd.bench.read(tmp_path)) == 0
    with pytest.raises(FileNotFoundError, match="no labels were kept"):
        smd.bench.arrays(tmp_path, ROW)


# ---------------------------------------------------------------- several harnesses, and their sudden end

SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
import test_benchmark as t
t.run([t.{method}], {out!r}, seeds=range({seeds}), jobs={jobs})
"""


def harness(out, method, seeds=1, jobs=1, **env):
    "A harness in another process, as in another shell. (The script has no `if __name__` guard, and needs none.)"
    script = SCRIPT.format(
        tests=str(Path(__file__).parent), method=method, out=str(out), seeds=seeds, jobs=jobs
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
    )


def wait_for(condition, seconds=180):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def gone(process):
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_two_harnesses_share_the_work(tmp_path):
    both = [harness(tmp_path, "naps", seeds=2) for _ in range(2)]
    texts = [h.communicate(timeout=120)[1] for h in both]
    assert [h.returncode for h in both] == [0, 0], texts
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert len(lines) == 3 and list(smd.bench.read(tmp_path)["status"]) == ["ok"] * 2
    assert not list((tmp_path / "runs").glob("*.lock"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_harness_that_ends_takes_its_run_with_it(tmp_path, how):
    first = harness(tmp_path / "out", "sleeps", SCSMD_TEST_MARK=str(tmp_path))
    wait_for(lambda: (tmp_path / "asleep").exists() and (tmp_path / "asleep").read_text())
    child = int((tmp_path / "asleep").read_text())
    assert (
        runner._claim(tmp_path / "out", next((tmp_path / "out/runs").glob("*.lock")).stem) is None
    )
    first.send_signal(how)
    text = first.communicate(timeout=30)[1]
    wait_for(lambda: gone(child), 10)
    assert not (tmp_path / "out/results.csv").exists()
    if how == signal.SIGINT:
        assert "0 finished runs are kept" in text
        assert not list((tmp_path / "out/runs").glob("*.lock"))
    else:  # its claim does not stand in the way of the same run
        claim = next((tmp_path / "out/runs").glob("*.lock")).stem
        assert (again := runner._claim(tmp_path / "out", claim)) is not None
        again.close()


def test_a_full_disk_says_so_and_keeps_what_is_there(file, monkeypatch):
    before, write = file.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda fd, line: write(fd, line[:20]))
    with pytest.raises(OSError, match="disk is full"):
        _append(file, ROW | {"seed": 3})
    monkeypatch.undo()
    _append(file, ROW | {"seed": 4})
    assert list(smd.bench.read(file)["seed"]) == [0, 1, 2, 4] and file.read_bytes().startswith(
        before
    )


# ---------------------------------------------------------------- disturbances and suites


@pytest.mark.parametrize("kind, amount", [("dropout", 0.3), ("depth", 0.25), ("noise", 0.2)])
def test_disturbances_have_their_expectation(kind, amount):
    x = small().X.toarray()
    ambient = x.sum(0) / x.sum()
    expected = {
        "dropout": (1 - amount) * x,
        "depth": amount * x,
        "noise": (1 - amount) * x + amount * x.sum(1, keepdims=True) * ambient,
    }[kind]
    function = smd.bench.DISTURBANCES[kind][0]
    draws = np.mean(
        [
            function(sp.csr_matrix(x), amount, np.random.default_rng(s)).toarray()
            for s in range(300)
        ],
        0,
    )
    spread = np.sqrt(np.maximum(x, 1) * x.max() / 300)
    assert (
        abs(draws - expected).max() < 5 * spread.max()
        and abs((draws - expected).mean()) < 0.02 * expected.mean()
    )
    assert function(sp.csr_matrix(x), amount, np.random.default_rng(0)).dtype == np.float32


def test_the_same_disturbed_counts_for_every_method_new_ones_for_every_seed(tmp_path):
    where = dict(datasets=[("small+depth=0.5", small())])
    table = run([first_total, second_total], tmp_path, seeds=[0], jobs=2, **where)
    other = run([first_total], tmp_path, seeds=[1], **where)
    assert list(table["dataset"].unique()) == ["small+depth=0.5"]
    assert table["warnings"].nunique() == 1 and table["warnings"][0] != other["warnings"][0]


def first_total(adata, n_clusters, random_state):
    warnings.warn(f"total {adata.X.sum():.0f}, first cell {adata.X[0].sum():.0f}")
    return np.arange(adata.n_obs) % 2, None


second_total = lambda adata, n_clusters, random_state: first_total(adata, n_clusters, random_state)
second_total.__name__ = "second_total"


def test_amounts_of_nothing_are_no_disturbance():
    assert smd.bench.parse_name("a+dropout=0+depth=1+noise=0.0") == ("a", "a", [])
    x = sp.csr_matrix(np.diag([3.0, 1.0, 2.0]).astype(np.float32))
    lost = smd.bench.disturb(x, [("dropout", 1.0)], np.random.default_rng(0))
    assert (lost.toarray() == np.eye(3)).all()  # one molecule back for each cell
    with_empty = sp.csr_matrix(np.array([[0.0, 0.0], [2.0, 0.0]], np.float32))
    assert (
        smd.bench.disturb(with_empty, [("dropout", 1.0)], np.random.default_rng(0)).toarray()
        == [[0, 0], [1, 0]]
    ).all()


def test_suites_speak_of_what_exists():
    for name in smd.bench.SUITES:
        plan = smd.bench.suite(name)
        for method in plan.methods:
            assert (method if isinstance(method, str) else method[0]) in names()
        for dataset in plan.datasets:
            smd.bench.parse_name(dataset)
    assert (
        len(set(smd.bench.SUITES["noise"].datasets)) == 27
        and len(smd.bench.SUITES["shared"].datasets) == 12
    )


def test_suites_find_their_data(data_dir):
    for name in {smd.bench.parse_name(d)[1] for s in smd.bench.SUITES.values() for d in s.datasets}:
        assert smd.bench.load(name).n_types > 1


# ---------------------------------------------------------------- the command


def test_ctrl_c_on_the_command_keeps_finished_rows(tmp_path):
    words = [
        PROGRAM,
        "bench",
        "--methods",
        "kmeans",
        "--datasets",
        "simulated",
        "--seeds",
        "0,1,2,3,4,5,6,7",
        "--out",
        tmp_path / "out",
    ]
    (tmp_path / "csv.py").write_text("open('ran', 'w'); raise SystemExit(3)")  # not to be loaded
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen([str(w) for w in words], cwd=tmp_path, env=env, **pipes)
    results = tmp_path / "out/results.csv"
    try:
        wait_for(
            lambda: (
                process.poll() is not None
                or results.exists()
                and results.read_text().count("\n") >= 2
            )
        )
    finally:
        process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[1]
    done = smd.bench.read(results)
    assert (
        process.returncode == 130
        and "finished runs are kept in" in text
        and "Traceback" not in text
    )
    assert 1 <= len(done) < 8 and not list((tmp_path / "out/runs").glob("*.lock"))
    assert not (tmp_path / "ran").exists(), "a module of the folder it is started in was loaded"


@pytest.mark.parametrize("missing", ["cloudpickle", "scikit_posthocs"])
def test_a_missing_extra_is_named(monkeypatch, missing):
    from scsmd_nb.bench import suites
    from scsmd_nb.bench.figures import scores

    monkeypatch.setitem(sys.modules, missing, None)
    need = {"cloudpickle": lambda: suites._pack(None), "scikit_posthocs": scores._posthocs}
    with pytest.raises(ImportError, match=r"pip install 'scsmd_nb\[bench\]'"):
        need[missing]()
