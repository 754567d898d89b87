"""The example plugins, as they would be installed: they conform, and their recipes have no problem.

Their own tests run on the built wheels; see ``.ci/run``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from unittest import SkipTest

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from registry.catalog.registry import Registry
from registry.recipe.request import Request, every_problem
from registry.testing import checks

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))


def test_two_examples_are_found() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_conforms_and_its_recipes_check(
    example: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    offered = {
        f"{group.removeprefix('hw1cli.')}/{name}": target
        for group, entries in project["entry-points"].items()
        for name, target in entries.items()
    }
    source = example / "src"
    install(
        project["name"], offered, {str(path.relative_to(source)): path.read_text() for path in source.rglob("*.py")}
    )
    passed = 0
    for check in checks(project["name"], run=False):
        try:
            check()
            passed += 1
        except SkipTest:
            continue
    assert passed > len(offered)
    monkeypatch.chdir(example)
    registry = Registry()
    own = {component.name for component in registry.components() if component.distribution == project["name"]}
    assert own == {key.partition("/")[2] for key in offered if not key.startswith("api/")}
    recipes = sorted((example / "recipes").glob("*.yaml"))
    assert recipes and {recipe.name: every_problem(Request(recipe), registry) for recipe in recipes} == {
        recipe.name: [] for recipe in recipes
    }


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_runs_and_shows_a_mask(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), "commit it without outputs"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.data for cell in cells for output in cell.outputs if output.output_type == "execute_result"]
    assert sum("image/png" in data for data in shown) == 1
    assert any("(64, 64)" in data["text/plain"] for data in shown)
