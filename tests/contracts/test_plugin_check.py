"""``plugin check``: what passes, what is printed, and the advice of every rule."""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Callable
from pathlib import Path

from checking import failures
from click.testing import CliRunner

from registry.cli.commands.plugin import plugin
from registry.contracts import violations

Install = Callable[..., None]


def test_a_plugin_that_keeps_the_contracts_passes(stranger: None) -> None:
    assert list(failures("stranger-nets")) == ["API version"]  # which it does not declare


def test_the_command_prints_a_table_or_json(stranger: None) -> None:
    answer = CliRunner().invoke(plugin, ["check", "stranger-nets", "--json"])
    report = json.loads(answer.stdout)
    assert answer.exit_code == 3 and not report["ok"]
    (failed,) = (each for each in report["checks"] if each["outcome"] == "failed")
    assert failed["check"] == "API version" and failed["why"] and failed["instead"]
    answer = CliRunner().invoke(plugin, ["check", "stranger-nets"])
    assert (
        "FAILED  stranger-nets: API version" in answer.output
        and " passed, " in answer.output
        and " skipped, 1 failed; --run" in answer.output
    )


def test_a_distribution_that_is_not_installed_is_reported() -> None:
    assert (
        "no distribution 'hw1cly'" in failures("hw1cly")["installed"] and "'hw1cli'" in failures("hw1cly")["installed"]
    )


def test_every_rule_is_used_and_its_words_are_given() -> None:
    used: dict[str, set[str]] = {}
    for path in Path(violations.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ContractViolation":
                words = {keyword.arg for keyword in node.keywords if keyword.arg}
                expanded = any(keyword.arg is None for keyword in node.keywords)
                names: set[object] = {each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)}
                variable = node.args[0].id if isinstance(node.args[0], ast.Name) else None
                names |= _values_of(variable, path) if variable else set()
                used |= {str(name): words | ({"*"} if expanded else set()) for name in names}
    rules = violations.rules()
    assert set(used) == set(rules)
    for rule, texts in rules.items():
        wanted = {word for text in texts.values() for _, word, _, _ in string.Formatter().parse(text) if word}
        assert wanted == used[rule] or "*" in used[rule], rule


def _values_of(variable: str, path: Path) -> set[object]:
    """The constants that a module assigns to a variable."""
    found: set[object] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == variable:
                    found |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
                if isinstance(target, ast.Tuple) and getattr(target.elts[0], "id", "") == variable:
                    assert isinstance(node.value, ast.Tuple)
                    found |= {each.value for each in ast.walk(node.value.elts[0]) if isinstance(each, ast.Constant)}
    return found
