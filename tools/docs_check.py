"""Check the site without Quarto: link checkers read built pages, and none knows titles, outputs, alt texts.

usage: docs_check.py [ROOT]   prints one line for each fault, each with its place; exit status 1 if there are any
"""

import ast
import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import addresses
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = {".ipynb", ".md", ".qmd"}
LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]*)>?(?:\s+[\"'][^)]*[\"'])?\s*\)"
)
HTML_TAG = re.compile(r"<(img|a)\b([^>]*)>", re.I)
HTML_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
FENCE = re.compile(r"^\s*(```+|~~~+)")
ALT = 150  # characters of an alt text
HEAVY_MB = 3  # a page with its outputs
COLUMNS = 100  # characters of code that a line of a page holds in a window of 1280 px (nbs/styles/site.scss)
GLOSSARY = "course/glossary.ipynb"  # its terms have anchors on the site
TERM = re.compile(r"^(?=\*\*([^*,(]{2,}?)[,(.][^*]*\*\*)", re.M)
TABLE = re.compile(
    r"^([^\n]*\|[^\n]*)\n(\|?[ \t]*:?-[\s:|-]*\|?)\n((?:[^\n]*\|[^\n]*(?:\n|$))+)", re.M
)
QUARTO_OPTION = re.compile(r"^\s*#\s*\|\s*[\w-]+\s*:")  # the other `#|` lines are nbdev's
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*\|[ \t]*([\w-]+)[ \t]*:?[ \t]*(.*)$", re.M)


READS = re.compile(r"""["']((?:\.\./)+[\w./-]+\.(?:csv|csv\.gz|json|png|svg))["']""")
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ODD_NAME = re.compile(r"[_`]|^[a-z](?!\w*[A-Z])")  # of words; commands are named as they are typed
NUMBERED = re.compile(r"\b(?:page|notebook|tutorial|chapter) 0\d\b|\[0\d \w", re.I)


def text_of(value) -> str:
    "The text of a notebook field, which is a string or a list of lines."
    return value if isinstance(value, str) else "".join(value)


def is_words(line: str) -> bool:
    "Is a line of an output words, which may be folded, and not laid out in columns?"
    return len(re.findall(r"\S  +\S|[│┃]", line)) < 3


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


def sidebar_names(contents) -> dict[str, str]:
    "The names that a sidebar gives to pages, where it does not take their titles."
    if isinstance(contents, dict):
        own = {contents["href"]: contents["text"]} if {"href", "text"} <= contents.keys() else {}
        return own | sidebar_names(contents.get("contents", []))
    found = {}
    for item in contents if isinstance(contents, list) else ():
        found |= sidebar_names(item)
    return found


def title_of(path: Path) -> str:
    "The title of a page: its first `# ...`, or what its head says."
    lines = "\n".join(text for _, text in markdown_parts(path)).split("\n")
    mark = "# " if path.suffix == ".ipynb" else "title:"
    return next((l.removeprefix(mark).strip("\"' ") for l in lines if l.startswith(mark)), "")


def check_names(root: Path, website: dict, named: list[str]) -> list[str]:
    "One rule for the names in the sidebar: words with a capital, or a command as it is typed; numbered pages alike."
    given, found, kinds = sidebar_names(website.get("sidebar")), [], {}
    for page in named:
        path = root / "nbs" / page
        try:
            name = given.get(page) or title_of(path)
        except (OSError, ValueError, KeyError):
            continue  # another check says so
        if ODD_NAME.search(re.sub(r"^scsmd(_nb)? ?", "Scsmd", name)):
            found.append(
                f"nbs/{page}: the sidebar names it `{name}`; a name is words, the first with a capital"
            )
        numbered = re.match(r"(\D*)\d+:", name)
        kinds.setdefault(path.parent, {}).setdefault(numbered and numbered[1], []).append(page)
    for by in kinds.values():
        rest = [p for p in by.get(None, []) if re.match(r"\d\d_", Path(p).name)]
        if len(by) > 1 and rest:
            found += [
                f"nbs/{page}: not named as its neighbours are (`{next(filter(None, by))}1: ...`)"
                for page in rest
            ]
    return found


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
    navbar = website.get("navbar") or {}
    named, above = (
        [page for page in sidebar_pages(contents) if not re.match(r"[a-z]+:", page)]
        for contents in (
            website.get("sidebar"),
            [*(navbar.get("left") or []), *(navbar.get("right") or [])],
        )
    )
    if not named:
        return found + ["_quarto.yml: website.sidebar names no page"]
    found += check_style(root, config, website)
    there = {p.relative_to(root / "nbs").as_posix() for p in pages_of(root)}
    found += [
        f"_quarto.yml: {where} names nbs/{page}, which does not exist"
        for where, pages in (("sidebar", named), ("navbar", above))
        for page in pages
        if page not in there and not (root / "nbs" / page).exists()
    ]
    found += [
        f"nbs/{page}: not in the sidebar of _quarto.yml" for page in sorted(there - set(named))
    ]
    found += [
        f"_quarto.yml: sidebar names {page} twice"
        for page in sorted({p for p in named if named.count(p) > 1})
    ]
    return found + check_order(root, named) + check_names(root, website, named)


def check_order(root: Path, named: list[str]) -> list[str]:
    "Pages that send on, with `Next: [...]`, to a page that stands before them in the sidebar."
    found, place = [], {page: i for i, page in enumerate(named)}
    for page in named:
        path = root / "nbs" / page
        if path.suffix != ".ipynb" or not path.exists():
            continue
        try:
            text = "\n".join(text for _, text in markdown_parts(path))
        except (ValueError, KeyError):
            continue  # check_notebook says so
        for target in re.findall(r"^(?:\*\*)?Next(?:\*\*)?:? \[[^\]]*\]\(([^)#]+)", text, re.M):
            goal = (path.parent / target).resolve()
            name = goal.relative_to((root / "nbs").resolve()).as_posix() if goal.exists() else ""
            if place.get(name, len(named)) < place[page]:
                found.append(f"nbs/{page}: sends on to {name}, which the footer has before it")
    return found


def check_style(root: Path, config: dict, website: dict) -> list[str]:
    "Files of the themes and pictures that are not there, KaTeX of any version, columns too narrow for code."
    html = config.get("format") or {}
    html = (html.get("html") or {}) if isinstance(html, dict) else {}
    themes = html.get("theme") or []
    themes = [themes] if isinstance(themes, str) else themes
    themes = list(themes.values()) if isinstance(themes, dict) else [themes]
    names = [name for theme in themes for name in ([theme] if isinstance(theme, str) else theme)]
    files = [name for name in names if "." in name]
    files += [website[key] for key in ("favicon", "image") if key in website]
    found = [
        f"_quarto.yml: names nbs/{name}, which does not exist"
        for name in dict.fromkeys(files)
        if not (root / "nbs" / name).exists()
    ]
    maths = html.get("html-math-method")
    if maths == "katex" or (
        isinstance(maths, dict) and not re.search(r"@\d+\.\d+\.\d+/", str(maths.get("url")))
    ):
        found.append("_quarto.yml: KaTeX has no fixed version (html-math-method: {method, url})")
    sizes = [
        float(size)
        for name in files
        if name.endswith(".scss") and (root / "nbs" / name).exists()
        for size in re.findall(r"\$code-px:\s*([\d.]+)px", (root / "nbs" / name).read_text())
    ]
    if "grid" in html and sizes and (held := characters(html["grid"], sizes[0])) < COLUMNS:
        found.append(
            f"_quarto.yml: a line of code holds {held} characters at 1280 px, not {COLUMNS}; "
            "narrow the sidebar or the margin, or the code"
        )
    return found


def characters(grid: dict, code_px: float, window: float = 1265) -> int:
    """How many characters of code stand on a line of a page with a sidebar and a table of contents.

    Quarto's grid: sidebar and margin in three parts each, the body between them; what is left over is dealt out evenly
    until a part has its largest width. A window of 1280 px has 15 px of scroll bar.
    """
    px = {key: float(re.match(r"[\d.]+", str(value))[0]) for key, value in grid.items()}
    gutter = 17 * px.get("gutter-width", 1.5)  # rem
    parts = [
        (low * width, high * width)
        for width in (px.get("sidebar-width", 250), px.get("margin-width", 250))
        for low, high in ((0.1, 0.2), (0.2, 0.6), (0.1, 0.2))
    ]
    parts.append((500, px.get("body-width", 800) - 2 * gutter))
    widths, rest = [low for low, _ in parts], window - 4 * gutter - sum(low for low, _ in parts)
    while rest > 0.1 and (growing := [i for i, (_, high) in enumerate(parts) if widths[i] < high]):
        step = min(rest / len(growing), min(parts[i][1] - widths[i] for i in growing))
        for i in growing:
            widths[i] += step
        rest -= step * len(growing)
    return int((widths[-1] - 0.8 * code_px) / (0.6 * code_px))


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


def term_anchor(term: str) -> str:
    "The anchor of a term of the glossary."
    return re.sub(r"[^\w-]", "", term.strip().lower().replace(" ", "-"))


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
        if path.as_posix().endswith(GLOSSARY):
            terms = TERM.findall(text)
            found |= {term_anchor(term): term_anchor(term) for term in terms}
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


def narrow_tables(text: str) -> list[str]:
    "Tables of a markdown text that a page cannot hold, even with a line for each word."
    found = []
    for m in TABLE.finditer(text):
        rows = [split_row(row) for row in f"{m[1]}\n{m[3]}".strip().split("\n")]
        columns = [[shown(row[j]) for row in rows if j < len(row)] for j in range(len(rows[0]))]
        least = sum(
            max((len(w) for c in cells for w in re.split(r"[\s/]", c)), default=0)
            for cells in columns
        )
        if least + 3 * len(columns) > COLUMNS:
            found.append(
                f"the table `{m[1][:40]}...` is {least + 3 * len(columns)} characters wide at least; "
                "split it, or turn it round"
            )
    return found


def split_row(row: str) -> list[str]:
    "The cells of a row of a markdown table."
    return re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|"))


def shown(cell: str) -> str:
    "What a reader sees of a markdown cell: no targets of links, no marks, one sign for an entity."
    cell = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", cell)
    return re.sub(r"&#?\w+;", "x", re.sub(r"<[^>]*>|[`*\\]", "", cell)).strip()


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
            for said in NUMBERED.findall(strip_code(text)) if path.suffix == ".ipynb" else ():
                found.append(f"{name}{where}: speaks of `{said}`; the site shows no file numbers")
            found += [f"{name}{where}: {fault}" for fault in narrow_tables(text)]
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
        found += [
            f"{name} cell {i}: reads {file}, which is not there"
            for file in READS.findall(source)
            if not (path.parent / file).is_file()
        ]
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


def widest(outputs: list[dict]) -> int:
    "Characters of the longest line of text outputs that is laid out in columns; lines of words are folded."
    texts = [text_of(o["text"]) for o in outputs if "text" in o]
    for o in outputs:
        data = o.get("data", {})
        if data.keys() <= {"text/plain"}:
            texts.append(text_of(data.get("text/plain", "")))
    lines = [line.split("\r")[-1] for text in texts for line in ANSI.sub("", text).split("\n")]
    return max((len(line) for line in lines if not is_words(line)), default=0)


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
        directives = dict(DIRECTIVE.findall(source))
        outputs = cell.get("outputs", [])
        if (long := len(directives.get("fig-alt", "").strip("\"' "))) > ALT:
            found.append(
                f"{name} cell {i}: an alt text of {long} characters; at most {ALT} are read to the end, "
                "and JupyterLab shows the line to all"
            )
        if any(
            "image/png" in o.get("data", {}) or "image/svg+xml" in o.get("data", {})
            for o in outputs
        ) and not directives.keys() & {"fig-alt", "hide"}:
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
        if "hide" not in directives and (wide := widest(outputs)) > COLUMNS:
            found.append(
                f"{name} cell {i}: an output laid out in columns is {wide} characters wide, a page holds {COLUMNS}; "
                "print fewer columns, or turn it round"
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
    "The line that opens a tutorial: what it needs, how long it takes, its link to Colab; its last section."
    prose = [text for _, text in markdown_parts(path)]
    opening, last = "\n".join(prose[:2]), prose[-1] if prose else ""
    needed = ("**Needs**", "**takes**", addresses.colab(root, name))
    found = [f"{name}: its opening lacks {word}" for word in needed if word not in opening]
    if "## What to read next" not in last:
        found.append(f"{name}: does not close with `## What to read next`")
    return found


def check_install(root: Path, path: Path, name: str) -> list[str]:
    "The first code cell of a tutorial or lesson installs the library in Colab."
    sources = [text_of(c["source"]) for c in load(path)["cells"] if c["cell_type"] == "code"]
    if sources and sources[0] == addresses.install_cell(root):
        return []
    return [
        f"{name}: its first code cell does not install in Colab (`python tools/addresses.py --write`)"
    ]


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
        if path in addresses.taught(root):
            found += check_install(root, path, name)
    found += check_exports(root) + addresses.check(root)
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
