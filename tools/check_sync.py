"""Are scsmd_nb/, the page of all functions and README.md in step with the notebooks? Exports aside and compares."""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import docs_index
import readme

ROOT = Path(__file__).resolve().parent.parent


def export(root: Path, into: Path) -> None:
    "Run nbdev_export on a copy of the project under `into`."
    shutil.copy(root / "settings.ini", into)
    shutil.copytree(
        root / "nbs", into / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "images")
    )
    for init in (root / "scsmd_nb").rglob("__init__.py"):  # written by hand
        copy = into / init.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(init, copy)
    env = {k: v for k, v in os.environ.items() if k != "IN_TEST"}
    command = [
        sys.executable,
        "-c",
        "from nbdev.doclinks import nbdev_export; nbdev_export.__wrapped__()",
    ]
    done = subprocess.run(command, cwd=into, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"check_sync: nbdev_export failed\n{done.stderr[-3000:]}")


def modules(folder: Path) -> dict[str, str]:
    "Text of every module under a package folder, by relative path."
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def compare(here: dict[str, str], fresh: dict[str, str]) -> list[str]:
    "One line for each module that is missing, left over or different, with the first line that differs."
    found = []
    for name in sorted(here.keys() | fresh.keys()):
        if name not in here:
            found.append(f"scsmd_nb/{name} has not been exported yet")
        elif name not in fresh:
            found.append(f"scsmd_nb/{name} comes from no notebook")
        elif here[name] != fresh[name]:
            changed = difflib.unified_diff(
                here[name].splitlines(), fresh[name].splitlines(), lineterm="", n=0
            )
            first = next(
                (line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")),
                "",
            )
            found.append(f"scsmd_nb/{name} differs from its notebook, first at: {first[:100]}")
    return found


def differences(root: Path = ROOT) -> list[str]:
    "Every module that is out of step with its notebook."
    with tempfile.TemporaryDirectory() as tmp:
        export(root, Path(tmp))
        return compare(modules(root / "scsmd_nb"), modules(Path(tmp) / "scsmd_nb"))


def main() -> int:
    found = differences() or docs_index.differences()
    for line in found:
        print(f"  {line}")
    if found:
        print("  mend: edit the notebook, then `make export`")
    stale = readme.differences()
    for line in stale:
        print(f"  {line}")
    if stale:
        print("  mend: `make readme`")
    return bool(found or stale)


if __name__ == "__main__":
    sys.exit(main())
