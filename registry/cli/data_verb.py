"""``data make`` and ``data inspect``: data sets made on the spot, and a look at those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..catalog.registry import Registry
from ..errors import InputError, PluginError, Problem
from ..recipe.overrides import apply
from ..recipe.planner import plan_component
from ..recipe.yaml import Node, Place, as_node


def make_data(name: str, out: Path, sets: Sequence[str]) -> dict[str, Any]:
    """Let the generator called ``name`` write a data set into ``out``; return what it tells.

    Raises:
        InputError: unknown generator, wrong arguments, or a folder that holds something.
        PluginError: the generator failed.
    """
    node = Node({"use": Node(name, Place("the command line", None))}, Place("the command line", None))
    problems: list[Problem] = []
    apply(node, sets, (), problems)
    if problems:
        raise InputError(problems)
    plan = plan_component(node, "generators", Registry())
    from ..engine.train.demo import make

    return make(plan, out)


#: Share of every class that is proposed for evaluation, where nothing is held out.
_HELD_OUT = 0.2


def default_sheet(root: Path) -> Path:
    """Where the sheet of samples of a folder goes: into the current one."""
    return Path(f"{root.resolve().name or 'data'}_samples.png")


def inspect_data(root: Path, sheet: Path | None = None) -> dict[str, Any]:
    """What a folder of data holds, read with the first dataset that recognises its layout.

    Args:
        root: the folder.
        sheet: a PNG of samples is written there; None for none.

    Returns:
        ``dataset``, ``data`` (the block for a recipe), ``split`` (a block, where the data have no evaluation split),
        and what ``registry.engine.data.inspect.inspect`` returns.

    Raises:
        InputError: the folder is not there, no dataset recognises it, or its files are faulty.
    """
    if not root.is_dir():
        raise InputError.of(str(root), "is no folder")
    registry = Registry()
    for component in registry.components("datasets"):
        try:
            guessed = component.spec().guess(root)
        except PluginError:
            continue
        if guessed is not None:
            block = {"use": component.name, **guessed}
            plan = plan_component(as_node(block), "datasets", registry)
            from ..engine.build import build
            from ..engine.data.inspect import inspect

            data, arguments = build(plan, {"seed": 0}), plan.given_or_default()
            found = inspect(data, title=root.resolve().name, arguments=arguments, sheet=sheet)
            told = {"dataset": component.name, "data": block, **found}
            return told if "val" in told["splits"] else {**told, "split": {"val": _HELD_OUT}}
    names = ", ".join(component.name for component in registry.components("datasets"))
    raise InputError.of(str(root), "is in no layout that a dataset recognises", f"datasets: {names}")
