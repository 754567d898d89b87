"""One recipe, several runs: ``runs:`` that may need one another, ``matrix:`` of values, ``repeat:`` over seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

from ..errors import Problem, did_you_mean
from .overrides import put
from .yaml import BROKEN, Node

#: Sections that make a recipe a study.
STUDY_SECTIONS: Final = {
    "runs": "several runs: a name, and what changes for it, each",
    "matrix": "values to cross: a dotted path, and a list, each",
    "repeat": "how many seeds each run is repeated with",
}
#: More runs than this are taken for a slip.
_MOST: Final = 1000

_REFERENCE = re.compile(r"\$\{\s*runs\.([^{}.\s]+)\s*\}")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(frozen=True)
class Member:
    """One run of a study.

    Args:
        name: its folder in the study's.
        setting: its name without the seed: what is repeated.
        root: its recipe, references to other runs replaced by their folders.
        needs: the members whose folders it names.
    """

    name: str
    setting: str
    root: Node
    needs: tuple[str, ...] = ()


@dataclass
class _Draft:
    """A run before it is crossed: its tree, and the values it is crossed with."""

    tree: Node
    axes: dict[str, list[Node]]
    repeat: int
    names: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)


def expand(
    root: Node, folder: Path, read_base: Callable[[Node], Node | None], merge: Callable[[Node, Node], Node]
) -> tuple[list[Member], list[Problem]]:
    """The runs of a study; none of a recipe without the study's sections, which are taken out of ``root``.

    Args:
        root: the whole recipe, references not yet resolved.
        folder: the study's folder; a member's is ``folder/name``.
        read_base: the recipe that an ``extends:`` inside a run names; such a run lies upon that, not upon this recipe.
        merge: lays a run's changes upon its base.
    """
    if not isinstance(root.value, dict) or not STUDY_SECTIONS.keys() & root.value.keys():
        return [], []
    study = _Study(folder, read_base, merge)
    sections = {name: root.value.pop(name) for name in STUDY_SECTIONS if name in root.value}
    drafts = study.drafts(root, sections)
    members = list(study.members(drafts)) if not study.problems else []
    return members, study.problems


class _Study:
    def __init__(
        self, folder: Path, read_base: Callable[[Node], Node | None], merge: Callable[[Node, Node], Node]
    ) -> None:
        self.folder, self.read_base, self.merge = folder, read_base, merge
        self.problems: list[Problem] = []

    # --- reading --------------------------------------------------------------------------------

    def drafts(self, base: Node, sections: Mapping[str, Node]) -> dict[str, _Draft]:
        """Every run by its name, uncrossed."""
        runs = sections.get("runs")
        axes, repeat = self._axes(sections.get("matrix"), "matrix"), self._repeat(sections.get("repeat"), "repeat")
        if runs is None:
            return {"": _Draft(base, axes, repeat)}
        if not isinstance(runs.value, dict) or not runs.value:
            self._report(runs, "runs", "names no runs", "runs: {small: {model: ...}, large: {model: ...}}")
            return {}
        found = {}
        for name, overlay in runs.value.items():
            path = f"runs.{name}"
            changes = Node({}, overlay.place) if overlay.value is None else overlay.copy()
            if changes.value is BROKEN:
                continue
            if not _NAME.fullmatch(name):
                self._report(overlay, path, "is no name for a folder", "use letters, digits, '-', '_', '+' and '.'")
            elif not isinstance(changes.value, dict):
                self._report(overlay, path, "is no mapping of what changes", f"{name}: {{optimizer: {{lr: 1e-3}}}}")
            else:
                found[name] = self._draft(base, changes, path, axes, repeat)
        return found

    def _draft(self, base: Node, changes: Node, path: str, axes: dict[str, list[Node]], repeat: int) -> _Draft:
        own = {name: changes.value.pop(name) for name in ("extends", "matrix", "repeat") if name in changes.value}
        below: Node | None = base
        if "extends" in own:
            below = self.read_base(own["extends"])
        tree = self.merge(below, changes) if below is not None else changes
        if isinstance(tree.value, dict):
            tree.value.pop("demo", None)
        return _Draft(
            tree,
            self._axes(own["matrix"], f"{path}.matrix") if "matrix" in own else axes,
            self._repeat(own["repeat"], f"{path}.repeat") if "repeat" in own else repeat,
        )

    def _axes(self, node: Node | None, path: str) -> dict[str, list[Node]]:
        if node is None or node.value is None or node.value is BROKEN:
            return {}
        if not isinstance(node.value, dict):
            self._report(node, path, "is no mapping", "matrix: {optimizer.lr: [1e-3, 1e-4], seed: [0, 1]}")
            return {}
        axes = {}
        for key, values in node.value.items():
            if isinstance(values.value, list) and values.value:
                axes[key] = values.value
            elif values.value is not BROKEN:
                self._report(values, f"{path}.{key}", "is no list of values", f"{key}: [..., ...]")
        return axes

    def _repeat(self, node: Node | None, path: str) -> int:
        if node is None or node.value is BROKEN:
            return 1
        if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value <= _MOST:
            self._report(node, path, f"is {node.plain()!r}, and a number of seeds from 1 up is wanted", "repeat: 3")
            return 1
        return node.value

    # --- crossing -------------------------------------------------------------------------------

    def members(self, drafts: Mapping[str, _Draft]) -> Iterator[Member]:
        """The crossed runs, in the order of the recipe."""
        for name, draft in drafts.items():
            for values in _crossed(draft):
                draft.names[_key(values)] = _member_name(name, values)
        if sum(len(draft.names) for draft in drafts.values()) > _MOST:
            self.problems.append(Problem("matrix", f"makes more than {_MOST} runs", "cross fewer values"))
            return
        for name, draft in drafts.items():
            for values in _crossed(draft):
                tree = draft.tree.copy()
                for path, node in values.items():
                    self.problems += put(tree, path, node.copy())
                needs: dict[str, None] = {}
                self._point(tree, name, drafts, values, needs)
                own = draft.names[_key(values)]
                repeated = {path: node for path, node in values.items() if path != "seed"}
                yield Member(own, _member_name(name, repeated) or "run", tree, tuple(needs))

    def _point(
        self, node: Node, own: str, drafts: Mapping[str, _Draft], values: Mapping[str, Node], needs: dict[str, None]
    ) -> None:
        """Replace ``${runs.NAME}`` by that run's folder, of the one with the same values where it is crossed, too."""
        if isinstance(node.value, dict):
            for child in node.value.values():
                self._point(child, own, drafts, values, needs)
        elif isinstance(node.value, list):
            for child in node.value:
                self._point(child, own, drafts, values, needs)
        elif isinstance(node.value, str) and (match := _REFERENCE.search(node.value)):
            name = match[1]
            if name not in drafts or name == own:
                others = [other for other in drafts if other and other != own]
                hint = did_you_mean(name, others, f"the other runs: {', '.join(others) or 'none'}")
                self._report(node, f"runs.{own}", f"needs the run {name!r}, and there is none", hint)
                return
            shared = {path: value for path, value in values.items() if path in _paths(drafts[name])}
            member = drafts[name].names.get(_key(shared))
            if member is None:
                hint = f"give runs.{name} the same matrix, or the one value it shall have"
                self._report(node, f"runs.{own}", f"does not say which run of {name!r} it needs", hint)
                return
            needs[member] = None
            node.value = _REFERENCE.sub(lambda _: str(self.folder / member), node.value, count=1)
            node.text = None

    def _report(self, node: Node, path: str, message: str, hint: str | None) -> None:
        self.problems.append(Problem(path, message, hint, node.place.line, node.place.file))


