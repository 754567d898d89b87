"""Strict YAML -> a tree of nodes that know their location. Every problem is collected, nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml import events

from ..errors import Problem

#: Bytes of a recipe file, and characters of a text put together by references.
LARGEST: Final = 1_000_000
#: Levels of mappings and lists.
DEEPEST: Final = 50
#: Longer numbers are text: and Python neither reads nor prints 4300 digits (3570 hexadecimal ones).
_LONGEST_NUMBER: Final = 3500
_INT = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def resolve_scalar(text: str) -> bool | int | float | str | None:
    """A plain scalar as YAML 1.2's core schema reads it (section 10.3.2): ``1e-3`` is a float, ``no`` is text."""
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[no-any-return]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+", text):
        return int(text[2:], 8)
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text[2:], 16)
    return float(text) if FLOAT.fullmatch(text) else text


class _Broken:
    def __repr__(self) -> str:
        return "broken"


#: Stands for a value, read or converted, about which a problem was reported: later stages pass it over in silence.
BROKEN: Final = _Broken()


@dataclass(frozen=True)
class Location:
    """Where a value was written: a file (or an option of the command line) and its 1-based line."""

    file: str | None
    line: int | None


#: For values that nobody wrote, such as defaults.
NOWHERE: Final = Location(None, None)


@dataclass
class Node:
    """A value with its location.

    Args:
        value: a mapping of nodes, a list of nodes, a scalar, or ``BROKEN``.
        location: where it was written.
        text: a plain (unquoted) scalar's source text.
    """

    value: Any
    location: Location
    text: str | None = None

    def plain(self) -> Any:
        """The value as ordinary Python data; None where it is broken."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return None if self.value is BROKEN else self.value

    def children(self) -> Iterator[tuple[str, Node]]:
        """The nodes right below it, by their keys or positions."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from ((str(index), item) for index, item in enumerate(self.value))

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Every node below it with its dotted path, a mapping or list before what is in it."""
        for key, child in self.children():
            yield join(path, key), child
            yield from child.walk(join(path, key))

    def get(self, key: str) -> Node | None:
        """The node right below it at a key or position; None where it is missing."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", key) and int(key) < len(self.value):
            return self.value[int(key)]  # type: ignore[no-any-return]
        return None

    def problem(self, path: str, message: str, hint: str | None = None) -> Problem:
        """A problem with the file and line of this value."""
        return Problem(path, message, hint, self.location.line, self.location.file)

    def copy(self) -> Node:
        """A copy that can be changed."""
        if isinstance(self.value, dict):
            return Node({key: node.copy() for key, node in self.value.items()}, self.location)
        if isinstance(self.value, list):
            return Node([node.copy() for node in self.value], self.location)
        return Node(self.value, self.location, self.text)


def as_node(data: Any) -> Node:
    """Plain data, such as a signature's default, as nodes without a location."""
    if isinstance(data, Mapping):
        return Node({key: as_node(value) for key, value in data.items()}, NOWHERE)
    if isinstance(data, (list, tuple)):
        return Node([as_node(item) for item in data], NOWHERE)
    return Node(str(data) if isinstance(data, Path) else data, NOWHERE)


def parse(text: str, file: str | None) -> tuple[Node | None, list[Problem]]:
    """Read a document whose top level is a mapping.

    Args:
        text: YAML 1.2, core schema, without anchors, aliases, tags and merge keys.
        file: its name, for locations.

    Returns:
        The tree (None where nothing could be read) and every problem found.
    """
    if len(text) > LARGEST:
        return None, [too_large(file)]
    composer = _Composer(text, file)
    root = composer.document()
    if root is not None and isinstance(root.value, dict):
        return root, composer.problems
    if not composer.problems:
        line = root.location.line if root else 1
        message = "is empty" if root is None else "is not a mapping"
        composer.report("", message, line, "a recipe is made of 'key: value' lines")
    return None, composer.problems


def too_large(file: str | None) -> Problem:
    """A file refused unread."""
    message = f"is larger than {LARGEST // 1_000_000} MB, too large for a recipe"
    return Problem(file or "recipe", message, None, None, file)


def parse_value(text: str, location: Location) -> tuple[Node, list[Problem]]:
    """Read the right-hand side of ``--set``: ``[1, 2]``, ``{use: x}``, quoted text, or else one plain scalar.

    Plain text is taken literally, so that ``*.png``, ``#fff`` and ``a: b`` need no second quoting. Every node gets
    ``location``.
    """
    text = text.strip()
    if not text.startswith(("[", "{", '"', "'")):
        return Node(resolve_scalar(text), location, text), []
    composer = _Composer(text, location.file, fixed=location)
    return composer.document() or Node(BROKEN, location), composer.problems


class _TooDeepError(Exception):
    """Nested beyond what is worth reading on: PyYAML's time grows with the square of the depth."""


