"""One recipe, several runs: ``runs:`` that may need one another, ``matrix:`` of values, ``repeat:`` of seeds, folds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from ...errors import Problem, did_you_mean
from ..grammar import MOST_RUNS, REPEATED
from ..overrides import merge, put
from ..yaml import BROKEN, Node
from . import folds

_REFERENCE = re.compile(r"\$\{\s*runs\.([^{}.\s]+)\s*\}")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
#: The values of one run on the axes, dotted path -> value, in a form that can be compared.
_Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Member:
    """One run of a study.

    Args:
        name: its folder in the study's.
        setting: its name without seed and fold: what is repeated.
        root: its recipe, references to other runs replaced by their folders.
        needs: the members whose folders it names.
    """

    name: str
    setting: str
    root: Node
    needs: tuple[str, ...] = ()


@dataclass
class _Draft:
    """A run before it is crossed.

    Args:
        tree: its recipe.
        axes: dotted path -> the values that it is crossed with.
        names: of its members, once it is crossed.
    """

    tree: Node
    axes: dict[str, list[Node]]
    names: dict[_Key, str] = field(default_factory=dict)


def expand(
    root: Node, sections: Mapping[str, Node], bases: Mapping[str, Node | None], folder: Path, problems: list[Problem]
) -> list[Member]:
    """The runs of a study, each after those that it needs.

    Args:
        root: the recipe without the study's sections, references not yet resolved.
        sections: those of ``runs``, ``matrix`` and ``repeat`` that it has; changed.
        bases: the recipes that runs extend, by the run's name: such a run is merged onto that instead of ``root``; None
            for one that cannot be read.
        folder: the study's folder; a member's is ``folder/name``.
        problems: appended to; no run is returned where the study itself is faulty.
    """
    before = len(problems)
    drafts = _drafts(root, sections, bases, problems)
    number = sum(math.prod(map(len, draft.axes.values())) for draft in drafts.values())
    if number > MOST_RUNS:
        problems.append(Problem("matrix", f"makes {number:,} runs, more than {MOST_RUNS:,}", "cross fewer values"))
    if len(problems) == before:
        _name_members(drafts, problems)
    members = []
    for run, draft in drafts.items() if len(problems) == before else ():
        for values, labels in _crossed(draft):
            tree = draft.tree.copy()
            for path, node in values.items():
                put(tree, path, node.copy(), problems)
            needs = _replace_references(tree, run, values, drafts, folder, problems)
            setting = _joined(run, {path: label for path, label in labels.items() if path not in REPEATED})
            members.append(Member(draft.names[_key(values)], setting or "run", tree, needs))
    members = _ordered(members, problems)
    return members if len(problems) == before else []


# --- reading ----------------------------------------------------------------------------------


def _drafts(
    root: Node, sections: Mapping[str, Node], bases: Mapping[str, Node | None], problems: list[Problem]
) -> dict[str, _Draft]:
    """Every run by its name, uncrossed; a recipe without ``runs:`` is one run without a name."""
    runs = sections.get("runs")
    if runs is None:
        return {"": _draft(root, sections, "", problems)}
    if not isinstance(runs.value, dict) or not runs.value:
        problems.append(runs.problem("runs", "has no runs", "runs: {small: {model: ...}, large: {model: ...}}"))
        return {}
    found = {}
    for name, changes in runs.value.items():
        path = f"runs.{name}"
        if changes.value is None:
            changes = Node({}, changes.location)
        if changes.value is BROKEN:
            continue
        if not _NAME.fullmatch(name):
            hint = "use letters, digits, '-', '_', '+' and '.'"
            problems.append(changes.problem(path, "is not a name for a folder", hint))
        elif not isinstance(changes.value, dict):
            hint = f"{name}: {{optimizer: {{lr: 1e-3}}}}"
            problems.append(changes.problem(path, "is not a mapping of changes", hint))
        else:
            own = {f"{path}.{key}": changes.value.pop(key) for key in ("matrix", "repeat") if key in changes.value}
            base = bases.get(name, root)
            tree = merge(base, changes) if base is not None else changes
            if isinstance(tree.value, dict):
                tree.value.pop("demo", None)
            found[name] = _draft(tree, {**sections, **own}, path, problems)
    return found


def _draft(tree: Node, sections: Mapping[str, Node], path: str, problems: list[Problem]) -> _Draft:
    """A run with the axes of its own ``matrix`` and ``repeat``, or else of the study's, and those of its folds."""
    matrix_at, repeat_at = (f"{path}.{key}" if f"{path}.{key}" in sections else key for key in ("matrix", "repeat"))
    matrix, repeat = sections.get(matrix_at), sections.get(repeat_at)
    axes: dict[str, list[Node]] = {}
    if matrix is not None and isinstance(matrix.value, dict):
        for key, values in matrix.value.items():
            if isinstance(values.value, list) and values.value:
                axes[key] = values.value
            elif values.value is not BROKEN:
                problems.append(values.problem(f"{matrix_at}.{key}", "is not a list of values", f"{key}: [..., ...]"))
    elif matrix is not None and matrix.value is not None and matrix.value is not BROKEN:
        hint = "matrix: {optimizer.lr: [1e-3, 1e-4], seed: [0, 1]}"
        problems.append(matrix.problem(matrix_at, "is not a mapping", hint))
    axes |= _seeds(tree, repeat, repeat_at, axes, problems) if repeat is not None else {}
    return _Draft(tree, axes | folds.axis(tree, axes))


