"""`import scsmd_nb` is light: heavy packages load when a submodule that needs them is first used."""

import json
import subprocess
import sys

import pytest

import scsmd_nb as smd

HEAVY = [
    "torch",
    "scanpy",
    "anndata",
    "sklearn",
    "pandas",
    "matplotlib",
    "seaborn",
    "numba",
    "lightning_fabric",
]


def loaded_after(code: str, names: list[str]) -> list[str]:
    "Which of `names` are loaded in a fresh interpreter after `code`."
    script = (
        f"{code}\nimport json, sys\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_package_loads_nothing_heavy():
    assert loaded_after("import scsmd_nb", [*HEAVY, "numpy", "scipy"]) == []


def test_dir_and_version_load_nothing_heavy():
    assert loaded_after("import scsmd_nb; dir(scsmd_nb); scsmd_nb.__version__", HEAVY) == []


def test_metrics_do_not_load_torch_or_scanpy():
    assert (
        loaded_after("import scsmd_nb; scsmd_nb.metrics", ["torch", "scanpy", "lightning_fabric"])
        == []
    )


def test_library_needs_no_development_package():
    code = "import importlib, scsmd_nb\nfor n in scsmd_nb._SUBMODULES: getattr(scsmd_nb, n)"
    assert (
        loaded_after(code, ["nbdev", "fastcore", "execnb", "IPython.core.interactiveshell"]) == []
    )


@pytest.mark.parametrize("name", smd._SUBMODULES)
def test_submodules_are_attributes(name):
    assert getattr(smd, name).__name__ == f"scsmd_nb.{name}"


def test_public_names_come_from_the_model():
    assert smd.SCSMD is smd.tl.SCSMD and smd.cluster is smd.tl.cluster
    assert {"SCSMD", "cluster", "metrics", "__version__"} <= set(dir(smd))


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(AttributeError, match="did you mean 'metrics'"):
        smd.metric


def test_version_is_that_of_the_settings():
    from configparser import ConfigParser

    from conftest import ROOT

    settings = ConfigParser(delimiters=["="])
    settings.read(ROOT / "settings.ini")
    assert smd.__version__ == settings["DEFAULT"]["version"]
