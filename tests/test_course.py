"""The course: every exercise has a check and a solution, and no check takes an empty or absurd answer for right."""

import json
import re
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
import tutorials
from course_answers import LESSONS as ANSWERS

from scsmd_nb import course

LESSONS = sorted((tutorials.ROOT / "nbs/course").glob("[0-9]*.ipynb"))
ABSURD = [
    float("nan"),
    float("inf"),
    -1e9,
    "",
    "z",
    "maybe",
    [],
    {},
    object(),
    lambda *a, **k: None,
    lambda *a, **k: 1 / 0,
    np.zeros((2, 2)),
    True,
]


def markdown(path: Path) -> str:
    return "\n".join(
        "".join(c["source"])
        for c in json.loads(path.read_text())["cells"]
        if c["cell_type"] == "markdown"
    )


def numbers(path: Path) -> list[str]:
    "The exercises of a lesson notebook, in its order."
    code = "\n".join(
        "".join(c["source"])
        for c in json.loads(path.read_text())["cells"]
        if c["cell_type"] == "code"
    )
    return tutorials.EXERCISE.findall(code)


EXERCISES = [(path, number) for path in LESSONS for number in numbers(path)]


def test_there_are_eight_lessons():
    assert [path.name[:2] for path in LESSONS] == [f"0{i}" for i in range(1, 9)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_has_all_its_parts(path):
    text = markdown(path)
    for heading in (
        "## Warm-up",
        "## Key takeaways",
        "## Questions for discussion",
        "## Further reading",
    ):
        assert heading in text, heading
    assert "You will learn" in text
    assert 3 <= len(numbers(path)) <= 6
    assert numbers(path) == sorted(set(numbers(path))) and all(
        n.startswith(f"{int(path.name[:2])}.") for n in numbers(path)
    )
    for other in (
        path.parent / "solutions" / path.name,
        path.parent / "slides" / f"{path.stem}.qmd",
    ):
        assert other.exists(), other


@pytest.mark.parametrize("path, number", EXERCISES, ids=[n for _, n in EXERCISES])
def test_a_check_says_when_nothing_is_answered(path, number, capsys):
    course.check(number, ...)
    assert "not answered yet" in capsys.readouterr().out


@pytest.mark.parametrize("path, number", EXERCISES, ids=[n for _, n in EXERCISES])
def test_a_check_rejects_absurd_answers_with_a_hint(path, number):
    for answer in ABSURD:
        found = course.verdict(number, answer)  # never an error of its own
        assert not found, f"{number} takes {answer!r} for right"
        assert len(found.text) > 15


def test_an_untouched_lesson_is_not_solved(tmp_path):
    "The runner fills the solutions in, cell by cell, and would notice one that is missing."
    nb, asked = tutorials.solved(LESSONS[1])
    filled = tutorials.exercises(nb)
    assert asked == numbers(LESSONS[1])
    assert not any(re.search(r"=\s*\.\.\.", cell.source) for cell in filled.values())


@pytest.mark.parametrize("number", ["9.1", "1.99", "x"])
def test_an_exercise_that_does_not_exist(number):
    with pytest.raises(ValueError, match="no exercise"):
        course.check(number, 1)


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda f: f.__name__)
def test_answers_in_many_forms(answers):
    "Right ones in odd forms are accepted, wrong ones get the hint that fits."
    right, wrong = answers()
    assert len(right) + len(wrong) >= 40
    with np.errstate(all="ignore"):
        said = [(number, course.verdict(number, answer), None) for number, answer in right]
        said += [(number, course.verdict(number, answer), hint) for number, answer, hint in wrong]
    faults = [
        f"{number}: {found.text} (expected: {hint or 'right'})"
        for number, found, hint in said
        if bool(found) != (hint is None) or hint and not re.search(hint, found.text)
    ]
    assert not faults, "\n".join(faults)


def settings() -> dict:
    parser = ConfigParser()
    parser.read(tutorials.ROOT / "settings.ini")
    return parser["DEFAULT"]


def test_binder_and_devcontainer_use_what_is_there():
    root = tutorials.ROOT
    asked = re.findall(r"^-r (.*)$", (root / ".binder/requirements.txt").read_text(), re.M)
    assert [(root / ".binder" / name).resolve() for name in asked] == [root / "requirements.lock"]
    container = json.loads((root / ".devcontainer/devcontainer.json").read_text())
    target = container["postCreateCommand"].split()[1]
    assert re.search(rf"^{target}:", (root / "Makefile").read_text(), re.M)
    python = settings()["min_python"]
    assert (root / ".binder/runtime.txt").read_text().strip() == f"python-{python}"
    assert f"python:{python}-" in container["image"]


def test_a_report_keeps_what_other_sessions_found(tmp_path, monkeypatch):
    from scsmd_nb.course import core, records

    for answers in (("c",), ("a", "b"), ()):  # right; then wrong twice; then none
        monkeypatch.setattr(core, "TRIES", tries := [])
        monkeypatch.setattr(records, "TRIES", tries)
        for answer in answers:
            course.check("4.3", answer)
        table = course.report("ada", tmp_path)
        assert table.loc["4.3", ["tries", "right"]].tolist() == [1, True]
    grades = json.loads((tmp_path / "ada.json").read_text())
    assert [g["auto_score"] for g in grades] == [0, 0, 1, 0, 0]
    assert (tmp_path / "ada.csv").read_text().startswith("exercise,tries,right,seconds,time")


def test_ten_questions_of_many_seeds():
    "A key answers its own questions in any form, and not those of another seed."
    for seed in range(30):
        key = course.answer_key(seed)
        assert (
            course.mark(seed, key)
            == course.mark(seed, [[a] if a != str(a) else f"({a})" for a in key])
            == 10
        )
        assert course.mark(seed + 1, key) <= 5
    with pytest.raises(ValueError, match="3 answers"):
        course.mark(1, [1, 2, 3])
