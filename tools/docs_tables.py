"""Tables of parameters for the site, read from the source of scsmd_nb: nothing is imported, so nothing has to run.

fastcore's renderer prints the signature a second time, knows neither `**options` nor the methods of a class, and has to
import torch to do so.
"""

import ast
import builtins
import configparser
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAUGHT = re.compile(r"\*\*Taught in\*\*((?:[^*\[]*\[[^\]]*\]\([^)]*\))+)")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
OFF_THE_MAP = ("bench", "cli", "course")  # known by their bare names on their own pages only
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Entry:
    "A public function or class, and where it stands."

    node: ast.AST
    module: str  # without the package: tl.model
    page: str  # below nbs/
    lines: list[str]  # of its module

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def says(self) -> str:
        "The first line of its docstring."
        return (ast.get_docstring(self.node) or "").split("\n")[0].strip()


@dataclass
class Parameter:
    name: str
    type: str
    default: str
    words: str


class Library:
    "What the modules of a package define."

    def __init__(self, root: Path = ROOT):
        settings = configparser.ConfigParser()
        settings.read(root / "settings.ini", encoding="utf-8")
        given = settings["DEFAULT"]
        self.package = given.get("lib_path", "scsmd_nb")
        self.source = f"{given.get('git_url', '')}/blob/{given.get('branch', 'main')}"
        self.root, self.entries = root, []
        self.classes, self.aliases = {}, {}  # by name, private ones too
        for path in sorted((root / self.package).rglob("*.py")):
            if not path.name.startswith(("__init__", "_modidx")):
                self._read(path)

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        lines, tree = text.split("\n"), ast.parse(text)
        module = path.relative_to(self.root / self.package).with_suffix("").as_posix()
        cells = [  # line, and the notebook that the code below it comes from
            (i, (path.parent / m[1]).resolve())
            for i, line in enumerate(lines, 1)
            if (m := re.match(r"# %% (\S+\.ipynb) #", line))
        ]
        nbs = (self.root / "nbs").resolve()
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Annotated["):
                self.aliases[node.targets[0].id] = node.value
            if not isinstance(node, DEFINITION):
                continue
            page = next((page for i, page in reversed(cells) if i < node.lineno), None)
            page = page.relative_to(nbs).as_posix() if page and nbs in page.parents else ""
            entry = Entry(node, module.replace("/", "."), page, lines)
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = entry
            if not node.name.startswith("_"):
                self.entries.append(entry)

    @cached_property
    def handed_on(self) -> dict[str, list[str]]:
        "The names that the face of a wing hands on, by wing: pp -> filter, ..."
        found = {}
        for path in (self.root / self.package).rglob("__init__.py"):
            wing = path.parent.relative_to(self.root / self.package).as_posix().strip(".")
            dicts = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Dict)]
            found[wing.replace("/", ".")] = [
                name for d in dicts for value in d.values for name in ast.literal_eval(value)
            ]
        return found

    # ------------------------------------------------------------ what a name takes

    def bases(self, entry: Entry) -> list[Entry]:
        "A class of ours and the classes of ours that it is built on, nearest first."
        names = [ast.unparse(b).split(".")[-1] for b in entry.node.bases]
        return [
            entry,
            *(x for n in names if n in self.classes for x in self.bases(self.classes[n])),
        ]

    def methods(self, entry: Entry) -> list[Entry]:
        "The public methods of a class with those it inherits, in the order of the source."
        found = {}
        for base in reversed(self.bases(entry)):
            for node in base.node.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    found[node.name] = Entry(node, base.module, entry.page, base.lines)
        return list(found.values())

    def parameters(self, entry: Entry) -> list[Parameter]:
        "What a function takes; of a class what its __init__ takes, or its fields."
        if not isinstance(entry.node, ast.ClassDef):
            return self._arguments(entry)
        for base in self.bases(entry):
            for node in base.node.body:
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    return self._arguments(Entry(node, base.module, base.page, base.lines))
        return [
            self._parameter(base.lines, n.target.id, n.annotation, n.value, n)
            for base in reversed(self.bases(entry))
            for n in base.node.body
            if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_")
        ]

    def _arguments(self, entry: Entry) -> list[Parameter]:
        a, lines = entry.node.args, entry.lines
        plain = [*a.posonlyargs, *a.args]
        defaults = [None] * (len(plain) - len(a.defaults)) + a.defaults
        found = [("", x, d) for x, d in zip(plain, defaults)]
        found += [("*", a.vararg, None)] if a.vararg else []
        found += [("", x, d) for x, d in zip(a.kwonlyargs, a.kw_defaults)]
        found += [("**", a.kwarg, None)] if a.kwarg else []
        return [
            self._parameter(lines, star + x.arg, x.annotation, default, x)
            for star, x, default in found
            if x.arg not in ("self", "cls")
        ]

    def _parameter(self, lines, name, annotation, default, node) -> Parameter:
        help_text = ""
        annotation = self.aliases.get(getattr(annotation, "id", None), annotation)
        if annotation is not None and ast.unparse(annotation).startswith("Annotated["):
            helps = [k.value for k in ast.walk(annotation) if getattr(k, "arg", "") == "help"]
            help_text = ast.literal_eval(helps[0]) if helps else ""
            annotation = annotation.slice.elts[0]
        ends = [node.end_lineno, getattr(default, "end_lineno", node.end_lineno)]
        said = [lines[i - 1].rpartition("  # ") for i in ends]
        words = help_text or next((text for _, mark, text in said if mark), "")
        return Parameter(
            name,
            "" if annotation is None else ast.unparse(annotation).strip("'"),
            "" if default is None else ast.unparse(default),
            words.strip(),
        )

    # ------------------------------------------------------------ pages

    def taught_in(self, text: str) -> str:
        "The links of a page's line `**Taught in** ...`."
        found = TAUGHT.search(text)
        return found[1].strip(" .,") if found else ""

    def documented(self, entry: Entry, taught: str = "") -> str:
        "The section of a function or class: words, table of parameters, methods with theirs."
        parts = [f"### {entry.name}", self._section(entry, taught)]
        for method in self.methods(entry) if isinstance(entry.node, ast.ClassDef) else ():
            parts += [f"#### {entry.name}.{method.name}", self._section(method)]
        return "\n\n".join(parts)

    def _section(self, entry: Entry, taught: str = "") -> str:
        place = f"{self.package}/{entry.module.replace('.', '/')}.py#L{entry.node.lineno}"
        links = f"[source]({self.source}/{place})" + (f", taught in {taught}" if taught else "")
        parts = [in_words(entry.says), table(self.parameters(entry)), self._returns(entry)]
        return "\n\n".join([*filter(None, parts), f"[{links}]{{.links}}"])

    def _returns(self, entry: Entry) -> str:
        "What comes back, with the comment behind it (one on a line of its own: the others are of parameters)."
        returns = getattr(entry.node, "returns", None)
        if returns is None or ast.unparse(returns) == "None":
            return ""
        last = max(
            [x.end_lineno for x in ast.walk(entry.node.args) if hasattr(x, "end_lineno")] or [0]
        )
        said = entry.lines[returns.end_lineno - 1].rpartition("  # ")[1:]
        words = in_words(said[1].strip()) if said[0] and returns.end_lineno > last else ""
        kind = in_code(ast.unparse(returns).strip("'"))
        return f"Returns {kind}: {words}." if words else f"Returns {kind}."

    # ------------------------------------------------------------ links

    @cached_property
    def parameter_names(self) -> set[str]:
        every = [
            *self.entries,
            *(m for e in self.entries if e.name in self.classes for m in self.methods(e)),
        ]
        return {p.name.strip("*") for e in every for p in self.parameters(e)}

    @cached_property
    def by_name(self) -> dict[str, list[tuple[Entry, str]]]:
        "Entries and anchors by name; a method stands under its own name and as Class.method."
        found = {}
        for e in self.entries:
            found.setdefault(e.name, []).append((e, e.name.lower()))
            for m in self.methods(e) if isinstance(e.node, ast.ClassDef) else ():
                for name in (m.name, f"{e.name}.{m.name}"):
                    found.setdefault(name, []).append((e, f"{e.name}.{m.name}".lower()))
        return found

    def link(self, words: str, page: str) -> str | None:
        """Where a name in backticks leads: to its own page first, else only if one thing bears it.

        Names of Python, private names and names of parameters (unless written `name()`) lead nowhere.
        """
        name = words.removesuffix("()")
        if not NAME.fullmatch(name) or any(p.startswith("_") for p in name.split(".")):
            return None
        found = self.by_name.get(name, [])
        if name.startswith(("smd.", self.package + ".")):
            found = self._in_wing(name.split(".")[1:])
        elif hasattr(builtins, name):
            return None
        elif own := [x for x in found if x[0].page == page]:
            found = [x for x in own if x[1] == name.lower()] or own
        elif (name in self.parameter_names and name == words) or not all(
            self._known(entry, page) and anchor == name.lower() for entry, anchor in found
        ):
            return None
        if len(found) != 1 or not found[0][0].page:
            return None
        (entry, anchor), here = found[0], os.path.dirname(page)
        file = "" if entry.page == page else os.path.relpath(entry.page, here or ".")
        return f"{file}#{anchor}"

    def _known(self, entry: Entry, page: str) -> bool:
        "Would a reader of this page know what the bare name means: one that a wing hands on, or of the same wing?"
        wing = entry.module.split(".")[0]
        if page.startswith(f"api/{wing}/"):
            return True
        ground = wing == entry.module and not wing.startswith("_")
        return wing not in OFF_THE_MAP and (ground or entry.name in self.handed_on.get(wing, ()))

    def _in_wing(self, parts: list[str]) -> list[tuple[Entry, str]]:
        "What smd.name, smd.wing.name or smd.wing.room.name means, or a method: smd.Class.method."
        for cut in range(len(parts) - 1, -1, -1):
            wing, name = ".".join(parts[:cut]), ".".join(parts[cut:])
            named = self.by_name.get(name, [])
            if parts[cut] in self.handed_on.get(wing, ()):
                return [
                    x for x in named if f"{x[0].module}.".startswith(f"{wing}." if wing else "")
                ]
            if room := [x for x in named if x[0].module == wing]:
                return room
        return []

    def linked(self, text: str, page: str) -> str:
        "Markdown whose names in backticks are links; headings, code blocks and links stay as they are."
        out, fenced = [], False
        for line in text.split("\n"):
            if line.lstrip().startswith(("```", "~~~")):
                fenced = not fenced
            elif not fenced and not line.startswith(("#", "    ")):
                line = LINK_OR_CODE.sub(lambda m: self._linked(m, page), line)
            out.append(line)
        return "\n".join(out)

    def _linked(self, m: re.Match, page: str) -> str:
        goal = m[1] and self.link(m[1], page)
        return f"[`{m[1]}`]({goal})" if goal else m[0]


