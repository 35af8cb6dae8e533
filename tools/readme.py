"""Write README.md from nbs/index.ipynb with its stored outputs; nbdev_readme needs Quarto. Pictures go to nbs/images/.

usage: readme.py [--check]   (--check writes nothing and fails if README.md is out of step)
"""

import base64
import json
import posixpath
import re
import sys
from pathlib import Path

from docs_check import for_the_web

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Made from nbs/index.ipynb by `make readme`. Edit the notebook, not this file. -->"
DIRECTIVE = re.compile(r"^#\s*\|\s*([\w-]+)\s*:?\s*(.*)$")
LINK = re.compile(r"(\]\()(<?)([^)\s>]+)")
HTML_LINK = re.compile(r"((?:src|href)=[\"'])([^\"']+)")
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def text_of(value) -> str:
    "The text of a notebook field, which is a string or a list of lines."
    return value if isinstance(value, str) else "".join(value)


def split_directives(source: str) -> tuple[dict[str, str], str]:
    "The `#| name: value` lines at the head of a cell, and the code below them."
    directives, lines = {}, source.splitlines()
    while lines and (not lines[0].strip() or DIRECTIVE.match(lines[0])):
        if found := DIRECTIVE.match(lines[0]):
            directives[found[1]] = found[2].strip()
        lines.pop(0)
    return directives, "\n".join(lines).rstrip()


def relocate(target: str) -> str:
    "A link written for nbs/, as seen from the top of the repository."
    if re.match(r"[a-z][a-z0-9+.-]*:|#|/", target, re.I):
        return target
    path, mark, anchor = target.partition("#")
    return posixpath.normpath(posixpath.join("nbs", path)) + mark + anchor


def prose(source: str) -> str:
    "Markdown with its relative links moved to the top of the repository; fenced code is left as it is."
    out, fenced = [], False
    for line in source.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            parts = re.split(r"(`+.+?`+)", line)  # inline code stays as it is
            for i in range(0, len(parts), 2):
                parts[i] = LINK.sub(lambda m: m[1] + m[2] + relocate(m[3]), parts[i])
                parts[i] = HTML_LINK.sub(lambda m: m[1] + relocate(m[2]), parts[i])
            line = "".join(parts)
        out.append(line)
    return "\n".join(out).strip()


def console(text: str) -> str:
    "Output as a terminal would show it: no colours, and only the last state of a line that was rewritten."
    lines = [line.rstrip("\r").split("\r")[-1].rstrip() for line in ANSI.sub("", text).split("\n")]
    return "\n".join(lines).strip("\n")


def fence(text: str, language: str) -> str:
    ticks = "```" if "```" not in text else "````"
    return f"{ticks}{language}\n{text}\n{ticks}"


def outputs(cell: dict, number: int, images: dict[str, bytes], alt: str = "") -> list[str]:
    "The stored outputs of one code cell as markdown; pictures are added to `images` by file name."
    parts = []
    for output in cell.get("outputs", []):
        kind = output["output_type"]
        if kind == "error":
            raise SystemExit(
                f"readme: cell {number} of nbs/index.ipynb has stored an error: {output.get('evalue')}"
            )
        if kind == "stream":
            if output["name"] == "stdout" and (text := console(text_of(output["text"]))):
                parts.append(fence(text, "text"))
            continue
        data = output.get("data", {})
        if "image/png" in data or "image/svg+xml" in data:
            png = "image/png" in data
            name = f"readme-{len(images) + 1}.{'png' if png else 'svg'}"
            raw = (
                base64.b64decode(text_of(data["image/png"]))
                if png
                else text_of(data["image/svg+xml"]).encode()
            )
            images[name] = raw
            parts.append(f"![{alt or 'Figure drawn by the code above'}](nbs/images/{name})")
        elif "text/markdown" in data:
            parts.append(prose(text_of(data["text/markdown"])))
        elif "text/plain" in data and (text := console(text_of(data["text/plain"]))):
            parts.append(fence(text, "text"))
    return parts


def convert(nb: dict) -> tuple[str, dict[str, bytes]]:
    "README text and its pictures, by file name."
    parts, images = [NOTE], {}
    for number, cell in enumerate(nb["cells"]):
        source = text_of(cell["source"])
        if cell["cell_type"] == "markdown":
            directives, body = {}, source
            if re.match(r"\s*(#\s*\||<!--\s*hide)", source):
                directives, body = split_directives(source)
            if "hide" not in directives and (body := prose(for_the_web(body))):
                parts.append(body)
        elif cell["cell_type"] == "code":
            directives, body = split_directives(source)
            if {"hide", "default_exp"} & directives.keys() or directives.get(
                "include", ""
            ).lower() == "false":
                continue
            if (
                body
                and directives.get("echo", "").lower() != "false"
                and "hide_input" not in directives
            ):
                parts.append(fence(body, "python"))
            if directives.get("output", "").lower() != "false" and "hide_output" not in directives:
                parts += outputs(cell, number, images, directives.get("fig-alt", "").strip("\"'"))
    return "\n\n".join(parts) + "\n", images


def differences(root: Path = ROOT) -> list[str]:
    "What is out of step, one line each; empty if README.md and its pictures match the notebook."
    index = root / "nbs" / "index.ipynb"
    if not index.exists():
        return ["nbs/index.ipynb is missing, README.md is made from it"]
    text, images = convert(json.loads(index.read_text(encoding="utf-8")))
    folder, readme = root / "nbs" / "images", root / "README.md"
    found = []
    if not readme.exists() or readme.read_text(encoding="utf-8") != text:
        found.append("README.md differs from nbs/index.ipynb")
    for name, raw in images.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != raw:
            found.append(f"nbs/images/{name} differs from the picture in nbs/index.ipynb")
    stale = {path.name for path in folder.glob("readme-*.*")} - images.keys()
    return found + [f"nbs/images/{name} is in nbs/index.ipynb no longer" for name in sorted(stale)]


def write(root: Path = ROOT) -> None:
    text, images = convert(json.loads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8")))
    folder = root / "nbs" / "images"
    for path in folder.glob("readme-*.*"):
        if path.name not in images:
            path.unlink()
    if images:
        folder.mkdir(exist_ok=True)
    for name, raw in images.items():
        (folder / name).write_bytes(raw)
    (root / "README.md").write_text(text, encoding="utf-8")


def main() -> int:
    found = differences()
    if "--check" in sys.argv[1:]:
        for line in found:
            print(f"readme: {line}; run `make readme`")
        return bool(found)
    if not (ROOT / "nbs" / "index.ipynb").exists():
        print(f"readme: {found[0]}", file=sys.stderr)
        return 1
    if found:
        write()
    print("README.md written from nbs/index.ipynb" if found else "README.md is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
