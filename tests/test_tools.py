"""The checks of `make test` name what is wrong and leave the tree as it is."""

import json

import check_clean
import check_sync


def test_modules_out_of_step_are_named():
    here = {"a.py": "x = 1\n", "b.py": "y = 1\n", "old.py": ""}
    fresh = {"a.py": "x = 1\n", "b.py": "y = 2\n", "new.py": ""}
    found = check_sync.compare(here, fresh)
    assert len(found) == 3
    assert "scsmd_nb/b.py differs" in found[0] and "-y = 1" in found[0]
    assert found[1] == "scsmd_nb/new.py has not been exported yet"
    assert found[2] == "scsmd_nb/old.py comes from no notebook"


def notebook(**changes) -> dict:
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": ["1+1"]}
    return {"cells": [cell | changes], "metadata": {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}},
            "nbformat": 4, "nbformat_minor": 5}


def why(path, nb) -> str:
    path.write_text(json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    before = path.read_text()
    said = check_clean.unclean(path)
    assert path.read_text() == before
    return said


def test_unclean_notebooks_are_named_and_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(check_clean.ROOT)
    path = tmp_path / "n.ipynb"
    assert why(path, notebook()) == ""
    assert why(path, notebook(execution_count=3)) == "cells [0]"
    assert why(path, notebook(metadata={"scrolled": True})) == "cells [0]"
    assert "language_info" in why(path, notebook() | {"metadata": notebook()["metadata"] | {"language_info": {}}})
    path.write_text(json.dumps(notebook()))
    assert "laid out" in check_clean.unclean(path)