# a link with its words is one piece, so that no name inside is linked again; so is `` code with ` in it ``
LINK_OR_CODE = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|``.+?``|`([^`\s]+)`")


def in_code(text: str) -> str:
    "Code inside a table: a bar would end the cell."
    if not text:
        return ""
    return f"`{text}`" if not set("|`") & set(text) else f"<code>{as_html(text)}</code>"


def as_html(text: str) -> str:
    for char, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "&#124;"),
        ("`", "&#96;"),
        ("*", "&#42;"),
        ("_", "&#95;"),
    ):
        text = text.replace(char, entity)
    return text


def in_words(text: str) -> str:
    "Words inside a table: what markdown would take for something else is escaped; code in backticks stays."
    parts = re.split(r"(`[^`]+`)", text)
    for i, part in enumerate(parts):
        parts[i] = (
            in_code(part.strip("`")) if i % 2 else re.sub(r"([|*_<>\[\]$^~\\'\"])", r"\\\1", part)
        )
    return "".join(parts)


def table(parameters: list[Parameter]) -> str:
    "Name, type, default and description, one row each."
    if not parameters:
        return ""
    rows = [["name", "type", "default", "description"]]
    rows += [
        [in_code(p.name), in_code(p.type), in_code(p.default), in_words(p.words)]
        for p in parameters
    ]
    return "\n".join([row_of(rows[0]), "|---|---|---|---|", *map(row_of, rows[1:])])


def row_of(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
