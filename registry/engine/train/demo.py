"""Data made on the spot for a recipe's demo: made once, then found again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from ... import files
from ...errors import InputError
from ...recipe.plan import ComponentPlan, Plan
from ..build import build
from ..console import Display


def make(generator: ComponentPlan, folder: Path) -> dict[str, object]:
    """Let a generator write a data set, whole or not at all.

    Args:
        folder: where; must not exist, or be empty.

    Raises:
        InputError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.of(str(folder), "is there already and holds something", "name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_folder(folder) as partial:
        return dict(build(generator, {}).make(partial))


def pointed_at_made_data(plan: Plan) -> Plan:
    """The plan with its data set reading what its ``make`` section writes, where it has one. Nothing is written."""
    if plan.make is None:
        return plan
    data = replace(plan.data, arguments={**plan.data.arguments, "root": _place(plan.make)})
    return replace(plan, data=data)


def _place(generator: ComponentPlan) -> Path:
    identity = json.dumps(generator.as_json(), sort_keys=True)
    return files.folder() / "made" / f"{generator.name}-{hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()}"


def with_made_data(plan: Plan, display: Display) -> Plan:
    """As ``pointed_at_made_data``, the data written where they are not there yet; says so under a banner."""
    generator = plan.make
    assert generator is not None
    folder = _place(generator)
    fresh = not folder.exists()
    if fresh:
        make(generator, folder)
    verb = "made" if fresh else "found"
    text = (
        f"This run learns from data made on the spot ({verb} in {folder}), with the changes of the recipe's 'demo:' "
        "section. Its scores say nothing about real data."
    )
    display.banner("DEMO", text)
    return pointed_at_made_data(plan)
