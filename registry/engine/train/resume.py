"""Going on with a run: is it still the run that was stopped?"""

from __future__ import annotations

from ...catalog import provenance
from ...errors import InputError, Problem
from ...recipe.plan import Plan
from ...results import diff
from ..records.run_folder import RunFolder

#: What may differ without making it another run: where it is computed, how long it goes on, what is drawn.
_FREE = frozenset(("trainer.epochs", "trainer.patience", "trainer.log_every", "trainer.eval_batch_size"))
_FREE_SECTIONS = ("runtime", "reports")


def differences(plan: Plan, folder: RunFolder) -> list[str]:
    """What is harmlessly different from the plan with which a run was started, in words.

    Raises:
        InputError: it is another run; names what differs.
    """
    recorded, present = folder.read_json("plan.json"), plan.as_json()
    told, problems = provenance.differences(recorded, present), []
    for path, (old, new) in diff.differing([recorded, present]).items():
        if path in _FREE or path.split(".")[0] in _FREE_SECTIONS:
            told.append(f"{path} was {old}, is {new}")
        else:
            problems.append(Problem(path, f"was {old} when the run was started, and is {new} now"))
    if problems:
        started = f"hw1cli run {folder.path / 'recipe.yaml'} --out {folder.path} --resume"
        hint = f"go on with what it was started with: {started}"
        raise InputError([*problems[:-1], Problem(problems[-1].path, problems[-1].message, hint)])
    return told
