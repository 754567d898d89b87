"""``${a.b}`` in a recipe: one value that refers to another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..errors import Problem, did_you_mean
from .yaml import BROKEN, DEEPEST, LARGEST, Node, join

#: An escape, a reference, or a reference that is never closed.
_TOKEN = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<path>[^{}]*)\}|\$\{")

# References that copy references grow as fast as YAML's alias bombs.
_MOST_COPIES: Final = 100_000
_LONGEST_CHAIN: Final = 100  # levels passed on the way included


def resolve(root: Node, problems: list[Problem]) -> None:
    """Replace every reference by what it refers to, in the tree itself.

    A scalar that is one reference gets the value referred to, with its type, mappings and lists too; inside longer text
    a reference stands for a scalar's text. ``$${`` is a literal ``${``.

    Args:
        root: a mapping; changed.
        problems: unknown paths, circles, mappings inside text, unclosed and too large references are appended; the
            scalars affected become ``BROKEN``, as does what refers to them.
    """
    _Resolver(root, problems).visit(root, "")


class _Resolver:
    def __init__(self, root: Node, problems: list[Problem]) -> None:
        self.root, self.problems = root, problems
        self.open: list[str] = []  # the paths being resolved, each on behalf of the one before
        self.done: set[int] = set()
        self.copies = 0

    def visit(self, node: Node, path: str) -> None:
        """Resolve a node and everything below it."""
        if id(node) in self.done:
            return
        self.done.add(id(node))
        self.open.append(path)
        if isinstance(node.value, str):
            # What is copied here is resolved already: to go below it would read its '${' a second time.
            self._scalar(node, path, node.value)
        else:
            for key, child in node.children():
                self.visit(child, join(path, key))
        self.open.pop()

    def _scalar(self, node: Node, path: str, text: str) -> None:
        whole = _TOKEN.fullmatch(text)
        if whole is None or whole["path"] is None:
            self._inside(node, path, text)
            return
        found = self._referred(node, path, whole["path"])
        if found is None:
            return
        count, levels = _extent(found)
        self.copies += count
        if self.copies > _MOST_COPIES or path.count(".") + levels > DEEPEST:
            self._report(node, path, f"{text} makes the recipe too large", "write the value out where it is needed")
            return
        copy = found.copy()
        node.value, node.text = copy.value, copy.text

    def _inside(self, node: Node, path: str, text: str) -> None:
        """Fill in the references of a longer text, reporting every one that cannot be."""
        pieces: list[str] = []
        end = length = 0
        for match in _TOKEN.finditer(text):
            shown = "${" if match["escape"] else self._shown(node, path, match["path"])
            if shown is None:
                continue
            length += len(shown)
            if length > LARGEST:
                self._report(node, path, "its references make a text too large", "write a shorter text")
                return
            pieces += (text[end : match.start()], shown)
            end = match.end()
        if pieces and node.value is not BROKEN:
            node.value, node.text = "".join((*pieces, text[end:])), None

    def _shown(self, node: Node, path: str, reference: str | None) -> str | None:
        """The text that a reference stands for; None, with ``node`` broken, where there is none."""
        if reference is None:
            self._report(node, path, "has a '${' without its '}'", "write '$${' for a literal '${'")
            return None
        found = self._referred(node, path, reference)
        if found is None:
            return None
        if isinstance(found.value, (dict, list)):
            message = f"${{{reference}}} is not a scalar, so it cannot be part of a text"
            self._report(node, path, message, "make the reference the whole value")
            return None
        return found.text if found.text is not None else str(found.value)

    def _referred(self, node: Node, path: str, reference: str) -> Node | None:
        """The resolved node that is referred to; None, with ``node`` broken, where that cannot be."""
        parts = [part.strip() for part in re.sub(r"\[(\d+)\]", r".\1", reference).split(".")]
        wanted = ".".join(parts)
        if len(self.open) > _LONGEST_CHAIN:
            self._report(node, path, "its references lead too far", "refer to the value itself")
            return None
        found, walked = self.root, ""
        for part in parts:
            child = _child(found, part)
            if child is None:
                hint = did_you_mean(wanted, _paths(self.root), "write the dotted path of another value")
                self._report(node, path, f"refers to {reference!r}, which is not there", hint)
                return None
            found, walked = child, join(walked, part)
            if self._is_open(walked, found, wanted):
                message = f"refers to {wanted!r}, which refers back to it"
                self._report(node, path, message, "write the value in one of the two")
                return None
            if isinstance(found.value, str) or walked == wanted:
                self.visit(found, walked)
            if found.value is BROKEN:
                node.value = BROKEN  # reported already
                return None
        return found

    def _is_open(self, walked: str, found: Node, wanted: str) -> bool:
        """Whether a node waits for the one that refers to it; a mapping may be passed through while it is open."""
        if walked == wanted:
            return any(path == wanted or path.startswith(f"{wanted}.") for path in self.open)
        return isinstance(found.value, str) and walked in self.open

    def _report(self, node: Node, path: str, message: str, hint: str | None) -> None:
        self.problems.append(node.problem(path, message, hint))
        node.value = BROKEN


def _child(node: Node, part: str) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(part)
    if isinstance(node.value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", part) and int(part) < len(node.value):
        return node.value[int(part)]  # type: ignore[no-any-return]
    return None


def _extent(node: Node) -> tuple[int, int]:
    """How many nodes a tree has, and how many levels."""
    below = [_extent(child) for _, child in node.children()]
    return 1 + sum(count for count, _ in below), 1 + max((levels for _, levels in below), default=0)


def _paths(node: Node, path: str = "") -> Iterator[str]:
    for key, child in node.children():
        where = join(path, key)
        yield where
        yield from _paths(child, where)
