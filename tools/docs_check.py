"""Check the site without Quarto: link checkers read built pages, and none knows titles, outputs, alt texts.

usage: docs_check.py [ROOT]   prints one line for each fault, each with its place; exit status 1 if there are any
"""

import ast
import configparser
import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = {".ipynb", ".md", ".qmd"}
LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]*)>?(?:\s+[\"'][^)]*[\"'])?\s*\)"
)
HTML_TAG = re.compile(r"<(img|a)\b([^>]*)>", re.I)
HTML_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
FENCE = re.compile(r"^\s*(```+|~~~+)")
HEAVY_MB = 3  # a page with its outputs
QUARTO_OPTION = re.compile(r"^\s*#\s*\|\s*[\w-]+\s*:")  # the other `#|` lines are nbdev's
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*\|[ \t]*([\w-]+)[ \t]*:?[ \t]*(.*)$", re.M)


def text_of(value) -> str:
    "The text of a notebook field, which is a string or a list of lines."
    return value if isinstance(value, str) else "".join(value)


def pages_of(root: Path) -> list[Path]:
    "Every page of the site: notebooks and quarto files under nbs/ that no folder or name hides."
    found = (p for p in sorted((root / "nbs").rglob("*")) if p.suffix in {".ipynb", ".qmd"})
    return [
        p for p in found if not any(part[0] in "._" for part in p.relative_to(root / "nbs").parts)
    ]


# ---------------------------------------------------------------- configuration and sidebar


class StrictLoader(yaml.SafeLoader):
    "YAML as Quarto reads it: a key that stands twice in one mapping is an error."


def _mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if twice := sorted({str(k) for k in keys if keys.count(k) > 1}):
        raise yaml.constructor.ConstructorError(
            None, None, f"the key {', '.join(twice)} stands twice", node.start_mark
        )
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str):
    "The value of a YAML text; yaml.YAMLError if Quarto would refuse it."
    return yaml.load(text, Loader=StrictLoader)  # noqa: S506 (a SafeLoader)


def sidebar_pages(contents) -> list[str]:
    "Every page that a sidebar (any depth of sections) names."
    if isinstance(contents, str):
        return [contents]
    if isinstance(contents, dict):
        own = [contents["href"]] if "href" in contents else []
        own += [contents["file"]] if "file" in contents else []
        return own + sidebar_pages(contents.get("contents", []))
    return [page for item in contents or [] for page in sidebar_pages(item)]


