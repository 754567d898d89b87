"""Going on with a run: is it still the run that was stopped?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .. import provenance
from ..plans import Plan
from ..problems import InputError, Problem
from .runs import RunFolder

#: What may differ without making it another run: where it is computed, how long it goes on, what is drawn.
_FREE = ("runtime.", "reports", "loop.epochs", "loop.patience", "loop.log_every", "loop.eval_batch_size")
#: Provenance: told, but no reason to refuse.
_PROVENANCE = re.compile(r"(^|\.)(version|target|distribution|provenance\..*)$")


def differences(plan: Plan, folder: RunFolder) -> list[str]:
    """What is harmlessly different from the plan with which a run was started, in words.

    Raises:
        InputError: it is another run; names what differs.
    """
    recorded, present = folder.read_json("plan.json"), plan.as_json()
    before, now = dict(_flat(recorded)), dict(_flat(present))
    told, problems = provenance.differences(recorded, present), []
    paths = before.keys() | now.keys()
    # Of a component that is another one, its name tells everything.
    others = tuple(p.removesuffix("use") for p in paths if p.endswith(".use") and before.get(p) != now.get(p))
    for path in sorted(paths):
        if path.startswith(others) and path.removesuffix("use") not in others:
            continue
        old, new = before.get(path, "nothing"), now.get(path, "nothing")
        if old == new or _PROVENANCE.search(path):
            continue
        if path.startswith(_FREE):
            told.append(f"{path} was {old}, is {new}")
        else:
            problems.append(Problem(_readable(path), f"was {old} when the run was started, and is {new} now"))
    if problems:
        started = f"hw1cli run {folder.path / 'recipe.yaml'} --out {folder.path} --resume"
        hint = f"go on with what it was started with: {started}"
        raise InputError([*problems[:-1], Problem(problems[-1].path, problems[-1].message, hint)])
    return told


def _readable(path: str) -> str:
    return path.replace(".arguments", "").replace("loop.", "trainer.")


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, (list, Mapping)) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.{index}")
    else:
        yield path, value