def _seeds(
    tree: Node, repeat: Node, repeat_at: str, axes: Mapping[str, Any], problems: list[Problem]
) -> dict[str, list[Node]]:
    """The axis of a ``repeat``."""
    if type(repeat.value) is not int or not 1 <= repeat.value <= MOST_RUNS:
        message = f"expected a number of seeds from 1 to {MOST_RUNS:,}, got {repeat.plain()!r}"
        if repeat.value is not BROKEN:
            problems.append(repeat.problem(repeat_at, message, "repeat: 3"))
    elif repeat.value > 1 and "seed" in axes:
        problems.append(repeat.problem(repeat_at, "matrix sets the seed, too", "keep one of the two"))
    elif repeat.value > 1:
        first = tree.value.get("seed", tree) if isinstance(tree.value, dict) else tree
        start = first.value if isinstance(first.value, int) else 0
        return {"seed": [Node(start + at, first.location, str(start + at)) for at in range(repeat.value)]}
    return {}


# --- crossing ---------------------------------------------------------------------------------


def _name_members(drafts: Mapping[str, _Draft], problems: list[Problem]) -> None:
    """Fill in the names of all members, which have to differ."""
    named = set[str]()
    for run, draft in drafts.items():
        for values, labels in _crossed(draft):
            name = draft.names[_key(values)] = _joined(run, labels)
            if name in named:
                message = f"two runs would both be named {name!r}"
                hint = "give each value once, or give the runs names of their own under 'runs:'"
                problems.append(next(iter(values.values())).problem("matrix", message, hint))
            named.add(name)


def _replace_references(
    tree: Node,
    run: str,
    values: Mapping[str, Node],
    drafts: Mapping[str, _Draft],
    folder: Path,
    problems: list[Problem],
) -> tuple[str, ...]:
    """Replace ``${runs.NAME}`` by that run's folder, of the member with the same values where it is crossed, too.

    Returns:
        The members that are named.
    """
    needs: dict[str, None] = {}
    for _, node in tree.walk():
        for match in list(_REFERENCE.finditer(node.value)) if isinstance(node.value, str) else ():
            name, member = match[1], None
            if name not in drafts or name == run:
                others = [other for other in drafts if other and other != run]
                message = f"needs the run {name!r}, which does not exist"
                hint = did_you_mean(name, others, f"the other runs: {', '.join(others) or 'none'}")
            else:
                shared = {path: value for path, value in values.items() if path in drafts[name].axes}
                member = drafts[name].names.get(_key(shared))
                message = f"needs one run of {name!r}, which makes several"
                hint = f"give runs.{name} the same matrix, or one value"
            if member is None:
                problems.append(node.problem(f"runs.{run}", message, hint))
                continue
            needs[member] = None
            node.value, node.text = node.value.replace(match[0], str(folder / member)), None
    return tuple(needs)


def _ordered(members: list[Member], problems: list[Problem]) -> list[Member]:
    """Members after those that they need, otherwise in their order."""
    placed: dict[str, Member] = {}
    waiting = list(members)
    while waiting:
        ready = next((each for each in waiting if all(need in placed for need in each.needs)), None)
        if ready is None:
            message = f"need each other in a circle: {' and '.join(member.name for member in waiting)}"
            problems.append(Problem("runs", message, "remove one of the references"))
            break
        placed[ready.name] = ready
        waiting.remove(ready)
    return list(placed.values())


def _crossed(draft: _Draft) -> Iterator[tuple[dict[str, Node], dict[str, str]]]:
    """Every combination of the axes' values: path -> value, and path -> its label in the run's name."""
    last_words = [path.rpartition(".")[2] for path in draft.axes]
    axes = []
    for (path, values), word in zip(draft.axes.items(), last_words, strict=True):
        shown = word if last_words.count(word) == 1 else path
        labels = labels_of([node.plain() for node in values])
        axes.append([(path, node, f"{shown}={label}") for node, label in zip(values, labels, strict=True)])
    for chosen in product(*axes):
        yield {path: node for path, node, _ in chosen}, {path: label for path, _, label in chosen}


def _key(values: Mapping[str, Node]) -> _Key:
    return tuple(sorted((path, repr(node.plain())) for path, node in values.items()))


def _joined(run: str, labels: Mapping[str, str]) -> str:
    """``small_seed=1``: the run, and the values it is crossed with."""
    return "_".join([run, *labels.values()] if run else labels.values())


def labels_of(values: list[Any]) -> list[str]:
    """A word for each value of an axis; components of one name show the arguments that differ."""
    words = [_word(value) for value in values]
    alike: dict[str, list[dict[str, Any]]] = {word: [] for word in words}
    for word, value in zip(words, values, strict=True):
        alike[word].append(dict(_leaves(value)))
    return [
        word
        + "".join(
            f"-{key.rpartition('.')[2]}={_word(leaf)}"
            for key, leaf in _leaves(value)
            if any(key not in other or other[key] != leaf for other in alike[word])
        )
        for word, value in zip(words, values, strict=True)
    ]


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
