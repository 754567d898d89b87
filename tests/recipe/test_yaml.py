"""Strict YAML: what is read, what is refused and where, and that what is dumped is read back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.recipe.dump import dump
from registry.recipe.yaml import BROKEN, DEEPEST, LARGEST, Location, parse, parse_value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, None) for word in ("null", "Null", "NULL", "~", "")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *(
            (word, word)
            for word in ("no", "on", "yes", "y", "tRUE", "nULL", "1_000", "1:30", "2020-01-01", "0x", "-0x1F", "1e")
        ),
        ("012", 12),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0xfF", 255),
        ("1e-3", 1e-3),
        ("5e4", 5e4),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1.5E+2", -150.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'012'", "012"),
        ('"true"', "true"),
        ("''", ""),
        ("9" * 5000, "9" * 5000),  # int() would raise
        ("0x" + "f" * 3990, "0x" + "f" * 3990),  # str() would raise
    ],
)
def test_scalars_follow_yaml_1_2(written: str, value: object) -> None:
    root, problems = parse(f"key: {written}", None)
    assert root is not None and not problems
    read = root.plain()["key"]
    assert read == value and type(read) is type(value)


def test_nan_and_source_text() -> None:
    root, _ = parse("a: .nan\nb: 0013\nc: '0013'\nno: 1\n012: 2", None)
    assert root is not None
    assert math.isnan(root.value["a"].value)
    assert root.value["b"].text == "0013" and root.value["c"].text is None
    assert list(root.value) == ["a", "b", "c", "no", "012"]


def test_every_value_has_its_line() -> None:
    root, _ = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "r.yaml")
    assert root is not None
    inner = root.value["a"].value
    assert inner["b"].location == Location("r.yaml", 2)
    assert [item.location.line for item in inner["c"].value] == [4, 5]


def test_all_refused_constructs_are_reported_together() -> None:
    text = "a: &x 1\nb: *x\nc: !!python/name:os.system 3\nd: {<<: {e: 1}}\nf:\n  g: 1\n  g: 2\n---\nh: 1\n"
    root, problems = parse(text, "r.yaml")
    assert [(problem.path, problem.line, problem.file) for problem in problems] == [
        ("a", 1, "r.yaml"),
        ("b", 2, "r.yaml"),
        ("c", 3, "r.yaml"),
        ("d.<<", 4, "r.yaml"),
        ("f.g", 7, "r.yaml"),
        ("recipe", 8, "r.yaml"),
    ]
    for problem, word in zip(problems, ("anchor", "alias", "tag", "merge", "line 6", "more than one"), strict=True):
        assert word in problem.message
    assert root is not None
    assert root.value["b"].value is BROKEN and root.value["c"].value is BROKEN
    assert root.value["f"].plain() == {"g": 1}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("\n- a\n", 2, "not a mapping"),
        ("- !x a\n", 1, "tag"),
        ("*a\n", 1, "alias"),
        ("a:\n\tb: 1\n", 2, "tab"),
        ("a: 1\nlr:\t1e-3\n", 2, "tab"),
        ("a: 1\nb: c: d\n", 2, "not follow a key"),
        ("a: 1\n b: 2\n", 2, "not follow a key"),
        ("a: 1\nb: [1, 2\n", 2, "a '[' is not closed"),
        ("a: 1\nb: [1, 2\nc: 3\nd: 4\n", 2, "a '[' is not closed"),
        ("a: [\n  {b: 1},\n  {b: 1\n]\n", 3, "a '{' is not closed"),
        ("a: 1\nb: 'c\nd: 1\n", 2, "a quote is not closed"),
        ("a: 1\nword\nb: 2\n", 2, "without its ':'"),
        ("a: 1\nb: 'c' d\n", 2, "after the end"),
        ("a: 1\nb: [c]]\n", 2, "after the end"),
        ("a:\n  b: 1\n c: 2\n", 3, "indentation"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: " + "[" * 20_000, 1, "deeper"),
    ],
)
def test_malformed_yaml_is_one_problem_with_its_line(text: str, line: int, word: str) -> None:
    root, problems = parse(text, "r.yaml")
    assert root is None
    assert len(problems) == 1 and problems[0].line == line and word in problems[0].message


def test_hint_for_tabs() -> None:
    assert parse("a:\n\tb: 1\n", None)[1][0].hint == "write spaces instead"


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1\r\nb: {c: x}\r\n", "---\na: 1\nb:\n  c: x\n...\n", '{"a": 1, "b": {"c": "x"}}']
)
def test_byte_order_marks_line_ends_and_json_are_read(text: str) -> None:
    root, problems = parse(text, None)
    assert not problems and root is not None and root.plain() == {"a": 1, "b": {"c": "x"}}


def test_alias_bomb_is_refused() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{at}: &a{at} [*a{at - 1}, *a{at - 1}]\n" for at in range(1, 40))
    root, problems = parse(text, None)
    assert root is not None and root.plain()["a39"] == [None, None]
    assert len(problems) == 40 + 2 * 39


def test_depth_is_limited_and_reading_continues() -> None:
    at_limit = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse(f"a: {at_limit}", None)[1] == []
    _, problems = parse(f"a: [{at_limit}]\nb: 1\nb: 2", None)
    assert [problem.line for problem in problems] == [1, 3]


def test_size_is_limited() -> None:
    root, problems = parse("#" * (LARGEST + 1), "r.yaml")
    assert root is None and "1 MB" in problems[0].message and problems[0].path == "r.yaml"


def test_references_need_no_quotes_in_flow_style() -> None:
    root, problems = parse("a: {b: ${c.d}, e: [${f}/g]}", None)
    assert not problems and root is not None
    assert root.plain() == {"a": {"b": "${c.d}", "e": ["${f}/g"]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, x]", [1, "x"]),
        ("{use: x, p: 0.5}", {"use": "x", "p": 0.5}),
        ("1e-4", 1e-4),
        ("null", None),
        ("", None),
        ('"12"', "12"),
        *((text, text) for text in ("a: b", "#fff", "*.png", "!x", "&x", "- a", "C:\\data", "%d", "a b")),
    ],
)
def test_value_of_the_command_line(text: str, value: object) -> None:
    location = Location("--set", None)
    node, problems = parse_value(text, location)
    assert not problems and node.plain() == value and node.location == location


@pytest.mark.parametrize("text", ["[1, 2", "{a: 1, a: 2}", "[*x]", '"a" b'])
def test_wrong_value_of_the_command_line_has_no_line(text: str) -> None:
    _, problems = parse_value(text, Location("--set", None))
    assert problems and all(problem.line is None and problem.file == "--set" for problem in problems)


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["0013", "1e-3", "no", "null", "", "~", "0x1", "<<", "=", "${a.b}", "$${", "- a", "a: b", "#", ".5", "\ue001"]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False), TEXTS)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=20
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXTS, DATA, min_size=1, max_size=5))
def test_dump_round_trip(data: dict[str, Any]) -> None:
    root, problems = parse(dump(data), None)
    assert problems == [] and root is not None
    assert repr(root.plain()) == repr(data)  # types, the order of keys and the sign of zero included


def test_dump_is_readable() -> None:
    data = {"model": {"use": "unet", "lr": 1e-4}, "classes": ["sky", "road"], "images": ["0013", "no"], "none": None}
    assert dump(data) == (
        "model:\n  use: unet\n  lr: 0.0001\nclasses: [sky, road]\nimages: [\"0013\", 'no']\nnone: null\n"
    )
