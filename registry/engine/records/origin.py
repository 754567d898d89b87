"""The run that another goes on from: how their plans differ, and what it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...catalog import provenance
from ...errors import InputError, Problem
from ...recipe.grammar import DataSettings
from ...recipe.load import Recipe
from ...recipe.plan import Plan
from ...results import diff
from .run_folder import RunFolder, from_run, has_checkpoints, way_on

#: What may differ without making it another run: where it is computed and recorded, how long it goes on, its figures.
_FREE_OF_TRAINER: Final = (
    *("epochs", "patience", "log_every", "eval_batch_size", "save_every", "keep_best", "keep_every"),
    *("on_nan", "max_skipped_steps", "auto_batch"),
)
_FREE: Final = {f"trainer.{name}" for name in _FREE_OF_TRAINER} | {f"data.{name}" for name in vars(DataSettings())}
_FREE_SECTIONS: Final = ("runtime", "reports", "trackers")


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
        hint = f"go on with what it was started with: {way_on(folder.path)}"
        if has_checkpoints(folder.path):
            hint += f"; or start a new run from its state: {from_run(folder.path)} --set {problems[-1].path}=..."
        raise InputError([*problems[:-1], Problem(problems[-1].path, problems[-1].message, hint)])
    return sentences


def changes(plan: Plan, folder: RunFolder) -> tuple[list[str], bool]:
    """How a new run differs from the one whose state it starts from, and whether the optimizer's state fits it."""
    recorded, present = folder.read_json("plan.json"), plan.as_json()
    found = diff.differing([recorded, present])
    found.pop("from", None)
    # Rates and decays may change; another optimizer, or other parameters in its groups, keeps another state.
    regrouped = ("trainer.layer_decay", "trainer.decay")
    changed = [path for path in found if path.split(".")[0] == "optimizer" or path in regrouped]
    fits = all(path not in regrouped and all(map(_is_number, found[path])) for path in changed)
    sentences = [f"{path} was {old}, is {new}" for path, (old, new) in found.items()]
    return [*sentences, *provenance.differences(recorded, present)], fits


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def started_with(recipe: Recipe, folder: RunFolder) -> Recipe:
    """The recipe under the name that the run was started with; a run folder's own ``recipe.yaml`` has lost it."""
    if recipe.path.resolve().parent != folder.path.resolve() or not (folder.path / "environment.json").is_file():
        return recipe
    recorded = folder.read_json("environment.json").get("recipe")
    if not isinstance(recorded, dict) or not all(isinstance(recorded.get(key), str) for key in ("path", "title")):
        raise InputError.of(str(folder.path / "environment.json"), "is damaged: it does not name the recipe")
    return replace(recipe, path=Path(recorded["path"]), title=recorded["title"])
