"""The checks of `make test` name what is wrong and leave the tree as it is."""

import json
import subprocess
import sys
from pathlib import Path

import check_clean
import check_sync
import nbformat
import numpy as np

import scsmd_nb as smd


def test_modules_out_of_step_are_named():
    here = {"a.py": "x = 1\n", "b.py": "y = 1\n", "old.py": ""}
    fresh = {"a.py": "x = 1\n", "b.py": "y = 2\n", "new.py": ""}
    found = check_sync.compare(here, fresh)
    assert len(found) == 3
    assert "scsmd_nb/b.py differs" in found[0] and "-y = 1" in found[0]
    assert found[1] == "scsmd_nb/new.py has not been exported yet"
    assert found[2] == "scsmd_nb/old.py comes from no notebook"


def notebook(**changes) -> dict:
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": ["1+1"],
    }
    return {
        "cells": [cell | changes],
        "metadata": {
            "kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def why(path, nb) -> str:
    path.write_text(json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    before = path.read_text()
    said = check_clean.unclean(path)
    assert path.read_text() == before
    return said


def test_unclean_notebooks_are_named_and_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(check_clean.ROOT)
    path = tmp_path / "n.ipynb"
    assert why(path, notebook()) == ""
    assert why(path, notebook(execution_count=3)) == "cells [0]"
    assert why(path, notebook(metadata={"scrolled": True})) == "cells [0]"
    assert "language_info" in why(
        path, notebook() | {"metadata": notebook()["metadata"] | {"language_info": {}}}
    )
    path.write_text(json.dumps(notebook()))
    assert "laid out" in check_clean.unclean(path)


def test_rare_types_are_scored_by_their_best_cluster():
    import bench_accuracy
    import pytest

    types = ["a"] * 480 + ["b"] * 12 + ["c"] * 8
    whole = [0] * 480 + [1] * 12 + [2] * 8
    assert bench_accuracy.rare_types(whole, types).tolist() == [1, 1]  # a is not rare
    swallowed = [0] * 480 + [1] * 12 + [0] * 8
    b, c = bench_accuracy.rare_types(swallowed, types)
    assert b == 1 and c == pytest.approx(2 * 8 / (488 + 8))
    halved = [0] * 480 + [1] * 6 + [2] * 6 + [2] * 8
    assert bench_accuracy.rare_types(halved, types) == pytest.approx([2 * 6 / 18, 2 * 8 / 22])


def test_bench_accuracy_shares_pretraining_where_only_later_phases_differ(tmp_path, monkeypatch):
    import bench_accuracy

    import scsmd_nb as smd
    from scsmd_nb.bench.methods import registry
    from scsmd_nb.tl import training

    cells = smd.io.simulate(n_cells=60, n_genes=50, n_clusters=3, fold_change=2, random_state=0)

    def fit(**options):
        method = registry.get("scsmd", "laptop", max_epochs=1, **{"start": "kmeans"} | options)
        return method(cells, 3, 0)

    plain, part = training.train_phase, dict(n_linear=0, soft_epochs=0)
    labels, z = fit(**part)
    monkeypatch.setattr(training, "train_phase", plain)  # put back at the end
    bench_accuracy.share_pretraining(tmp_path, takes=False)
    fit()
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    training.train_phase = plain
    bench_accuracy.share_pretraining(tmp_path, takes=True)
    again = fit(**part)
    assert (again[0] == labels).all() and (again[1] == z).all()
    assert list(tmp_path.iterdir()) == [kept] and kept.stat().st_mtime_ns == before


def test_bench_accuracy_tells_hits_from_misses(capsys):
    import bench_accuracy
    import pandas as pd

    scores = {"kmeans": [0.7, 0.6, 0.75], "leiden-k": [0.7, 0.7, 0.7], "gmm": [0.9, 0.9, 0.6]}
    sets, rows = ["pbmc4k", "bm_stroma", "zeisel"], []
    for method, values in (scores | {"scsmd": [0.9, 0.8, 0.6]}).items():
        for name, value in zip(sets, values):
            row = dict(method=method, dataset=name, seed=0, ari=value, nmi_max=value, options="{}")
            row |= dict(n_clusters_found=4, n_clusters_asked=4, n_cells=100, warnings="")
            rows.append(row | dict(status="ok", budget="laptop", cpu_seconds=1.0))
    rows = pd.DataFrame(rows)
    bench_accuracy.accuracy(rows)
    said = capsys.readouterr().out
    assert "MISSED  first in mean ARI; behind: Gaussian mixture (-0.033)" in said
    assert "MISSED  -0.033 +- 0.033 to the best, Gaussian mixture (0.800)" in said
    assert "MISSED  on no set more than 0.10 behind k-means or Leiden to K: zeisel -0.15" in said
    bench_accuracy.spread(rows)
    assert "holds   every fit with fewer says so" in capsys.readouterr().out
    bench_accuracy.spread(rows.assign(n_clusters_found=3))
    assert "MISSED  every fit with fewer says so (0 of 3)" in capsys.readouterr().out
    found = rows[rows["method"].isin(["scsmd", "leiden-k"])].assign(f1=0.4)
    bench_accuracy.rare(found)
    assert "holds   0.000 against 0.000 of Leiden" in capsys.readouterr().out
    bench_accuracy.rare(found.assign(f1=found["method"].map({"scsmd": 0.4, "leiden-k": 0.5})))
    assert "MISSED  0.000 against 1.000 of Leiden" in capsys.readouterr().out
    price = pd.DataFrame(dict(cpu_fit=[10.0], cpu_confidence=[4.0]))
    bench_accuracy.cost(rows, price)
    assert "MISSED  10.0 s a fit, 14.0 s with confidence: 1.40 times" in capsys.readouterr().out


def test_parts_of_bench_accuracy_are_known_ablations():
    import bench_accuracy

    from scsmd_nb.bench.suites import ABLATIONS

    assert set(bench_accuracy.PARTS) <= set(ABLATIONS)


def test_bench_samples_takes_a_type_out_of_all_samples_but_one(tmp_path):
    import anndata as ad
    import bench_samples as b

    whole, nothing = b.cells(b.SIMULATED)
    part, only = b.cells(b.SIMULATED, "type_2")
    assert nothing == "" and only in set(whole.obs["sample"])
    here = part.obs["cell_type"] == "type_2"
    assert set(part.obs["sample"][here]) == {only} and part.obs["sample"].nunique() == 2
    gone = (whole.obs["cell_type"] == "type_2") & (whole.obs["sample"] != only)
    assert gone.sum() and part.n_obs == whole.n_obs - gone.sum()
    job = b.job(tmp_path, tmp_path, 0, b.SIMULATED, "pca", 0, "type_2")
    assert job["k"] == 5 and list(ad.read_h5ad(job["cells"]).obs) == ["sample"]  # no types


def test_bench_samples_scores_what_a_run_left(tmp_path):
    import bench_samples as b

    adata, _ = b.cells(b.SIMULATED)
    types, sample = adata.obs["cell_type"].to_numpy(), adata.obs["sample"].to_numpy()
    z = np.random.default_rng(0).normal(size=(adata.n_obs, 4))
    for removed, own in (("", types), ("type_2", b.cells(b.SIMULATED, "type_2")[0].obs["sample"])):
        file = b.vectors(tmp_path, b.SIMULATED, "scsmd", 0, removed)
        own = np.unique(own, return_inverse=True)[1]
        np.savez(file, z=z[: len(own)], own=own, cpu=1.5, version="0")
    (right,) = b.score(tmp_path, b.SIMULATED, "scsmd", 0)
    assert right["ari"] == right["nmi_max"] == 1 and right["everywhere"]
    assert right["ari_samples"] == right["ari_types_samples"] == smd.tl.ari(sample, types)
    (wrong,) = b.score(tmp_path, b.SIMULATED, "scsmd", 0, "type_2")
    assert wrong["ari_samples"] == 1 and wrong["f1_before"] == 1 and wrong["f1"] < 0.5
    assert set(right) | set(wrong) <= set(b.COLUMNS)


def test_notebooks_that_fail_or_end_their_process_are_told(tmp_path):
    sources = {"good": "assert 1 + 1 == 2", "bad": "1 / 0", "gone": "import os; os._exit(3)"}
    for name, source in sources.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    command = [sys.executable, str(Path(check_clean.__file__).with_name("test_notebooks.py"))]
    done = subprocess.run(
        [*command, *(str(tmp_path / f"{name}.ipynb") for name in sources)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.endswith(".ipynb")]
    told = {Path(line[-1]).stem: line[0] for line in lines if line[0] in ("ok", "FAILED")}
    assert told == {"good": "ok", "bad": "FAILED", "gone": "FAILED"}


def test_saving_in_jupyterlab_leaves_a_notebook_as_it_is_in_git(tmp_path):
    "As `make lab` starts it: the kernel's name and version, execution numbers and times are taken out."
    from jupyter_server.services.contents.filemanager import FileContentsManager
    from traitlets.config import PyFileConfigLoader

    root = Path(check_clean.ROOT)
    config = PyFileConfigLoader(str(root / "tools/jupyter_config.py")).load_config()
    manager = FileContentsManager(root_dir=str(tmp_path), config=config)
    for page in ("nbs/api/02_words.ipynb", "nbs/course/01_counts_and_qc.ipynb"):
        (tmp_path / "page.ipynb").write_bytes((root / page).read_bytes())
        model = manager.get("page.ipynb", content=True)
        model["content"]["metadata"] = {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python", "version": "3.12.1"},
        }
        for i, cell in enumerate(c for c in model["content"]["cells"] if c.cell_type == "code"):
            cell["execution_count"] = i
            cell["metadata"]["execution"] = {"iopub.status.idle": "2026-01-01T00:00:00Z"}
        manager.save(model, "page.ipynb")
        assert (tmp_path / "page.ipynb").read_text() == (root / page).read_text()


def test_setup_leaves_an_environment_alone_that_a_link_leads_to(tmp_path):
    root, other = tmp_path / "checkout", tmp_path / "other"
    (root / "tools").mkdir(parents=True)
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "kept").write_text("")
    (root / ".venv").symlink_to(other)
    for name in ("requirements.lock", "setup.py", "pyproject.toml", "settings.ini"):
        (root / name).write_text("")
    script = Path(check_clean.ROOT) / "tools" / "setup.sh"
    (root / "tools" / "setup.sh").write_text(script.read_text())
    done = subprocess.run(["bash", "tools/setup.sh"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1 and f".venv is a link to {other}" in done.stderr
    assert [p.name for p in other.rglob("*")] == ["bin", "kept"]
