"""The settings in which recorded plans differ, whatever code computes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..recipe.grammar import REPEATED

#: The value of a setting that a plan does not have.
ABSENT: Final = "not set"
#: Paths that record where code comes from, not what it is asked to do.
_PROVENANCE = re.compile(r"(?<!\.arguments)\.(kind|version|target|distribution|provenance\..*)$")


def differing(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Where plans differ: dotted path as in a recipe -> the value in each plan, ``ABSENT`` where it has none.

    Where the component itself differs, only its name is listed, and nothing below it.

    Args:
        plans: contents of ``plan.json`` files.
    """
    flat = [_recorded(plan) for plan in plans]
    paths = sorted({path for each in flat for path in each})
    found = {path: [each.get(path, ABSENT) for each in flat] for path in paths}
    found = {path: values for path, values in found.items() if any(value != values[0] for value in values)}
    others = tuple(path.removesuffix("use") for path in found if path.endswith(".use"))
    # A component that is an argument of another one that differs is not listed either.
    outer = [one for one in others if not any(one != other and one.startswith(other) for other in others)]
    listed = [path for path in found if not path.startswith(others) or path.removesuffix("use") in outer]
    return {_as_in_a_recipe(path): found[path] for path in listed}


def labels(differences: Mapping[str, Sequence[Any]], runs: int) -> list[str]:
    """Of each run what sets it apart, such as ``loss=focal, seed=1``: as few settings as it takes, three at most.

    Args:
        differences: of ``differing``.
        runs: how many there are; their labels are empty where nothing differs.
    """
    rest = {path: each for path, each in differences.items() if path.split(".")[0] not in ("reports", "trackers")}
    chosen = list[str]()

    def label(run: int, paths: Sequence[str]) -> str:
        names = {path: path.rpartition(".")[2] if path[-1].isalpha() else path for path in paths}
        return ", ".join(f"{names[path]}={str(rest[path][run]).rpartition('/')[2]}" for path in paths)

    def worth(path: str) -> tuple[int, bool, int]:
        """How many groups of runs it distinguishes with those chosen; seed and fold come last, long ones late."""
        groups = {tuple(str(rest[each][run]) for each in (*chosen, path)) for run in range(runs)}
        return len(groups), path not in REPEATED, -max(len(label(run, [path])) for run in range(runs))

    apart = 1
    while len(chosen) < 3 and rest and worth(best := max(rest, key=worth))[0] > apart:
        apart = worth(best)[0]
        chosen.append(best)
    return [label(run, chosen) for run in range(runs)]


def settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a plan: dotted path as in a recipe (``model`` is the component's name) -> value."""
    return {_as_in_a_recipe(path): value for path, value in _recorded(plan).items()}


def _recorded(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in _flat(_with_sections(plan)) if not _PROVENANCE.search(path)}


def _as_in_a_recipe(path: str) -> str:
    return re.sub(r"^loop\.", "trainer.", path.removesuffix(".use").replace(".arguments", ""))


def _with_sections(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with the trainer's components where a recipe has them: at the top level."""
    trainer = plan.get("trainer", {})
    arguments = trainer.get("arguments", {})
    sections = {name: value for name, value in arguments.items() if _holds_components(value)}
    rest = {name: value for name, value in arguments.items() if name not in sections}
    own = {name: value for name, value in plan.items() if name != "published"}  # which changes nothing of the run
    return {**own, **sections, "trainer": {**trainer, "arguments": rest}}


def _holds_components(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_components, value))
    return isinstance(value, Mapping) and "use" in value


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, (list, Mapping)) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.{index}")
    else:
        yield path, value
