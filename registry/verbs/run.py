"""``run``: carry out a recipe."""

from __future__ import annotations

from pathlib import Path

from ..components import Registry
from .planning import Request, planned


def run(request: Request, *, out: Path | None, resume: bool) -> None:
    """Check everything, then train; see ``registry.engine.session.execute`` for what it raises."""
    plan = planned(request, Registry())
    for part in plan.components():
        part.preflight()
    # Only now does anything heavy get imported.
    from rich.console import Console

    from ..engine.session import execute

    execute(plan, Console(), out=out, resume=resume)
