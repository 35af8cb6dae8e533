"""Would nbdev_clean change a notebook? (It can only change it.) Works on copies and names those that are not clean."""

import json
import sys
from pathlib import Path

from execnb.nbio import nb2str, read_nb
from nbdev.clean import _nbdev_clean

ROOT = Path(__file__).resolve().parent.parent


def notebooks(root: Path = ROOT) -> list[Path]:
    "Every notebook of the project, those of checkpoint and hidden folders left out."
    return [
        path
        for path in sorted((root / "nbs").rglob("*.ipynb"))
        if not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)
    ]


def unclean(path: Path) -> str:
    "What nbdev_clean would change in a notebook, in words; empty if nothing."
    text = path.read_text(encoding="utf-8")
    nb = read_nb(path)
    _nbdev_clean(nb)
    if nb2str(nb) == text:
        return ""
    before, after = json.loads(text), json.loads(nb2str(nb))
    if before == after:
        return "the JSON is not laid out as nbdev writes it"
    if before.get("metadata") != after.get("metadata"):
        return f"metadata {sorted(before.get('metadata', {}).keys() - after['metadata'].keys()) or 'of the kernel'}"
    cells = [i for i, (a, b) in enumerate(zip(before["cells"], after["cells"])) if a != b]
    return f"cells {cells[:8]}" if cells else "notebook format"


def main() -> int:
    found = [(path, why) for path in notebooks() if (why := unclean(path))]
    for path, why in found:
        print(f"  {path.relative_to(ROOT)} is not clean: {why}")
    if found:
        print("  mend: nbdev_clean --fname NOTEBOOK (or `make notebooks` to run and clean it)")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
