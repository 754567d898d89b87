"""One recipe, several runs: ``runs:`` that may need one another, ``matrix:`` of values, ``repeat:`` over seeds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

from ..errors import Problem, did_you_mean
from .grammar import MOST_RUNS
from .overrides import merge, put
from .yaml import BROKEN, Node

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
    names: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many runs it makes."""
        return math.prod(len(values) for values in self.axes.values())


def expand(
    root: Node,
    sections: Mapping[str, Node],
    folder: Path,
    read_base: Callable[[Node], Node | None],
    problems: list[Problem],
) -> list[Member]:
    """The runs of a study, each after those that it needs.

    Args:
        root: the recipe without the study's sections, references not yet resolved.
        sections: those of ``runs``, ``matrix`` and ``repeat`` that it has.
        folder: the study's folder; a member's is ``folder/name``.
        read_base: the recipe that an ``extends:`` inside a run names; such a run is merged onto that instead.
        problems: appended to; no run is returned where the study itself is faulty.
    """
    study = _Study(folder, read_base)
    drafts = study.drafts(root, sections)
    members = study.ordered(list(study.members(drafts)) if not study.problems else [])
    problems += study.problems
    return members if not study.problems else []


class _Study:
    def __init__(self, folder: Path, read_base: Callable[[Node], Node | None]) -> None:
        self.folder, self.read_base = folder, read_base
        self.problems: list[Problem] = []

    # --- reading --------------------------------------------------------------------------------

    def drafts(self, base: Node, sections: Mapping[str, Node]) -> dict[str, _Draft]:
        """Every run by its name, uncrossed."""
        runs = sections.get("runs")
        axes, repeat = self._axes(sections.get("matrix"), "matrix"), self._repeat(sections.get("repeat"), "repeat")
        if runs is None:
            return {"": _Draft(base, self._with_seeds(base, axes, repeat, sections.get("repeat"), "repeat"))}
        if not isinstance(runs.value, dict) or not runs.value:
            self._report(runs, "runs", "has no runs", "runs: {small: {model: ...}, large: {model: ...}}")
            return {}
        found = {}
        for name, overlay in runs.value.items():
            path = f"runs.{name}"
            changes = Node({}, overlay.place) if overlay.value is None else overlay.copy()
            if changes.value is BROKEN:
                continue
            if not _NAME.fullmatch(name):
                self._report(overlay, path, "is not a name for a folder", "use letters, digits, '-', '_', '+' and '.'")
            elif not isinstance(changes.value, dict):
                self._report(overlay, path, "is not a mapping of changes", f"{name}: {{optimizer: {{lr: 1e-3}}}}")
            else:
                found[name] = self._draft(base, changes, path, axes, repeat)
        return found

    def _draft(self, base: Node, changes: Node, path: str, axes: dict[str, list[Node]], repeat: int) -> _Draft:
        own = {name: changes.value.pop(name) for name in ("extends", "matrix", "repeat") if name in changes.value}
        below: Node | None = base
        if "extends" in own:
            below = self.read_base(own["extends"])
        tree = merge(below, changes) if below is not None else changes
        if isinstance(tree.value, dict):
            tree.value.pop("demo", None)
        axes = self._axes(own["matrix"], f"{path}.matrix") if "matrix" in own else axes
        repeat = self._repeat(own["repeat"], f"{path}.repeat") if "repeat" in own else repeat
        return _Draft(tree, self._with_seeds(tree, axes, repeat, own.get("repeat", changes), f"{path}.repeat"))

    def _with_seeds(
        self, tree: Node, axes: dict[str, list[Node]], repeat: int, repeated_at: Node | None, path: str
    ) -> dict[str, list[Node]]:
        """The axes, and one of seeds where the run is repeated."""
        if repeat == 1:
            return axes
        if "seed" in axes:
            self._report(repeated_at or tree, path, "matrix sets the seed, too", "keep one of the two")
        first = tree.value.get("seed") if isinstance(tree.value, dict) else None
        start = first.value if first is not None and isinstance(first.value, int) else 0
        place = first.place if first is not None else tree.place
        return {**axes, "seed": [Node(start + at, place, str(start + at)) for at in range(repeat)]}

    def _axes(self, node: Node | None, path: str) -> dict[str, list[Node]]:
        if node is None or node.value is None or node.value is BROKEN:
            return {}
        if not isinstance(node.value, dict):
            self._report(node, path, "is not a mapping", "matrix: {optimizer.lr: [1e-3, 1e-4], seed: [0, 1]}")
            return {}
        axes = {}
        for key, values in node.value.items():
            if isinstance(values.value, list) and values.value:
                axes[key] = values.value
            elif values.value is not BROKEN:
                self._report(values, f"{path}.{key}", "is not a list of values", f"{key}: [..., ...]")
        return axes

    def _repeat(self, node: Node | None, path: str) -> int:
        if node is None or node.value is BROKEN:
            return 1
        if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value <= MOST_RUNS:
            self._report(
                node, path, f"expected a number of seeds from 1 to {MOST_RUNS:,}, got {node.plain()!r}", "repeat: 3"
            )
            return 1
        return node.value

    # --- crossing -------------------------------------------------------------------------------

    def members(self, drafts: Mapping[str, _Draft]) -> Iterator[Member]:
        """The crossed runs, in the order of the recipe."""
        number = sum(draft.count for draft in drafts.values())
        if number > MOST_RUNS:
            hint = "cross fewer values"
            self.problems.append(Problem("matrix", f"makes {number:,} runs, more than {MOST_RUNS:,}", hint))
            return
        named: set[str] = set()
        for run, draft in drafts.items():
            for values, labels in _crossed(draft):
                name = _joined(run, labels)
                if name in named:
                    message = f"two runs would both be named {name!r}"
                    hint = "give each value once, or give the runs names of their own under 'runs:'"
                    self._report(next(iter(values.values())), "matrix", message, hint)
                named.add(name)
                draft.names[_key(values)] = name
        if self.problems:
            return
        for name, draft in drafts.items():
            for values, labels in _crossed(draft):
                tree = draft.tree.copy()
                for path, node in values.items():
                    put(tree, path, node.copy(), self.problems)
                needs: dict[str, None] = {}
                self._point(tree, name, drafts, values, needs)
                own = draft.names[_key(values)]
                setting = _joined(name, {path: label for path, label in labels.items() if path != "seed"})
                yield Member(own, setting or "run", tree, tuple(needs))

    def _point(
        self, node: Node, own: str, drafts: Mapping[str, _Draft], values: Mapping[str, Node], needs: dict[str, None]
    ) -> None:
        """Replace ``${runs.NAME}`` by that run's folder, of the one with the same values where it is crossed, too."""
        for _, child in node.children():
            self._point(child, own, drafts, values, needs)
        if isinstance(node.value, str) and (found := _REFERENCE.findall(node.value)):
            folders = {name: self._folder_of(name, node, own, drafts, values, needs) for name in found}
            node.value = _REFERENCE.sub(lambda match: folders[match[1]], node.value)
            node.text = None

    def _folder_of(
        self,
        name: str,
        node: Node,
        own: str,
        drafts: Mapping[str, _Draft],
        values: Mapping[str, Node],
        needs: dict[str, None],
    ) -> str:
        """The folder of the run that is named in ``node``; '' with a problem where there is none."""
        if name not in drafts or name == own:
            others = [other for other in drafts if other and other != own]
            hint = did_you_mean(name, others, f"the other runs: {', '.join(others) or 'none'}")
            self._report(node, f"runs.{own}", f"needs the run {name!r}, which does not exist", hint)
            return ""
        shared = {path: value for path, value in values.items() if path in drafts[name].axes}
        member = drafts[name].names.get(_key(shared))
        if member is None:
            hint = f"give runs.{name} the same matrix, or one value"
            self._report(node, f"runs.{own}", f"needs one run of {name!r}, which makes several", hint)
            return ""
        needs[member] = None
        return str(self.folder / member)

    def ordered(self, members: list[Member]) -> list[Member]:
        """Members after those that they need, otherwise in their order."""
        placed: dict[str, Member] = {}
        waiting = list(members)
        while waiting:
            ready = next((each for each in waiting if all(need in placed for need in each.needs)), None)
            if ready is None:
                circle = " and ".join(member.name for member in waiting)
                message = f"need each other in a circle: {circle}"
                self.problems.append(Problem("runs", message, "remove one of the references"))
                break
            placed[ready.name] = ready
            waiting.remove(ready)
        return list(placed.values())

    def _report(self, node: Node, path: str, message: str, hint: str | None) -> None:
        self.problems.append(node.problem(path, message, hint))


