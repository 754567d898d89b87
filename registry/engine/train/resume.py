"""Resuming: is the plan that of the run that was stopped, and what is the run called?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...catalog import provenance
from ...errors import InputError, Problem
from ...recipe.load import Recipe
from ...recipe.plan import Plan
from ...results import diff
from ..records.run_folder import RunFolder

#: What may differ without making it another run: where it is computed, how long it goes on, which figures it draws.
_FREE = frozenset(("trainer.epochs", "trainer.patience", "trainer.log_every", "trainer.eval_batch_size"))
_FREE_SECTIONS = ("runtime", "reports")


def differences(plan: Plan, folder: RunFolder) -> list[str]:
    """The harmless differences from the plan with which a run was started, in sentences.

    Raises:
        InputError: it is another run; the problems name what differs.
    """
    recorded, present = folder.read_json("plan.json"), plan.as_json()
    sentences, problems = provenance.differences(recorded, present), []
    for path, (old, new) in diff.differing([recorded, present]).items():
        if path in _FREE or path.split(".")[0] in _FREE_SECTIONS:
            sentences.append(f"{path} was {old}, is {new}")
        else:
            problems.append(Problem(path, f"was {old} when the run was started, and is {new} now"))
    if problems:
        started = f"hw1cli run {folder.path / 'recipe.yaml'} --out {folder.path} --resume"
        hint = f"go on with what it was started with: {started}"
        raise InputError([*problems[:-1], Problem(problems[-1].path, problems[-1].message, hint)])
    return sentences


def started_with(recipe: Recipe, folder: RunFolder) -> Recipe:
    """The recipe under the name that the run was started with; a run folder's own ``recipe.yaml`` has lost it."""
    if recipe.path.resolve().parent != folder.path.resolve():
        return recipe
    recorded = folder.read_json("environment.json")["recipe"]
    return replace(recipe, path=Path(recorded["path"]), title=recorded["title"])
