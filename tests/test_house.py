"""The house: which way imports run, how large rooms and functions are, what a cell holds, how soon a thing is shown."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIB, NBS = ROOT / "scsmd_nb", ROOT / "nbs"
GROUND = ("counts", "_files", "_words", "_faces")
FLOORS = (
    ("ground",),
    ("io", "nn"),
    ("pp",),
    ("tl",),
    ("pl",),
    ("bench", "course"),
    ("cli",),
)  # imports run down only
MOST = {"module": 450, "function": 40, "class": 60}  # lines


@cache
def modules() -> dict[str, ast.Module]:
    "The syntax tree of every module, by its dotted name inside the package."
    paths = [p for p in sorted(LIB.rglob("*.py")) if p.name != "_modidx.py"]
    names = [p.relative_to(LIB).with_suffix("").as_posix().replace("/", ".") for p in paths]
    return {n: ast.parse(p.read_text(encoding="utf-8")) for n, p in zip(names, paths)}


def folder(module: str) -> str:
    "The folder of a module; modules beside the package's __init__ belong to the ground."
    return module.rpartition(".")[0] or "ground"


def wing(module: str) -> str:
    return folder(module).partition(".")[0]


def imports(module: str) -> list[tuple[str, str, int]]:
    "What a module imports of this package, inside functions too: module or package, name, line."
    found = []
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith("scsmd_nb")
        ):
            parts = module.split(".")[: -node.level] if node.level else []
            inner = (node.module or "").removeprefix("scsmd_nb").lstrip(".")
            base = ".".join([*parts, *([inner] if inner else [])])
            for alias in node.names:
                whole = ".".join(filter(None, [base, alias.name]))
                found.append(
                    (whole, "", node.lineno)
                    if whole in modules()
                    else (base, alias.name, node.lineno)
                )
        elif isinstance(node, ast.Import):
            found += [
                (a.name.removeprefix("scsmd_nb").lstrip("."), "", node.lineno)
                for a in node.names
                if a.name.startswith("scsmd_nb")
            ]
    return found


def goal(target: str, name: str) -> str:
    "The wing that an import leads to."
    if target in modules():
        return wing(target)
    if not target:
        return wing(name + ".x") if name in {f for floor in FLOORS for f in floor} else "ground"
    return target.partition(".")[0]


def level(name: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


ROOMS = [m for m in modules() if m != "__init__"]


def test_the_package_has_these_wings_and_no_others():
    assert {wing(m) for m in ROOMS} == {w for floor in FLOORS for w in floor}


def test_imports_run_down_only():
    up = [
        f"{m}:{line} imports {target or name}"
        for m in ROOMS
        for target, name, line in imports(m)
        if level(goal(target, name)) > level(wing(m))
        or (level(goal(target, name)) == level(wing(m)) and goal(target, name) != wing(m))
    ]
    assert not up, "\n".join(up)


def test_no_circle():
    arrows = {m: {t for t, _, _ in imports(m) if t in modules() and t != m} for m in ROOMS}
    state = {}

    def walk(m, path):
        if state.get(m) == "done":
            return
        assert m not in path, " -> ".join([*path[path.index(m) :], m])
        for other in sorted(arrows.get(m, ())):
            walk(other, [*path, m])
        state[m] = "done"

    for m in ROOMS:
        walk(m, [])


def test_private_names_stay_in_their_folder():
    used = [
        f"{m}:{line} takes {target}.{name}"
        for m in ROOMS
        for target, name, line in imports(m)
        if name.startswith("_") and not name.startswith("__") and folder(target) != folder(m)
    ]
    for m in ROOMS:  # room._name, where the room is imported as a whole
        rooms = {
            t.rpartition(".")[2]: t for t, name, _ in imports(m) if not name and t in modules()
        }
        used += [
            f"{m}:{n.lineno} takes {n.value.id}.{n.attr}"
            for n in ast.walk(modules()[m])
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.value.id in rooms
            and n.attr.startswith("_")
            and not n.attr.startswith("__")
            and folder(rooms[n.value.id]) != folder(m)
        ]
    assert not used, "\n".join(used)


def test_no_room_has_the_name_of_what_its_wing_hands_on():
    from importlib import import_module

    for package in {folder(m) for m in ROOMS} - {"ground"}:
        face = import_module(f"scsmd_nb.{package}")
        rooms = {p.stem for p in Path(face.__file__).parent.glob("*.py")} | {
            p.name for p in Path(face.__file__).parent.iterdir() if p.is_dir()
        }
        values = {n: getattr(face, n) for n in face.__all__}
        assert not [
            n
            for n, v in values.items()
            if n in rooms and getattr(v, "__name__", "") != f"scsmd_nb.{package}.{n}"
        ]


def sizes(kind: type) -> list[tuple[int, str]]:
    return [
        (n.end_lineno - n.lineno + 1, f"{m}.{n.name}")
        for m in ROOMS
        for n in ast.walk(modules()[m])
        if isinstance(n, kind)
    ]


def test_rooms_functions_and_classes_are_small():
    long = [
        f"{m}: {n} lines"
        for m in ROOMS
        if (n := len((LIB / (m.replace(".", "/") + ".py")).read_text().splitlines()))
        > MOST["module"]
    ]
    long += [f"{name}: {n} lines" for n, name in sizes(ast.FunctionDef) if n > MOST["function"]]
    long += [f"{name}: {n} lines" for n, name in sizes(ast.ClassDef) if n > MOST["class"]]
    assert not long, "\n".join(long)


# ---------------------------------------------------------------- notebooks


def pages() -> list[Path]:
    found = sorted(p for p in NBS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    return [p for p in found if any(exported(s) for _, s in code(p))]


@cache
def code(path: Path) -> list[tuple[int, str]]:
    "Number and source of the code cells of a notebook, magics left out."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        (i, re.sub(r"^\s*[%!].*$", "", "".join(c["source"]), flags=re.M))
        for i, c in enumerate(cells)
        if c["cell_type"] == "code"
    ]


def exported(source: str) -> bool:
    return bool(re.search(r"^\s*#\s*\|\s*export", source, re.M))


def definitions(source: str) -> list[ast.AST]:
    return [n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]


@pytest.mark.parametrize("path", pages(), ids=lambda p: p.relative_to(NBS).as_posix())
def test_an_exported_cell_holds_one_function_or_class(path):
    found = [
        f"cell {i}: {', '.join(d.name for d in ds)}"
        for i, s in code(path)
        if exported(s) and len(ds := definitions(s)) > 1
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", pages(), ids=lambda p: p.relative_to(NBS).as_posix())
def test_a_definition_is_used_within_three_code_cells(path):
    cells = code(path)
    late = []
    for at, (i, source) in enumerate(cells):
        for d in definitions(source) if exported(source) else ():
            numbers = [
                ast.literal_eval(x.args[0])
                for x in d.decorator_list
                if isinstance(x, ast.Call) and ast.unparse(x.func) == "exercise"
            ]
            after = cells[at + 1 : at + 4]
            if not any(
                re.search(rf"\b{re.escape(str(n))}\b", s)
                for n in [d.name, *numbers]
                for _, s in after
            ):
                late.append(f"cell {i}: {d.name}")
    assert not late, f"{len(late)} definitions not used in the next three code cells\n" + "\n".join(
        late
    )
