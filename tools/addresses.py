"""Address and version stand in settings.ini (`user`, `repo`, `branch`, `version`); this tool carries them elsewhere.

usage: addresses.py          lists every file that shows the address
       addresses.py --write  after a change in settings.ini: the new address everywhere, and the cell that installs in
                             Colab as the first code cell of every tutorial and lesson
"""

import configparser
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {".ipynb", ".md", ".qmd", ".cff", ".yml", ".yaml", ".toml", ".json", ".txt"}
HIDDEN = {".git", ".venv", "node_modules", "_proc", "_docs", "build", "dist", "demo"}


def settings(root: Path = ROOT) -> configparser.SectionProxy:
    "What settings.ini says."
    parser = configparser.ConfigParser()
    parser.read(root / "settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


def install_cell(root: Path = ROOT) -> str:
    "The first code cell of a tutorial or lesson; the site leaves it out."
    s = settings(root)
    return (
        "try:\n    import scsmd_nb as smd\nexcept ModuleNotFoundError:  # in Colab\n"
        f"    %pip install -q git+https://github.com/{s.get('user')}/{s.get('repo')}"
    )


def colab(root: Path, page: str) -> str:
    "The address of a page (`nbs/...`) in Colab."
    s = settings(root)
    place = f"{s.get('user')}/{s.get('repo')}/blob/{s.get('branch')}"
    return f"https://colab.research.google.com/github/{place}/{page}"


def pattern(root: Path) -> re.Pattern:
    "Addresses of a repository of this name, whoever owns it; the owner is one of the two groups."
    repo = re.escape(settings(root).get("repo", "scsmd_nb"))
    return re.compile(
        rf"(?:github(?:usercontent)?\.com/(?:github/)?([\w-]+)/|//([\w-]+)\.github\.io/){repo}\b"
    )


def files(root: Path) -> list[Path]:
    "Files of the repository that a reader sees."
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix in KINDS
        and not HIDDEN & set(path.relative_to(root).parts)
        and not any(part.endswith(".egg-info") for part in path.parts)
        and path.is_file()
    ]


def shown(root: Path = ROOT) -> dict[str, set]:
    "Every file that shows the address, and the owners that stand there."
    found, address = {}, pattern(root)
    for path in files(root):
        owners = {a or b for a, b in address.findall(path.read_text("utf-8", errors="ignore"))}
        if owners:
            found[path.relative_to(root).as_posix()] = owners
    return found


def citation(root: Path) -> tuple[Path, str, str]:
    "CITATION.cff, its text, and its text with the version of settings.ini."
    path = root / "CITATION.cff"
    text = path.read_text("utf-8") if path.exists() else ""
    version = settings(root).get("version", "")
    return path, text, re.sub(r"^version: .*$", f"version: {version}", text, flags=re.M)


def check(root: Path = ROOT) -> list[str]:
    "Files that show another owner, or another version, than settings.ini."
    user, (path, text, right) = settings(root).get("user", ""), citation(root)
    stale = [f"{path.name}: another version than settings.ini (tools/addresses.py --write)"]
    return stale * (text != right) + [
        f"{name}: names the repository of {', '.join(sorted(owners - {user}))}, settings.ini that of {user} "
        "(tools/addresses.py --write)"
        for name, owners in shown(root).items()
        if user and owners - {user}
    ]


def taught(root: Path = ROOT) -> list[Path]:
    "Tutorials and lessons, and the ten questions."
    nbs = root / "nbs"
    places = ("tutorials/[0-9]*.ipynb", "course/[0-9]*.ipynb", "course/ten_questions.ipynb")
    return sorted(path for place in places for path in nbs.glob(place))


def first_code(notebook: dict) -> int:
    "The number of the first code cell."
    return next(i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code")


def is_install_cell(source: str) -> bool:
    "Is this the cell that installs, of whatever address?"
    return source.startswith("try:\n    import scsmd_nb") and "# in Colab" in source


def write(root: Path = ROOT) -> int:
    "Put address and cell where they belong; the number of files that changed."
    user, address, changed = settings(root)["user"], pattern(root), 0
    path, text, right = citation(root)
    if text != right:
        path.write_text(right, "utf-8")
        changed += 1
    for path in files(root):
        old = path.read_text("utf-8", errors="ignore")
        new = address.sub(lambda m: m[0].replace(m[1] or m[2], user, 1), old)
        if new != old:
            path.write_text(new, "utf-8")
            changed += 1
    for path in taught(root):
        notebook = json.loads(path.read_text("utf-8"))
        at, cell = first_code(notebook), install_cell(root).splitlines(keepends=True)
        if is_install_cell("".join(notebook["cells"][at]["source"])):
            if notebook["cells"][at]["source"] == cell:
                continue
            notebook["cells"][at]["source"] = cell
        else:
            new = {"cell_type": "code", "execution_count": None, "id": "c01ab000"}
            notebook["cells"].insert(at, new | {"metadata": {}, "outputs": [], "source": cell})
        text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
        path.write_text(text + "\n", "utf-8")
        changed += 1
    return changed


if __name__ == "__main__":
    if "--write" in sys.argv:
        print(f"{write()} files changed; now `make export` and `make readme`")
    for name in shown():
        print(f"  {name}")
    faults = check()
    print("\n".join(faults) or f"{len(shown())} files show the address of settings.ini")
    sys.exit(bool(faults))
