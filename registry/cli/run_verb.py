"""``run``: carry out a recipe, or all the runs of a study."""

from __future__ import annotations

from pathlib import Path

from ..catalog.registry import Registry
from ..recipe.plan import Plan
from .planning import Request, planned_runs


def run(request: Request, *, resume: bool) -> None:
    """Check everything, then train; see ``registry.engine.train.session.execute`` for what it raises."""
    runs = planned_runs(request, Registry())
    if runs[0].member is not None:
        from .study_verb import carry_out

        carry_out(runs, request)
        return
    train(runs[0].plan, request.out, resume=resume)


def train(plan: Plan, out: Path | None, *, resume: bool) -> dict[str, object]:
    """Carry out one plan; what its ``summary.json`` holds."""
    for part in plan.components():
        part.preflight()
    # Only now does anything heavy get imported.
    from rich.console import Console

    from ..engine.train.session import execute

    return execute(plan, Console(), out=out, resume=resume)
