"""What ``import hw1cli`` offers to scripts and notebooks. Nothing heavy is imported before a function needs it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    from .engine.api import Model
    from .recipe.request import Request

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class TrainedRun:
    """A run that has ended; a path, too, wherever a run folder is expected.

    Attributes:
        folder: the run folder.
        summary: what ``summary.json`` holds: ``best``, ``last``, ``epochs``, ``wall_seconds``, ``caveats``, ...
    """

    folder: Path
    summary: Mapping[str, Any]

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the best epoch; of the last one where none was best."""
        return dict(self.summary["best"] or self.summary["last"])

    def load(self, **settings: Any) -> Model:
        """The trained model, see ``load``."""
        return load(self.folder, **settings)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        monitor = self.summary["monitor"]
        score = f": {monitor} {self.scores[monitor]:.4f}" if monitor in self.scores else ""
        return f"<TrainedRun {self.folder}{score}>"


def train(
    recipe: PathLike,
    changes: Mapping[str, Any] | None = None,
    *,
    out: PathLike | None = None,
    demo: bool = False,
    resume: bool = False,
) -> TrainedRun:
    """Train what a recipe of one run describes, as ``hw1cli run`` does.

    ``hw1cli.train("recipe.yaml", {"trainer.epochs": 5})`` is ``hw1cli run recipe.yaml --set trainer.epochs=5``.

    Args:
        recipe: the file, or the name of a shipped one.
        changes: dotted path -> value: a number, a text, a list, a mapping; None is null.
        out: the run folder; ``runs/RECIPE/DATE`` when None.
        demo: use generated data.
        resume: continue the stopped run in ``out``.

    Raises:
        InputError: with every problem of the recipe, or it has several runs; nothing was written.
        PluginError: a plugin fails.
        StoppedBySignal: interrupted; ``resume`` continues.
    """
    from .catalog.registry import Registry
    from .recipe.request import planned

    plan = planned(_request(recipe, changes, demo), Registry())
    for part in plan.components():
        part.preflight()
    from rich.console import Console

    from .engine.records.run_folder import new_run_path
    from .engine.train.session import execute

    folder = Path(out) if out is not None else new_run_path(plan.recipe.path)
    return TrainedRun(folder, execute(plan, Console(), out=folder, resume=resume))


def check(recipe: PathLike, changes: Mapping[str, Any] | None = None, *, demo: bool = False) -> list[Problem]:
    """Every problem of a recipe; an empty list when it can run.

    >>> from pathlib import Path
    >>> _ = Path("mine.yaml").write_text("trainer: {use: segmentation}\\ndata: {use: landcove}\\n")
    >>> [(problem.line, problem.path) for problem in check("mine.yaml")]
    [(1, 'model'), (1, 'loss'), (2, 'data')]
    >>> check("mine.yaml")[-1].hint
    "did you mean 'landcover'?"

    Args:
        recipe, changes, demo: see ``train``.
    """
    from .catalog.registry import Registry
    from .recipe.request import every_problem

    return every_problem(_request(recipe, changes, demo), Registry())


def load(
    path: PathLike,
    *,
    checkpoint: Literal["best", "last"] = "best",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> Model:
    """A trained model: of a run folder, of a study's folds, or of a file that ``hw1cli export`` has written.

    ``hw1cli.load("runs/mine").predict("photo.jpg").mask`` is the mask at the photograph's own size.

    Args:
        path: the folder or the file; what ``train`` returns, too. Of a study's folder with folds the model predicts
            the mean of their probabilities.
        checkpoint: which weights of the run.
        device: where to compute.

    Raises:
        InputError: it is neither, or has no checkpoint yet.
    """
    from .engine.api import load

    return load(path, checkpoint=checkpoint, device=device)


def components(kind: str, pattern: str | None = None) -> list[str]:
    """The names that a recipe may use.

    >>> components("trainers", "multi*")
    ['multilabel']
    >>> "timm/resnet50" in components("backbones", "timm/resnet*")
    True

    Args:
        kind: such as ``backbones``, ``models``, ``losses``.
        pattern: a shell pattern, or part of a name; None for all.

    Raises:
        InputError: an unknown kind.
    """
    from .catalog.registry import Registry

    registry, kind = Registry(), _kind(kind)
    if pattern is None:
        return sorted(set(registry.names(kind)))
    return sorted({component.name for component in registry.matching(kind, pattern) if not component.is_zoo})


def build(kind: str, name: str, **arguments: Any) -> Any:
    """A component as a recipe would build it: a network, a loss, an augmentation.

    >>> loss = build("losses", "cross_entropy", label_smoothing=0.1)
    >>> build("backbones", "timm/resnet10t", pretrained=False).channels
    (64, 64, 128, 256, 512)

    Args:
        kind, name: as a recipe and ``hw1cli list`` write them.
        arguments: of the component, as in a recipe; what a run supplies (``num_classes``, ``in_channels``), too.

    Raises:
        InputError: an unknown name, or a wrong argument.
        PluginError: its factory fails.
    """
    from .catalog.registry import Registry
    from .recipe.planner import plan_component
    from .recipe.yaml import as_node

    kind, registry = _kind(kind), Registry()
    plan = plan_component(as_node({"use": name}), kind, registry)
    supplied = {parameter.name for parameter in plan.spec.parameters if parameter.supplied}
    facts = {key: arguments.pop(key) for key in supplied & arguments.keys()}
    plan = plan_component(as_node({"use": name, **arguments}), kind, registry)
    plan.preflight()
    from .engine.build import build as build_plan

    return build_plan(plan, {"in_channels": 3, **facts})


class Table(list[dict[str, Any]]):
    """Rows as mappings of the same keys: ``pandas.DataFrame(table)`` takes it, and notebooks show it as a table."""

    def _repr_html_(self) -> str:
        heads = list(self[0]) if self else []
        rows = ("".join(f"<td>{escape(str(row[head]))}</td>" for head in heads) for row in self)
        top = "".join(f"<th>{escape(head)}</th>" for head in heads)
        return f"<table><tr>{top}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def compare(runs: Sequence[PathLike]) -> Table:
    """Finished runs, one a row: scores, times, and a column for every setting in which they differ.

    Args:
        runs: run folders, or folders that contain some.

    Raises:
        InputError: one of them is not a finished run.
    """
    from .results.runs import compare_runs, find_runs, read

    folders = dict.fromkeys(folder for path in runs for folder in find_runs(Path(path)))
    compared = compare_runs([read(folder) for folder in folders])
    settings = compared["settings"]
    return Table(
        {**row, **{path: values[at] for path, values in settings.items()}} for at, row in enumerate(compared["runs"])
    )


def _request(recipe: PathLike, changes: Mapping[str, Any] | None, demo: bool) -> Request:
    from .files import to_json
    from .recipe.request import Request

    sets = [f"{path}={to_json(value)}" for path, value in (changes or {}).items()]
    return replace(Request(Path(recipe)), sets=sets, demo=demo)


def _kind(name: str) -> str:
    from .catalog.kinds import KINDS

    if name in KINDS:
        return name
    raise InputError.of(
        name, "is not a kind of component", did_you_mean(name, list(KINDS), f"one of {', '.join(KINDS)}")
    )