def _crossed(draft: _Draft) -> Iterator[tuple[dict[str, Node], dict[str, str]]]:
    """Every combination of the axes' values: path -> value, and path -> its label in the run's name."""
    last_words = [path.rpartition(".")[2] for path in draft.axes]
    axes = []
    for (path, values), word in zip(draft.axes.items(), last_words, strict=True):
        shown = word if last_words.count(word) == 1 else path
        labels = [f"{shown}={label}" for label in _labels([node.plain() for node in values])]
        axes.append([(path, node, label) for node, label in zip(values, labels, strict=True)])
    for chosen in product(*axes):
        yield {path: node for path, node, _ in chosen}, {path: label for path, _, label in chosen}


def _key(values: Mapping[str, Node]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((path, repr(node.plain())) for path, node in values.items()))


def _joined(run: str, labels: Mapping[str, str]) -> str:
    """``small_seed=1``: the run, and the values it is crossed with."""
    return "_".join([run, *labels.values()] if run else labels.values())


def _labels(values: list[Any]) -> list[str]:
    """A word for each value of an axis; components of one name show the arguments that differ."""
    words = [_word(value) for value in values]
    leaves = [dict(_leaves(value)) if words.count(word) > 1 else {} for value, word in zip(values, words, strict=True)]
    labels = []
    for word, own in zip(words, leaves, strict=True):
        alike = [other for its, other in zip(words, leaves, strict=True) if its == word]
        differing = [
            f"-{key.rpartition('.')[2]}={_word(leaf)}"
            for key, leaf in own.items()
            if any(other.get(key, _ABSENT) != leaf for other in alike)
        ]
        labels.append("".join([word, *differing]))
    return labels


_ABSENT: Final = object()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The scalars and lists below a mapping, by dotted path; a component's name by the path of the component."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, path if key == "use" else f"{path}.{key}")
    elif path:
        yield path, value


def _word(value: Any) -> str:
    """A value as a part of a folder's name."""
    text = str(value.get("use", value)) if isinstance(value, dict) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-")[:60]
