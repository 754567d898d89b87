"""``${...}``: what a reference becomes, and the ones that cannot be followed."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from registry.errors import Problem
from registry.recipe import references
from registry.recipe.yaml import BROKEN, Node, parse


def resolve(root: Node) -> list[Problem]:
    problems: list[Problem] = []
    references.resolve(root, problems)
    return problems


def resolved(text: str) -> tuple[Node, list[Problem]]:
    root, problems = parse(text, "r.yaml")
    assert root is not None and not problems
    return root, resolve(root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${b}\nb: 1e-3", 1e-3),
        ("a: ${b}\nb: null", None),
        ("a: ${b}\nb: {c: [1, x]}", {"c": [1, "x"]}),
        ("a: ${b.0.c}\nb: [{c: 2}]", 2),
        ("a: ${b[1]}\nb: [1, 2]", 2),
        ("a: ${b[0][1].c}\nb: [[1, {c: 3}]]", 3),
        ("a: ${ b.c }\nb: {c: 2}", 2),
        ("a: ${b}/x-${c}\nb: data\nc: 0013", "data/x-0013"),
        ("a: ${b}\nb: ${c}\nc: true", True),
        ("a: ${b.d}\nb: ${c}\nc: {d: 3}", 3),
        ("a: ${b.0}${b.1}\nb: ['$${b.1}', x]", "${b.1}x"),  # nothing is read twice
        ("a: $${b}", "${b}"),
        ("a: 5 $ {x} $x", "5 $ {x} $x"),
        ("a: ${b}\nb: {c: '$${d}'}", {"c": "${d}"}),
        ("a: {x: 1, y: '${a.x}'}", {"x": 1, "y": 1}),
    ],
)
def test_reference_is_replaced_by_its_target(text: str, value: Any) -> None:
    root, problems = resolved(text)
    assert problems == []
    assert root.plain()["a"] == value and type(root.plain()["a"]) is type(value)


def test_target_is_copied_and_the_location_kept() -> None:
    root, _ = resolved("a: ${b}\nb: [1]")
    assert root.value["a"].location.line == 1
    root.value["a"].value.append(1)
    assert root.value["b"].plain() == [1]


@pytest.mark.parametrize(
    ("text", "path", "line", "word"),
    [
        ("data: {root: x}\na: ${data.rot}", "a", 2, "not there"),
        ("a: ${}", "a", 1, "not there"),
        ("a: ${b[2]}\nb: [1, 2]", "a", 1, "not there"),
        ("a: ${b.01}\nb: [1, 2]", "a", 1, "not there"),
        ("a: ${b.c}\nb: x", "a", 1, "not there"),
        ("a: ${a}", "a", 1, "refers back"),
        ("a: ${b}\nb: ${a}", "b", 2, "refers back"),
        ("a: {b: '${a}'}", "a.b", 1, "refers back"),
        ("a: ${b}\nb: {x: '${a.x}'}", "b.x", 2, "refers back"),
        ("c: ${a.x}\na: {x: '${a}'}", "a.x", 2, "refers back"),
        ("a: x ${b}\nb: {c: 1}", "a", 1, "not a scalar"),
        ("a: x ${b", "a", 1, "without its '}'"),
    ],
)
def test_unresolvable_reference_is_one_problem(text: str, path: str, line: int, word: str) -> None:
    root, problems = resolved(text)
    assert [(problem.path, problem.line, problem.file) for problem in problems] == [(path, line, "r.yaml")]
    assert word in problems[0].message and problems[0].hint
    node = root
    for part in path.split("."):
        node = node.value[part]
    assert node.value is BROKEN


def test_unknown_path_suggests_the_nearest_one() -> None:
    _, problems = resolved("data: {root: x}\na: ${data.rot}")
    assert (problems[0].hint or "").startswith("did you mean 'data.root'")


def test_all_wrong_references_of_a_text_are_reported_once() -> None:
    root, problems = resolved("a: ${x} ${y}\nb: ${a}\nc: is ${b}")
    assert [problem.path for problem in problems] == ["a", "a"]
    assert all(root.value[key].value is BROKEN for key in "abc")


@pytest.mark.parametrize(
    "line",
    [
        "k{0}: ['${{k{1}}}', '${{k{1}}}']",  # 2**40 nodes
        "k{0}: ${{k{1}}}${{k{1}}}",  # 2**40 characters
        "k{0}: [[[[[[[[[['${{k{1}}}']]]]]]]]]]",  # 400 levels
    ],
)
def test_references_cannot_grow_exponentially(line: str) -> None:
    _, problems = resolved("\n".join(line.format(at, at + 1) for at in range(40)) + "\nk40: x")
    assert problems and re.search("too (large|far)", problems[0].message)


def test_references_into_a_long_list_take_linear_time() -> None:
    items = ", ".join("1" for _ in range(4000))
    root, _ = parse(f"a: [{items}]\nb: [{', '.join('${a.3999}' for _ in range(4000))}]", None)
    assert root is not None
    began = time.process_time()
    assert resolve(root) == [] and root.plain()["b"] == [1] * 4000
    assert time.process_time() - began < 2  # 0.1 s, and 6 s where every look-up went through the list


def test_long_chain_of_references_is_a_problem() -> None:
    _, problems = resolved("\n".join(f"k{at}: ${{k{at + 1}}}" for at in range(2000)) + "\nk2000: 1")
    assert problems and "too far" in problems[0].message
