"""``${a.b}`` in a recipe: one value that refers to another."""

from __future__ import annotations

import re
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
            whole = _TOKEN.fullmatch(node.value)
            if whole is not None and whole["path"] is not None:
                self._replace(node, path, whole["path"])
            else:
                self._fill_in(node, path, node.value)
        else:
            for key, child in node.children():
                self.visit(child, join(path, key))
        self.open.pop()

    def _replace(self, node: Node, path: str, reference: str) -> None:
        """Give a node the value that its text, one reference, refers to."""
        found = self._referred(node, path, reference)
        if found is None:
            return
        below = [where.count(".") + 1 for where, _ in found.walk()]
        self.copies += 1 + len(below)
        if self.copies > _MOST_COPIES or path.count(".") + 1 + max(below, default=0) > DEEPEST:
            self._report(
                node, path, f"{node.value} makes the recipe too large", "write the value out where it is needed"
            )
            return
        copy = found.copy()
        node.value, node.text = copy.value, copy.text

    def _fill_in(self, node: Node, path: str, text: str) -> None:
        """Fill in the references of a longer text, reporting every one that cannot be."""
        pieces: list[str] = []
        end = length = 0
        for match in _TOKEN.finditer(text):
            found = None
            if match["path"] is not None:
                found = self._referred(node, path, match["path"])
                if found is not None and isinstance(found.value, (dict, list)):
                    message = f"{match[0]} is not a scalar, so it cannot be part of a text"
                    self._report(node, path, message, "make the reference the whole value")
                    found = None
            elif not match["escape"]:
                self._report(node, path, "has a '${' without its '}'", "write '$${' for a literal '${'")
            if found is None and not match["escape"]:
                continue
            shown = "${" if found is None else str(found.value) if found.text is None else found.text
            length += len(shown)
            if length > LARGEST:
                self._report(node, path, "its references make a text too large", "write a shorter text")
                return
            pieces += (text[end : match.start()], shown)
            end = match.end()
        if pieces and node.value is not BROKEN:
            node.value, node.text = "".join((*pieces, text[end:])), None

    def _referred(self, node: Node, path: str, reference: str) -> Node | None:
        """The resolved node that is referred to; None, with ``node`` broken, where that cannot be."""
        parts = [part.strip() for part in re.sub(r"\[(\d+)\]", r".\1", reference).split(".")]
        wanted = ".".join(parts)
        if len(self.open) > _LONGEST_CHAIN:
            self._report(node, path, "its references lead too far", "refer to the value itself")
            return None
        found, walked = self.root, ""
        for part in parts:
            child = found.get(part)
            if child is None:
                paths = (where for where, _ in self.root.walk())
                hint = did_you_mean(wanted, paths, "write the dotted path of another value")
                self._report(node, path, f"refers to {reference!r}, which is not there", hint)
                return None
            found, walked = child, join(walked, part)
            # A mapping may be passed through while it waits for the node that refers into it.
            waiting = [path for path in self.open if path == walked or path.startswith(f"{walked}.")]
            if (walked == wanted and waiting) or (isinstance(found.value, str) and walked in waiting):
                message = f"refers to {wanted!r}, which refers back to it"
                self._report(node, path, message, "write the value in one of the two")
                return None
            if isinstance(found.value, str) or walked == wanted:
                self.visit(found, walked)
            if found.value is BROKEN:
                node.value = BROKEN  # reported already
                return None
        return found

    def _report(self, node: Node, path: str, message: str, hint: str | None) -> None:
        self.problems.append(node.problem(path, message, hint))
        node.value = BROKEN