class _Composer:
    """PyYAML's events -> nodes. Its loaders are not used: they drop duplicates, and read 1e-3 as text.

    References may be written without quotes in flow style, although YAML would read ``{root: ${a.b}}`` as a mapping in
    a mapping: their braces are replaced by two characters that the text does not have, which keeps every column.
    """

    def __init__(self, text: str, file: str | None, fixed: Location | None = None) -> None:
        """Args:
        text: what to read.
        file: its name, for locations.
        fixed: the location of every node, for text that is not of a file.
        """
        self.text, self.file, self.fixed = text, file, fixed
        self.problems: list[Problem] = []
        private_use = (mark for code in range(0xE000, 0xF900) if (mark := chr(code)) not in text)
        self.opening, self.closing = next(private_use, "{"), next(private_use, "}")
        shielded = re.sub(r"\$\{([^{}\n]*)\}", rf"${self.opening}\1{self.closing}", text)
        self._events: Iterator[Any] = yaml.parse(shielded, Loader=yaml.SafeLoader)

    def report(self, path: str, message: str, line: int | None, hint: str | None = None) -> None:
        if self.fixed is None:
            self.problems.append(Problem(path or "recipe", message, hint, line, self.file))
        else:
            self.problems.append(Problem(path, message, hint, None, self.file))

    def document(self) -> Node | None:
        """The only document of the text."""
        root = None
        try:
            for event in self._events:
                if isinstance(event, events.DocumentStartEvent):
                    if root is not None:
                        self.report("", "holds more than one document", _line(event), "remove the '---'")
                        break
                    root = self._node(next(self._events), "", 0)
        except yaml.YAMLError as error:
            self._syntax(error)
        except _TooDeepError:
            pass  # reported where it began
        return root

    def _syntax(self, error: yaml.YAMLError) -> None:
        began, context = getattr(error, "context_mark", None), getattr(error, "context", None)
        mark = getattr(error, "problem_mark", None) or began
        message = getattr(error, "problem", None) or str(error).partition("\n")[0]
        line, hint = mark.line + 1 if mark else None, None
        if isinstance(error, yaml.reader.ReaderError):
            line = self.text.count("\n", 0, error.position) + 1
            message = f"the character U+{error.character:04X} is not allowed"
        elif "'\\t'" in message:
            message, hint = "a tab where only spaces are allowed", "write spaces instead"
        elif context in _OPENED and began:
            # PyYAML gives up at the next line that does not fit, or at the end of the file.
            line, hint = began.line + 1, "close it, and put ',' between items and quotes around text that contains ':'"
            message = f"{_OPENED[context]} is not closed: {message}"
        elif "could not find expected ':'" in message and began:
            line, message, hint = began.line + 1, "a line without its ':'", "write 'key: value'"
        elif "mapping values are not allowed" in message:
            message, hint = "a ':' that does not follow a key", "put text that contains ': ' in quotes, and align keys"
        elif re.search(r"expected <block end>, but found '(<scalar>|[\]}])'", message):
            message, hint = "text after the end of a value", "put the whole value in quotes"
        elif "expected <block end>" in message:
            message, hint = "the indentation of this line matches no line above it", "align it with the lines beside it"
        self.report("", f"is not valid YAML: {message}", line, hint)

    def _node(self, event: Any, path: str, depth: int) -> Node:
        line = _line(event)
        location = self.fixed or Location(self.file, line)
        if isinstance(event, events.AliasEvent):
            self.report(path, f"alias '*{event.anchor}' is not allowed", line, "refer with ${path.to.value}")
            return Node(BROKEN, location)
        if event.anchor is not None:
            self.report(path, f"anchor '&{event.anchor}' is not allowed", line, "refer with ${path.to.value}")
        if event.tag is not None:
            self.report(path, f"tag {event.tag!r} is not allowed", line, "write the plain value")
        if isinstance(event, events.ScalarEvent):
            if event.tag is not None:
                return Node(BROKEN, location)
            value = self._text(event)
            return Node(value, location) if event.style else Node(resolve_scalar(value), location, value)
        if depth >= DEEPEST:
            self.report(path, f"is nested deeper than {DEEPEST} levels", line)
            self._skip()
            return Node(BROKEN, location)
        if isinstance(event, events.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(item := next(self._events), events.SequenceEndEvent):
                items.append(self._node(item, join(path, str(len(items))), depth + 1))
            return Node(items, location)
        return Node(self._mapping(path, depth), location)

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), events.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, events.ScalarEvent):
                self.report(path, "a key is a plain word", line)
                self._node(event, path, depth + 1)
                self._node(next(self._events), path, depth + 1)
                continue
            key = self._text(event)
            where = join(path, key)
            if event.anchor is not None or event.tag is not None:
                self.report(where, "an anchor or tag on a key is not allowed", line)
            node = self._node(next(self._events), where, depth + 1)
            if key == "<<" and event.style is None:
                self.report(where, "merge keys are not allowed", line, "use 'extends:' or ${path.to.value}")
            elif key in entries:
                self.report(where, f"is given twice, first in line {lines[key]}", line, "keep one of the two")
            else:
                # A problem with a value is reported at the line of its key.
                node.location = self.fixed or Location(self.file, line)
                entries[key], lines[key] = node, line
        return entries

    def _text(self, event: Any) -> str:
        return str(event.value).replace(self.opening, "{").replace(self.closing, "}")

    def _skip(self) -> None:
        """Pass over what is too deep."""
        depth = 1
        while depth:
            event = next(self._events)
            depth += isinstance(event, events.CollectionStartEvent)
            depth -= isinstance(event, events.CollectionEndEvent)
            if depth > DEEPEST:
                raise _TooDeepError


#: What PyYAML was reading -> what began it.
_OPENED: Final = {
    "while parsing a flow sequence": "a '['",
    "while parsing a flow mapping": "a '{'",
    "while scanning a quoted scalar": "a quote",
}


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def join(path: str, key: str) -> str:
    """The dotted path of a key below a path."""
    return f"{path}.{key}" if path else key
