"""The documentation is true: its commands, recipes, links and pages, and the generated reference."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml
from conftest import ROOT

from hw1cli import main
from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.load import load
from registry.recipe.planner import make_plan
from registry.recipe.yaml import parse

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
#: Recipes that a reader writes, or that ``plugin new`` does.
WRITTEN_BY_READERS = {"recipes/my_net.yaml"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)


# --- commands -----------------------------------------------------------------------------------


def commands(block: str) -> Iterator[list[str]]:
    """The words behind ``hw1cli`` in each call of it."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        simple: list[list[str]] = [[]]
        for word in lexer:
            simple.append([]) if set(word) <= set("();<>|&") else simple[-1].append(word)
        for words in simple:
            while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in ("do", "python")):
                words = words[1:]
            if words and words[0] in ("hw1cli", "hw1cli.py"):
                yield words[1:]


def usage_error(words: Sequence[str]) -> str | None:
    """The usage error that the command line reports for these words; None when it accepts them."""
    command: click.Command = main
    rest, path = list(words), "hw1cli"
    while isinstance(command, click.Group) and rest:
        if rest[0].startswith("-"):
            return None if len(rest) == 1 and _takes(command, rest[0]) else f"{path} does not take {rest[0]}"
        child = command.commands.get(rest[0])
        if child is None:
            return f"{path} has no command {rest[0]!r}"
        command, path = child, f"{path} {rest.pop(0)}"
    try:
        command.make_context(path, rest)
    except click.UsageError as error:
        return f"{path}: {error.format_message()}"
    except click.exceptions.Exit:  # --help
        pass
    return None


def _takes(command: click.Command, option: str) -> bool:
    context = click.Context(command, **command.context_settings)
    return any(option in parameter.opts for parameter in command.get_params(context))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist_with_their_options(page: Path) -> None:
    found = [words for block in blocks(page, "bash") for words in commands(block)]
    assert [f"{shlex.join(words)}: {error}" for words in found if (error := usage_error(words))] == []


def test_wrong_commands_are_detected() -> None:
    block = "pip install . && A=b hw1cli list losses  # words\nhw1cli run x.yaml \\\n  --demo | tail\necho 'hw1cli no'"
    assert list(commands(block)) == [["list", "losses"], ["run", "x.yaml", "--demo"]]
    assert usage_error(["run", "x.yaml", "--set", "a=1", "--resume"]) is None and usage_error(["--version"]) is None
    wrong = ["trian x.yaml", "run x.yaml --sets a=1", "data mak digits", "predict run in", "completion tcsh", "check"]
    assert [words for words in wrong if usage_error(words.split()) is None] == []
    assert sum(len(list(commands(block))) for page in PAGES for block in blocks(page, "bash")) > 50


# --- recipes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_blocks_are_valid_recipes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yaml block parses; a complete recipe has no problem other than missing data."""
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "recipes"):
        shutil.copytree(ROOT / "recipes", folder, dirs_exist_ok=True)
    problems: list[Any] = []
    for number, block in enumerate(blocks(page, "yaml")):
        root, found = parse(block, f"block {number}")
        problems += found
        keys = set(root.value) if root else set()
        if "extends" in keys or ({"trainer", "data"} <= keys and keys & {"model", "backbone"}):
            path = tmp_path / f"block_{number}.yaml"
            path.write_text(block)
            problems += planned(path)
    assert [str(problem) for problem in problems] == []


def planned(path: Path) -> list[Any]:
    recipe, registry = load(path), Registry()
    problems: list[Any] = list(recipe.problems)
    for each in recipe.members or [recipe]:
        try:
            make_plan(each, registry)
        except InputError as error:
            problems += error.problems
    return problems


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_named_recipes_exist(page: Path) -> None:
    named = set(re.findall(r"(?<![\w./-])recipes/\w+\.(?:yaml|json)", page.read_text())) - WRITTEN_BY_READERS
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


# --- pages --------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", DOCS / "generate_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def reference() -> dict[str, str]:
    return {f"reference/{name}.md": text for name, text in generator().pages()}


def test_navigation_lists_every_page() -> None:
    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for item in entry.values() if isinstance(entry, dict) else entry:
                yield from files(item)

    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(files(settings["nav"])) == sorted(there | reference().keys())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" in target:
            continue
        path = (page.parent / target).resolve()
        generated = path.is_relative_to(DOCS) and path.relative_to(DOCS).as_posix() in reference()
        assert path.is_file() or generated, f"{target} is not there"
        # The site holds docs/ alone; the hook turns the links to code, which serve in the repository, into plain text.
        outside = page.name == "README.md" or path.suffix == ".py"
        assert outside or path.is_relative_to(DOCS), f"{target} is outside of docs/"


def test_architecture_links_to_existing_definitions() -> None:
    text = (DOCS / "architecture.md").read_text()
    links = re.findall(r"\[`(\w+)` in ([\w/]+\.py)\]\(\.\./([\w/]+\.py)\)", text)
    assert len(links) > 20 and len(links) == text.count("](../")
    for name, shown, target in links:
        assert target in (shown, f"registry/{shown}"), f"{shown} links to {target}"
        tree = ast.parse((ROOT / target).read_text())
        defined = {each.name for each in tree.body if isinstance(each, (ast.FunctionDef, ast.ClassDef))}
        assert name in defined, f"{target} does not define {name}"


def test_each_journey_has_at_most_ten_hops() -> None:
    sections = (DOCS / "architecture.md").read_text().split("\n## ")[1:]
    hops = {section.split("\n")[0]: re.findall(r"^\d+\. ", section, re.MULTILINE) for section in sections}
    journeys = ["A name to a module", "An image to the loss", "A score to the eye"]
    assert [name for name in journeys if not 0 < len(hops[name]) <= 10] == []


def test_architecture_lists_every_file_with_its_docstring() -> None:
    command = [sys.executable, "-c", "import file_map; print(file_map.section(), end='')"]
    listed = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, check=True).stdout
    assert (DOCS / "architecture.md").read_text().endswith(listed), "write it anew: python docs/file_map.py"


def test_architecture_lists_every_package() -> None:
    text = (DOCS / "architecture.md").read_text()
    packages = sorted(path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "registry").rglob("__init__.py"))
    assert [package for package in packages if f"`{package}/`" not in text] == []


def test_reference_lists_every_component_and_command() -> None:
    offered = [component for component in Registry().components() if component.distribution == "hw1cli"]
    assert len(offered) > 40
    assert [c.name for c in offered if f"## `{c.name}`\n" not in reference()[f"reference/{c.kind}.md"]] == []
    text = reference()["reference/commands.md"]
    assert [name for name in main.commands if f"## `hw1cli {name}`\n" not in text] == []


def test_reference_tables_have_equal_columns() -> None:
    for name, text in reference().items():
        width = 0
        for line in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) if line.startswith("|") else 0
            assert not cells or not width or cells == width, f"{name}: {line}"
            width = cells


def test_site_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr
    for page in ("index.html", "tutorial/index.html", "reference/trainers/index.html"):
        assert (tmp_path / "site" / page).is_file()


def test_every_test_that_reliability_names_exists() -> None:
    named = re.findall(
        r"\]\(\.\./(tests/[\w/]+\.py)\): ((?:`test_\w+`(?:, )?)+)", (DOCS / "reliability.md").read_text()
    )
    assert len(named) > 50
    for file, tests in named:
        code = (ROOT / file).read_text()
        assert [name for name in re.findall(r"`(\w+)`", tests) if f"def {name}(" not in code] == [], file