def check_config(root: Path) -> list[str]:
    "YAML that does not parse, sidebar entries without a page, pages without a sidebar entry."
    file = root / "_quarto.yml"
    if not file.exists():
        return ["_quarto.yml: missing"]
    try:
        config = parse_yaml(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        return [f"_quarto.yml: does not parse: {' '.join(str(error).split())}"]
    found = []
    if not isinstance(config, dict) or (config.get("project") or {}).get("type") != "website":
        return ["_quarto.yml: project: type: website is missing"]
    if not isinstance(config.get("format", {}), (dict, str)):
        found.append("_quarto.yml: format must be a name or a mapping of names")
    link = root / "nbs" / "_quarto.yml"
    if not link.exists() or link.resolve() != file.resolve():
        found.append("nbs/_quarto.yml: must be a link to ../_quarto.yml, nbdev reads it there")
    website = (config or {}).get("website") or {}
    named = [
        p
        for p in sidebar_pages(website.get("sidebar"))
        + sidebar_pages((website.get("navbar") or {}).get("left"))
        if not re.match(r"[a-z]+:", p)
    ]
    if not named:
        return found + ["_quarto.yml: website.sidebar names no page"]
    there = {p.relative_to(root / "nbs").as_posix() for p in pages_of(root)}
    found += [
        f"_quarto.yml: sidebar names nbs/{page}, which does not exist"
        for page in named
        if page not in there and not (root / "nbs" / page).exists()
    ]
    found += [
        f"nbs/{page}: not in the sidebar of _quarto.yml" for page in sorted(there - set(named))
    ]
    return found + [
        f"_quarto.yml: sidebar names {page} twice"
        for page in sorted({p for p in named if named.count(p) > 1})
    ]


# ---------------------------------------------------------------- text, links and anchors


def strip_code(text: str) -> str:
    "Markdown without fenced blocks and inline code; line breaks stay, so that line numbers hold."
    out, fence = [], ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if mark and not fence:
            fence, line = mark[1], ""
        elif mark and line.strip().startswith(fence):
            fence, line = "", ""
        out.append("" if fence else re.sub(r"(`+).+?\1", "", line))
    return "\n".join(out)


def anchor(title: str) -> set[str]:
    "The anchors a heading may get: GitHub's way and Quarto's (pandoc's) way."
    if explicit := re.search(r"\{[^}]*#([\w.:-]+)[^}]*\}\s*$", title):
        return {explicit[1]}
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
    plain = re.sub(r"[`*]|\{[^}]*\}\s*$", "", plain).strip().lower()
    github = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
    pandoc = re.sub(r"\s+", "-", re.sub(r"[^\w\-. ]", "", plain).strip())
    return {github, pandoc, re.sub(r"^[^a-z]+", "", pandoc)}


def lab_anchor(title: str) -> str:
    "The anchor that JupyterLab gives a heading: its words, capitals and all, with hyphens between."
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[`*]", "", plain).strip().replace(" ", "-")


def for_the_web(text: str) -> str:
    "Markdown of a notebook, whose links to sections are JupyterLab's, with those of the site and of GitHub."

    def lower(m):
        return m[1] + re.sub(r"^[^a-z]+", "", re.sub(r"[^\w.-]", "", unquote(m[2]).lower())) + ")"

    return re.sub(r"(\]\((?:[^()\s#:]*\.ipynb)?#)([^()\s]+)\)", lower, text)


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def markdown_parts(path: Path) -> list[tuple[str, str]]:
    "The markdown of a page in parts, each with the words that say where it stands."
    if path.suffix == ".ipynb":
        return [
            (f" cell {i}", text_of(cell["source"]))
            for i, cell in enumerate(load(path)["cells"])
            if cell["cell_type"] == "markdown"
        ]
    return [("", path.read_text(encoding="utf-8"))]


def anchors_of(path: Path) -> dict[str, str]:
    """Every anchor of a page: headings, explicit ids, and for exported code the names nbdev documents.

    In small letters, each with what a link from a notebook must say.
    """
    found = {}
    for _, text in markdown_parts(path):
        text_without_code = "\n".join(
            l for l, s in zip(text.split("\n"), strip_code(text).split("\n")) if s or not l
        )
        for title in re.findall(r"^#{1,6}\s+(.*)$", text_without_code, re.M):
            lab = lab_anchor(title)
            found |= {a.lower(): lab for a in (*anchor(title), lab)}
        explicit = re.findall(r"(?:\bid|\bname)=[\"']([^\"']+)[\"']|\{#([\w.:-]+)", text)
        found |= {(one or other).lower(): one or other for one, other in explicit}
    if path.suffix == ".ipynb":
        for cell in load(path)["cells"]:
            source = text_of(cell["source"])
            if cell["cell_type"] == "code" and re.search(r"^\s*#\s*\|\s*exports?\b", source, re.M):
                names = re.findall(r"^(?:class|def)\s+(\w+)", source, re.M)
                found |= {name.lower(): name.lower() for name in names}
    return found


def links_in(text: str) -> list[tuple[bool, str, str]]:
    "Every link and picture of a markdown text: is it a picture, its words, its target."
    clean = strip_code(text)
    # the words of a link may themselves hold a picture
    found = [(bool(mark), words, target) for mark, words, target in LINK.findall(clean)]
    for _, words, _ in list(found):
        found += [(bool(mark), inner, target) for mark, inner, target in LINK.findall(words)]
    for tag, rest in HTML_TAG.findall(clean):
        attributes = {name.lower(): value[1:-1] for name, value in HTML_ATTRIBUTE.findall(rest)}
        picture = tag.lower() == "img"
        if target := attributes.get("src" if picture else "href"):
            found.append((picture, attributes.get("alt", ""), target))
    return found


def check_links(root: Path) -> list[str]:
    "Dead relative links, dead anchors, pictures without alt text, in pages and in the top-level markdown files."
    found, anchors = [], {}
    for path in [*pages_of(root), *sorted(root.glob("*.md"))]:
        name = path.relative_to(root)
        try:
            parts = markdown_parts(path)
        except (ValueError, KeyError) as error:
            found.append(f"{name}: cannot be read as a notebook ({error})")
            continue
        for where, text in parts:
            for picture, words, target in links_in(text):
                place = f"{name}{where}"
                if picture and not words.strip():
                    found.append(f"{place}: picture {target} has no alt text")
                if re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.I):
                    continue
                file, _, mark = unquote(target).partition("#")
                if file.startswith("/"):
                    goal = root / "nbs" / file.lstrip("/")
                else:
                    goal = (path.parent / file).resolve() if file else path
                if file.startswith("attachment:"):
                    continue
                if goal.suffix == ".html" and not goal.exists():
                    goal = next(
                        (
                            goal.with_suffix(s)
                            for s in sorted(PAGES)
                            if goal.with_suffix(s).exists()
                        ),
                        goal,
                    )
                if not target or not goal.exists():
                    found.append(f"{place}: dead link {target or '()'}")
                elif mark and goal.suffix in PAGES:
                    if goal not in anchors:
                        anchors[goal] = anchors_of(goal)
                    right = anchors[goal].get(mark.lower())
                    if right is None:
                        found.append(f"{place}: no heading #{mark} in {goal.name}")
                    elif right != mark and path.suffix == ".ipynb" == Path(file or path).suffix:
                        found.append(
                            f"{place}: JupyterLab does not find #{mark} in {goal.name}; write #{right}"
                        )
    return found


# ---------------------------------------------------------------- notebooks


def printed(source: str) -> tuple[bool, bool]:
    "Does a cell print at its top level, and does it end in a value that a notebook shows? Only sure cases count."
    try:
        body = ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.M)).body
    except SyntaxError:
        return False, False
    calls = [n.value for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    prints = any(
        isinstance(c.func, ast.Name)
        and c.func.id == "print"
        and not any(k.arg == "file" for k in c.keywords)
        for c in calls
    )
    shows = (
        bool(body)
        and isinstance(body[-1], ast.Expr)
        and isinstance(
            body[-1].value, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Tuple)
        )
        and not source.rstrip().endswith(";")
    )
    return prints, shows


def check_options(source: str, place: str) -> list[str]:
    "The `#| key: value` lines of a code cell, read as the YAML that Quarto takes them for."
    lines = [
        line.strip()[1:].strip()[1:].strip()
        for line in source.split("\n")
        if QUARTO_OPTION.match(line)
    ]
    try:
        options = parse_yaml("\n".join(lines)) or {}
    except yaml.YAMLError as error:
        return [
            f"{place}: its `#|` lines are no YAML; put the value in double quotes: {' '.join(str(error).split())}"
        ]
    words = {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}
    cut = [
        key
        for key, value in options.items()
        if isinstance(value, str) and value != words[key].strip("\"'") and " #" in words[key]
    ]
    return [
        f"{place}: `#| {key}:` is cut at ` #`, which begins a comment in YAML; put the value in double quotes"
        for key in cut
    ]


def check_notebook(path: Path, name: str) -> list[str]:
    "Title, blockquote, outputs and stored errors of one notebook."
    try:
        cells = load(path)["cells"]
    except (ValueError, KeyError) as error:
        return [f"{name}: cannot be read as a notebook ({error})"]
    found = []
    prose = [(i, text_of(c["source"])) for i, c in enumerate(cells) if c["cell_type"] == "markdown"]
    titles = [
        (i, line)
        for i, text in prose
        for line in strip_code(text).split("\n")
        if re.match(r"#\s+\S", line)
    ]
    if len(titles) != 1:
        found.append(
            f"{name}: has {len(titles)} titles (`# ...`), needs one"
            + (f"; cells {[i for i, _ in titles]}" if titles else "")
        )
    if titles:
        first = next(text for i, text in prose if i == titles[0][0])
        if titles[0][0] != prose[0][0]:
            found.append(
                f"{name}: the title must stand in the first text cell, not in cell {titles[0][0]}"
            )
        if not re.search(r"^>\s*\S", first, re.M):
            found.append(f"{name}: no blockquote (`> what it is for`) under the title")
        elif [
            line for line in first.split("\n") if line.strip() and not line.startswith(("# ", ">"))
        ]:
            found.append(
                f"{name} cell {titles[0][0]}: nbdev takes title and blockquote from this cell and "
                "drops the rest; put it into a cell of its own"
            )
    code = [(i, c, text_of(c["source"])) for i, c in enumerate(cells) if c["cell_type"] == "code"]
    directives = {i: {k: v.strip() for k, v in DIRECTIVE.findall(source)} for i, _, source in code}
    for i, cell, source in code:
        found += check_options(source, f"{name} cell {i}")
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                found.append(
                    f"{name} cell {i}: stored output is an error: {output.get('ename')}: "
                    f"{output.get('evalue', '')[:80]}"
                )
    runs = [
        (i, c, s)
        for i, c, s in code
        if directives[i].get("eval", "").lower() != "false"
        and not {"slow", "gpu", "notest"} & directives[i].keys()
        and not {"hide"} & directives[i].keys()
    ]
    if any(any(printed(s)) for _, _, s in runs) and not any(c.get("outputs") for _, c, _ in runs):
        found.append(f"{name}: no outputs stored (`make notebooks NB={name}`)")
    else:
        found += [
            f"{name} cell {i}: prints, but has no stored output"
            for i, c, s in runs
            if printed(s)[0] and not c.get("outputs")
        ]
    return found


def check_outputs(path: Path, name: str) -> list[str]:
    "Pictures lost or without alt text, warnings that the text above does not speak of, too heavy a page."
    found, before = [], ""
    try:
        cells = load(path)["cells"]
    except (ValueError, KeyError):
        return found  # check_notebook says so
    for i, cell in enumerate(cells):
        source = text_of(cell["source"])
        if cell["cell_type"] == "markdown":
            before = source
            continue
        directives = {k for k, _ in DIRECTIVE.findall(source)}
        outputs = cell.get("outputs", [])
        if any(
            "image/png" in o.get("data", {}) or "image/svg+xml" in o.get("data", {})
            for o in outputs
        ) and not directives & {"fig-alt", "hide"}:
            found.append(
                f"{name} cell {i}: draws a picture without alt text (`#| fig-alt: ...` in its first line)"
            )
        if any(
            "Figure size" in text_of(o.get("data", {}).get("text/plain", ""))
            and not any(k.startswith("image/") for k in o["data"])
            for o in outputs
        ):
            found.append(
                f"{name} cell {i}: of a figure only its size in words was kept, not the picture"
            )
        stderr = "".join(text_of(o.get("text", "")) for o in outputs if o.get("name") == "stderr")
        if (
            "hide" not in directives
            and re.search(r"warning|traceback", stderr, re.I)
            and not re.search(r"\bwarn", before, re.I)
        ):
            found.append(
                f"{name} cell {i}: a warning in the output that the text above does not speak of: "
                f"{' '.join(stderr.split())[:100]}"
            )
    if (size := path.stat().st_size / 1e6) > HEAVY_MB:
        found.append(f"{name}: weighs {size:.1f} MB with its outputs, the limit is {HEAVY_MB} MB")
    return found


def check_qmd(path: Path, name: str) -> list[str]:
    "Head of a quarto page: YAML that does not parse, no title."
    head = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.S)
    if not head:
        return [f"{name}: no YAML head between two lines ---"]
    try:
        fields = parse_yaml(head[1])
    except yaml.YAMLError as error:
        return [f"{name}: head does not parse: {' '.join(str(error).split())}"]
    return (
        []
        if isinstance(fields, dict) and fields.get("title")
        else [f"{name}: has no title in its head"]
    )


def check_tutorial(root: Path, path: Path, name: str) -> list[str]:
    "The line that opens a tutorial: what it needs, how long it takes, a Colab link built from settings.ini."
    settings = configparser.ConfigParser()
    settings.read(root / "settings.ini", encoding="utf-8")
    user, repo, branch = (settings["DEFAULT"].get(k, "") for k in ("user", "repo", "branch"))
    colab = f"https://colab.research.google.com/github/{user}/{repo}/blob/{branch}/{name}"
    prose = [text for _, text in markdown_parts(path)]
    opening, last = "\n".join(prose[:2]), prose[-1] if prose else ""
    found = [
        f"{name}: its opening lacks {word}"
        for word in ("**Needs**", "**takes**")
        if word not in opening
    ]
    if colab not in opening:
        found.append(f"{name}: its opening lacks the link {colab}")
    if f"%pip install git+https://github.com/{user}/{repo}" not in opening:
        found.append(f"{name}: its opening does not say how to install in Colab")
    return found + (
        []
        if "## What to read next" in last
        else [f"{name}: does not close with `## What to read next`"]
    )


def check_exports(root: Path) -> list[str]:
    "Export directives without a module: a `default_exp` not yet exported, exports without `default_exp`."
    settings = root / "settings.ini"
    found_lib = (
        re.search(r"^lib_path\s*=\s*(\S+)", settings.read_text(encoding="utf-8"), re.M)
        if settings.exists()
        else None
    )
    lib = root / (found_lib[1] if found_lib else "scsmd_nb")
    found = []
    for path in pages_of(root):
        if path.suffix != ".ipynb":
            continue
        name = path.relative_to(root)
        try:
            sources = [
                text_of(c["source"]) for c in load(path)["cells"] if c["cell_type"] == "code"
            ]
        except (ValueError, KeyError):
            continue  # check_notebook says so
        pairs = [pair for source in sources for pair in DIRECTIVE.findall(source)]
        goals = {value.strip() for key, value in pairs if key == "default_exp"}
        if not goals and any(
            key in {"export", "exports", "exporti"} and not value.strip() for key, value in pairs
        ):
            found.append(f"{name}: exports cells but has no `#| default_exp`")
        for goal in sorted(goals):
            module = lib / (goal.replace(".", "/") + ".py")
            if not module.exists():
                found.append(
                    f"{name}: default_exp {goal}, but {module.relative_to(root)} does not exist (`make export`)"
                )
    return found


def check(root: Path = ROOT) -> list[str]:
    "Every fault of the site, one line each."
    root = root.resolve()
    found = check_config(root) + check_links(root)
    for path in pages_of(root):
        name = path.relative_to(root).as_posix()
        found += (
            check_qmd(path, name)
            if path.suffix == ".qmd"
            else check_notebook(path, name) + check_outputs(path, name)
        )
        if path.suffix == ".ipynb" and path.parent.name == "tutorials":
            found += check_tutorial(root, path, name)
    found += check_exports(root)
    return list(dict.fromkeys(found))


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else ROOT
    found = check(root)
    for line in found:
        print(f"  {line}")
    pages = len(pages_of(root))
    print(
        f"docs-check: {pages} pages, {len(found)} faults"
        if found
        else f"docs-check: {pages} pages, no faults"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
