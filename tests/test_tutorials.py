"""The runner of tutorials and lessons notices what it promises to notice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tutorials


def notebook(path: Path, *sources: str) -> Path:
    "A notebook of code cells."
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources]), path
    )
    return path


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    "A folder with one lesson of one exercise and its solution."
    monkeypatch.setattr(tutorials, "ROOT", tmp_path)
    course = tmp_path / "nbs" / "course"
    notebook(
        course / "solutions" / "01_a.ipynb",
        "# exercise 1.1\nanswer = 8\nprint('✓ 1.1  right' if answer > 7 else '✗ 1.1')",
    )
    return notebook(
        course / "01_a.ipynb",
        "print('Data: none at all')",
        "# exercise 1.1\nanswer = ...\nprint('… 1.1')",
    )


def test_a_lesson_runs_as_it_stands_and_solved(lesson):
    assert tutorials.run((lesson, False))[1:2] == ("",)
    name, wrong, _, data = tutorials.run((lesson, True))
    assert (name, wrong, data) == ("course/01_a.ipynb (solved)", "", ["none at all"])


def test_a_solution_that_is_not_accepted(lesson):
    notebook(lesson.parent / "solutions" / "01_a.ipynb", "# exercise 1.1\nprint('✗ 1.1  no')")
    assert "solutions of 1.1 are not accepted" in tutorials.run((lesson, True))[1]


def test_an_exercise_without_solution(lesson):
    notebook(lesson.parent / "solutions" / "01_a.ipynb", "# exercise 1.2\n1")
    assert "1.1, 1.2" in tutorials.run((lesson, True))[1]


def test_a_tutorial_must_say_its_data(lesson):
    assert (
        "Data: ..."
        in tutorials.run(
            (notebook(lesson.parent.parent / "tutorials" / "01_b.ipynb", "1 + 1"), False)
        )[1]
    )


def test_a_tutorial_that_wants_the_network_fails(lesson, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(tutorials.NO_NETWORK)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "tutorials run without a network" in done.stderr


SAME = {
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "lightning-fabric": "lightning_fabric",
}
BROUGHT = {"IPython", "PIL", "scsmd_nb"}  # by Jupyter, by matplotlib, by the package itself


def test_tutorials_and_lessons_import_what_pip_installs():
    "In Colab, or from a wheel, there is nothing else."
    from configparser import ConfigParser

    settings = ConfigParser(interpolation=None)
    settings.read(Path(__file__).parent.parent / "settings.ini")
    names = re.findall(r"^([\w-]+)", settings["DEFAULT"]["requirements"], re.M)
    known = {SAME.get(n, n) for n in names} | BROUGHT | set(sys.stdlib_module_names)
    for path in tutorials.tutorials():
        code = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
        text = re.sub(r"^[%!].*$", "", "\n".join(code), flags=re.M)
        found = {m[1] for m in re.finditer(r"^\s*(?:import|from) (\w+)", text, re.M)}
        assert found <= known, f"{path.name} imports {found - known}, which pip does not install"
