"""``${a.b}`` in a recipe: one value that refers to another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .documents import BROKEN, Node
from .problems import Problem, did_you_mean

_REFERENCE = re.compile(r"\$?\$\{([^{}]*)\}")


def resolve(root: Node) -> list[Problem]:
    """Put what is referred to in the place of every reference, in the tree itself.

    A scalar that is one reference gets the value referred to, with its type, mappings and lists too; inside longer text
    a reference stands for a scalar's text. ``$${`` is a literal ``${``.

    Returns:
        Unknown paths, circles, and mappings inside text; the scalars concerned become ``BROKEN``.
    """
    resolver = _Resolver(root)
    resolver.visit(root, "")
    return resolver.problems


class _Resolver:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.open: list[str] = []
        self.done: set[int] = set()

    def visit(self, node: Node, path: str) -> None:
        """Resolve a node and everything below it."""
        if id(node) in self.done:
            return
        self.done.add(id(node))
        self.open.append(path)
        if isinstance(node.value, str):
            self._scalar(node, path)
        for key, child in _children(node):
            self.visit(child, f"{path}.{key}" if path else key)
        self.open.pop()

    def _scalar(self, node: Node, path: str) -> None:
        text = str(node.value)
        matches = [match for match in _REFERENCE.finditer(text) if not match[0].startswith("$$")]
        if len(matches) == 1 and matches[0][0] == text:
            found = self._referred(node, path, matches[0][1])
            if found is not None:
                copy = found.copy()
                node.value, node.text = copy.value, copy.text
            return
        for match in matches:
            found = self._referred(node, path, match[1])
            if found is None:
                return
            if isinstance(found.value, (dict, list)):
                self._report(node, path, f"${{{match[1]}}} is no scalar, so it cannot stand inside text", "let the reference stand alone")
                return
            shown = found.text if found.text is not None else str(found.value)
            text = text.replace(match[0], shown, 1)
        node.value = text.replace("$${", "${")
        if matches:
            node.text = None

    def _referred(self, node: Node, path: str, reference: str) -> Node | None:
        """The resolved node that is referred to; None, with ``node`` broken, where that cannot be."""
        wanted = ".".join(part.strip() for part in reference.replace("[", ".").replace("]", "").split("."))
        found: Node | None = self.root
        walked = ""
        for part in wanted.split("."):
            found = dict(_children(found)).get(part) if found is not None else None
            walked = f"{walked}.{part}" if walked else part
            if found is not None and isinstance(found.value, str) and id(found) not in self.done:
                self.visit(found, walked)
        if found is None or not wanted:
            hint = did_you_mean(wanted, _paths(self.root), "write the dotted path of another value")
            self._report(node, path, f"refers to {reference!r}, which is not there", hint)
            return None
        if wanted in self.open:
            self._report(node, path, f"refers to {wanted!r}, which refers back to it", "write the value in one of the places")
            return None
        self.visit(found, wanted)
        if found.value is BROKEN:
            node.value = BROKEN  # told already
            return None
        return found

    def _report(self, node: Node, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(path, message, hint, node.place.line, node.place.file))
        node.value = BROKEN


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()
    elif isinstance(node.value, list):
        yield from ((str(index), item) for index, item in enumerate(node.value))


def _paths(node: Node, path: str = "") -> Iterator[str]:
    for key, child in _children(node):
        where = f"{path}.{key}" if path else key
        yield where
        yield from _paths(child, where)