def ordered(members: list[Member]) -> list[Member]:
    """Members after those that they need, otherwise in their order.

    Raises:
        ValueError: they need one another in a circle; names them.
    """
    placed: dict[str, Member] = {}
    waiting = list(members)
    while waiting:
        ready = [member for member in waiting if all(need in placed for need in member.needs)]
        if not ready:
            raise ValueError(" and ".join(member.name for member in waiting))
        placed |= {member.name: member for member in ready[:1]}
        waiting.remove(ready[0])
    return list(placed.values())


def _paths(draft: _Draft) -> set[str]:
    return {*draft.axes, *({"seed"} if draft.repeat > 1 else ())}


def _crossed(draft: _Draft) -> Iterator[dict[str, Node]]:
    axes = dict(draft.axes)
    if draft.repeat > 1:
        first = draft.tree.value.get("seed") if isinstance(draft.tree.value, dict) else None
        start = first.value if first is not None and isinstance(first.value, int) else 0
        place = first.place if first is not None else draft.tree.place
        axes["seed"] = [Node(start + number, place, str(start + number)) for number in range(draft.repeat)]
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _key(values: Mapping[str, Node]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((path, repr(node.plain())) for path, node in values.items()))


def _member_name(run: str, values: Mapping[str, Node]) -> str:
    """``C_seed=1``: the run, and the values it is crossed with."""
    said = [f"{path.rpartition('.')[2]}={_word(node.plain())}" for path, node in values.items()]
    return "_".join([run, *said] if run else said)


def _word(value: Any) -> str:
    """A value as a part of a folder's name."""
    text = str(value.get("use", value)) if isinstance(value, dict) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-")[:60]
