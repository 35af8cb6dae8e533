"""`import scsmd_nb` is light: a wing loads when it is first used, and heavy packages with the part that needs them."""

import json
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module

import pytest
from conftest import ROOT

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
FACES = ["io", "pp", "nn", "tl", "pl", "bench", "bench.methods", "bench.figures", "course", "cli"]


def loaded_after(code: str, names: list[str]) -> list[str]:
    "Which of `names` are loaded in a fresh interpreter after `code`."
    script = (
        f"{code}\nimport json, sys\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def rooms() -> list[str]:
    "Every module of the package, by its full name."
    paths = [p for p in (ROOT / "scsmd_nb").rglob("*.py") if p.name != "_modidx.py"]
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths]
    return sorted(n.removesuffix(".__init__") for n in names)


# ---------------------------------------------------------------- what loads


def test_the_package_loads_nothing_heavy_and_no_room():
    assert loaded_after("import scsmd_nb", [*HEAVY, "numpy", "scipy"]) == []
    ground = {"scsmd_nb", "scsmd_nb._faces", "scsmd_nb._words"}
    assert set(loaded_after("import scsmd_nb", rooms())) == ground


def test_looking_at_the_faces_loads_nothing_heavy():
    code = (
        "from importlib import import_module\nimport scsmd_nb as smd\ndir(smd); smd.__version__\n"
    )
    code += "\n".join(f"dir(import_module('scsmd_nb.{face}'))" for face in FACES)
    assert loaded_after(code, HEAVY) == []


@pytest.mark.parametrize(
    "code, without",
    [
        ("smd.tl.metrics", ["torch", "scanpy", "lightning_fabric"]),
        (
            "smd.io.DATASETS, smd.io.info()",
            ["torch", "scanpy", "sklearn", "matplotlib", "requests"],
        ),
        ("smd.io.read, smd.io.write_csv", ["torch", "scanpy", "sklearn", "matplotlib", "loompy"]),
        ("smd.io.simulate", ["torch", "scanpy", "scsmd_nb.io.catalog"]),
        ("smd.pp.filter", ["torch", "scsmd_nb.io.catalog", "scsmd_nb.io.downloads"]),
        ("smd.counts.get_counts", ["torch", "scanpy", "scsmd_nb.io"]),
    ],
)
def test_what_a_part_does_not_load(code, without):
    assert loaded_after(f"import scsmd_nb as smd\n{code}", without) == []


def test_library_needs_no_development_package():
    code = "from importlib import import_module\n" + "\n".join(
        f"import_module({name!r})" for name in rooms() if not name.endswith("__main__")
    )
    development = ["nbdev", "fastcore", "execnb", "IPython.core.interactiveshell"]
    assert loaded_after(code, development) == []


# ---------------------------------------------------------------- the faces


@pytest.mark.parametrize("wing", smd.WINGS)
def test_wings_are_attributes(wing):
    assert getattr(smd, wing).__name__ == f"scsmd_nb.{wing}"


@pytest.mark.parametrize("face", FACES)
def test_all_that_a_face_hands_on_is_there_and_public(face):
    module = import_module(f"scsmd_nb.{face}")
    for name in module.__all__:
        assert getattr(module, name) is not None and not name.startswith("_")
    assert set(dir(module)) >= set(module.__all__)


def test_the_two_names_that_everybody_needs():
    assert smd.SCSMD is smd.tl.SCSMD and smd.cluster is smd.tl.cluster
    assert {"SCSMD", "cluster", *smd.WINGS} == set(dir(smd))


@pytest.mark.parametrize(
    "where, name, near",
    [("", "clustr", "cluster"), ("io", "laod", "load"), ("pp", "fliter", "filter")],
)
def test_unknown_name_suggests_the_nearest(where, name, near):
    module = getattr(smd, where) if where else smd
    with pytest.raises(AttributeError, match=re.escape(f"Did you mean {near!r}?")):
        getattr(module, name)


def test_version_is_that_of_the_settings():
    settings = ConfigParser(delimiters=["="])
    settings.read(ROOT / "settings.ini")
    assert smd.__version__ == settings["DEFAULT"]["version"]
