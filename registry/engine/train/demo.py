"""Data generated for a recipe's demo: generated once for each generator, its arguments and its code, then reused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from ... import files
from ...errors import InputError
from ...recipe.plan import ComponentPlan, Plan
from ..build import build
from ..console import Console
from ..runtime.allocator import keep_large_blocks


def make(generator: ComponentPlan, folder: Path) -> dict[str, object]:
    """Run a generator, which writes a data set completely or not at all.

    Args:
        folder: missing or empty.

    Raises:
        InputError: the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.of(str(folder), "exists and is not an empty directory", "name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    keep_large_blocks()
    with files.atomic_folder(folder) as partial:
        return dict(build(generator, {}).make(partial))


def reading_generated_data(plan: Plan) -> Plan:
    """The plan with its data set reading what its generator writes, where it has one; nothing is written."""
    if plan.make is None:
        return plan
    data = replace(plan.data, arguments={**plan.data.arguments, "root": _folder(plan.make)})
    return replace(plan, data=data)


def _folder(generator: ComponentPlan) -> Path:
    # Provenance holds a hash of the source where an installation is editable: changed code gives new data.
    identity = json.dumps(generator.as_json(provenance=True), sort_keys=True)
    return files.folder() / "made" / f"{generator.name}-{hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()}"


def generate_data(plan: Plan, console: Console) -> Plan:
    """As ``reading_generated_data``, with the data generated where it does not exist yet; a banner announces it."""
    generator = plan.make
    assert generator is not None
    folder = _folder(generator)
    fresh = not folder.exists()
    if fresh:
        with console.working("generating data"):
            make(generator, folder)
    text = (
        f"This run learns from generated data ({'generated' if fresh else 'found'} in {folder}), "
        "with the changes of the recipe's 'demo:' section. Its scores say nothing about real data."
    )
    console.banner("DEMO", text)
    return reading_generated_data(plan)
