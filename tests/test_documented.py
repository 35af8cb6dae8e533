"""Every public name is documented where it stands: docstring, parameters, example, a link to where it is taught."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"
TAUGHT = re.compile(r"\*\*Taught in\*\*(.*)")


def cells(path: Path, kind: str) -> list[str]:
    "The sources of a notebook's cells of one kind."
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in found if c["cell_type"] == kind]


def exported(source: str) -> bool:
    return bool(re.search(r"^\s*#\s*\|\s*exports?\b", source, re.M))


def defined(source: str) -> list[tuple[ast.AST, list[str]]]:
    "Public functions and classes of an exported cell, and its lines."
    return [
        (n, source.splitlines())
        for n in ast.parse(source).body
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")
    ]


def pages() -> list[Path]:
    return sorted(
        p
        for p in NBS.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in p.parts and any(exported(s) for s in cells(p, "code"))
    )


PUBLIC = [
    (path, node, lines)
    for path in pages()
    for source in cells(path, "code")
    if exported(source)
    for node, lines in defined(source)
]


def arguments(node: ast.AST) -> list[ast.arg]:
    "What the caller of a function gives, or the fields of a dataclass, or the arguments of a class's __init__."
    if isinstance(node, ast.ClassDef):
        own = next(
            (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
        )
        fields = (
            [n for n in node.body if isinstance(n, ast.AnnAssign)]
            if any("dataclass" in ast.unparse(d) for d in node.decorator_list)
            else []
        )
        return fields if own is None else arguments(own)
    a = node.args
    return [x for x in [*a.posonlyargs, *a.args, *a.kwonlyargs] if x.arg not in ("self", "cls")]


def lacking_docstring(path, node, lines) -> bool:
    "No docstring, or a first line that is no sentence of one line."
    text = ast.get_docstring(node) or ""
    first = text.split("\n")[0].strip()
    return len(first) < 10 or (text != first and text.split("\n")[1].strip() != "")


def described(arg, lines) -> bool:
    "A comment behind the argument, a help text of the command line, or the comment of a group that says it for all."
    rest = lines[arg.end_lineno - 1].rpartition("  #")
    return bool(rest[1] and rest[2].strip()) or "help=" in "\n".join(
        lines[arg.lineno - 1 : arg.end_lineno]
    )


def lacking_parameters(path, node, lines) -> bool:
    "An argument without words that say what it is."
    return any(not described(a, lines) for a in arguments(node))


RUN = {
    path: [
        s
        for s in cells(path, "code")
        if not exported(s) and not re.search(r"#\s*\|\s*(eval:\s*false|slow|gpu|notest)", s)
    ]
    for path in pages()
}
EXPORTED = {path: [s for s in cells(path, "code") if exported(s)] for path in pages()}


def lacking_example(path, node, lines) -> bool:
    "No example on its page uses it. The check of an exercise is used under its number."
    numbers = [
        ast.literal_eval(d.args[0])
        for d in node.decorator_list
        if isinstance(d, ast.Call) and ast.unparse(d.func) == "exercise"
    ]
    return not any(
        re.search(rf"\b{re.escape(name)}\b", s) for name in [node.name, *numbers] for s in RUN[path]
    )


def taught_in(path: Path) -> list[Path]:
    "The pages that a notebook's line `**Taught in** ...` leads to."
    lines = [m[1] for s in cells(path, "markdown") for m in TAUGHT.finditer(s)]
    return [
        (path.parent / target.partition("#")[0]).resolve()
        for line in lines
        for target in re.findall(r"\]\(([^)]+)\)", line)
    ]


def lacking_lesson(path, node, lines) -> bool:
    "Its page neither belongs to the course nor has a line that leads to a lesson or a tutorial."
    if "course" in path.relative_to(NBS).parts:
        return False
    return not any(
        goal.exists() and set(goal.relative_to(NBS).parts) & {"course", "tutorials"}
        for goal in taught_in(path)
    )


@pytest.mark.parametrize(
    "lacks",
    [lacking_docstring, lacking_parameters, lacking_example, lacking_lesson],
    ids=lambda f: f.__name__,
)
def test_every_public_name_is_documented(lacks):
    assert len(PUBLIC) > 200
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, node, lines in PUBLIC
        if lacks(path, node, lines)
    ]
    assert not found, f"{len(found)} of {len(PUBLIC)} public names: {lacks.__doc__}\n" + "\n".join(
        found
    )
