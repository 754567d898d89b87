"""Data made on the spot for a recipe's demo: made once, then found again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from .. import cache
from ..plans import ComponentPlan, Plan
from ..problems import InputError
from .building import build
from .display import Display


def make(maker: ComponentPlan, folder: Path) -> dict[str, object]:
    """Let a maker write a data set, whole or not at all.

    Args:
        folder: where; must not exist, or be empty.

    Raises:
        InputError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.of(str(folder), "is there already and holds something", "name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        told = dict(build(maker, {}).make(partial))
        if folder.exists():
            folder.rmdir()
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return told


def with_made_data(plan: Plan, display: Display) -> Plan:
    """The plan with its data set reading data that its ``make`` section wrote; says so under a banner."""
    maker = plan.make
    assert maker is not None
    identity = json.dumps(maker.as_json(), sort_keys=True)
    folder = cache.folder() / "made" / f"{maker.name}-{hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()}"
    fresh = not folder.exists()
    if fresh:
        make(maker, folder)
    verb = "made" if fresh else "found"
    text = (
        f"This run learns from data made on the spot ({verb} in {folder}), with the changes of the recipe's 'demo:' "
        "section. Its scores say nothing about real data."
    )
    display.banner("DEMO", text)
    data = replace(plan.data, arguments={**plan.data.arguments, "root": folder})
    return replace(plan, data=data)
