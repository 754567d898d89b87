"""The sections that a study's recipe describes: which runs each shows, their scores beside published ones, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from ..recipe.yaml import parse
from ..results.statistics import LEAST_SEEDS, Result, Setting, beside_published, compare
from .gather import Shown

#: Sections of a recipe that decide nothing of what is learned.
_NOT_SETTINGS: Final = ("description", "published", "reports", "trackers", "runtime", "make")


@dataclass(frozen=True)
class Section:
    """A section as the page shows it.

    Attributes:
        number: from 1.
        title: its heading.
        paragraphs: under it.
        show: parts, in order; see ``recipe.page.PageSettings``.
        runs: those that it shows.
        scores: a row for each setting and score; see ``_scores``.
        settings: path in the recipe -> a value a run, empty where a run does not have it.
    """

    number: int
    title: str
    paragraphs: Sequence[str]
    show: Sequence[str]
    runs: Sequence[Shown]
    scores: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Sequence[str]]


def sections(described: Sequence[Mapping[str, Any]], runs: Sequence[Shown]) -> list[Section]:
    """The sections of a page, in order.

    Args:
        described: ``title``, and what else ``recipe.page.PageSettings`` has, each.
        runs: of the page.
    """
    found = []
    for number, each in enumerate(described, 1):
        wanted = each.get("runs") or ["*"]
        own = [run for name in wanted for run in runs if fnmatchcase(_setting(run), name)]
        own = list({run.number: run for run in own}.values())
        paragraphs = re.split(r"\n\s*\n", each.get("text") or "")
        show = each.get("show") or ()
        scores = list(_scores(own)) if "scores" in show else []
        settings = _settings(own) if "settings" in show else {}
        found.append(Section(number, each["title"], paragraphs, show, own, scores, settings))
    return found


def _setting(shown: Shown) -> str:
    """The name of a run without its seed and fold."""
    return re.sub(r"(^|_)(seed|fold)=\d+$", "", re.sub(r"_fold=\d+$", "", shown.run.folder.resolve().name)) or "run"


def _scores(runs: Sequence[Shown]) -> Iterator[dict[str, Any]]:
    """Of each setting its monitored score and those that others published, with the noise of the difference."""
    grouped: dict[str, list[Shown]] = {}
    for shown in runs:
        grouped.setdefault(_setting(shown), []).append(shown)
    for name, members in grouped.items():
        first = members[0].run
        for score in dict.fromkeys([*([first.monitor] if first.score is not None else []), *first.published]):
            results = [
                Result(
                    *(each.name, summary["best"][score], summary["evaluation_images"], summary["seed"], each.run.fold)
                )
                for each in members
                if score in (summary := each.run.summary)["best"] and summary["status"] == "done"
            ]
            published = first.published.get(score)
            row: dict[str, Any] = {"name": name, "runs": members, "score": score, "published": published}
            row |= {"mean": None, "standard_error": None, "seeds": len(results), "marked": False, "beside": ""}
            if results:
                setting = Setting(name, score, tuple(results))
                row |= {key: compare([setting])["settings"][0][key] for key in ("mean", "standard_error")}
                if published is not None:
                    demo = any(each.run.summary["demo"] for each in members)
                    row |= {"beside": "not comparable: generated data"} if demo else _beside(setting, published)
            yield row


def _beside(setting: Setting, published: float) -> dict[str, Any]:
    found = beside_published(setting, published)
    beyond, of_images = found["more_than_noise"], found["over_images"] is not None
    word = {True: "more than noise", False: "within noise", None: "noise unknown"}[beyond]
    if beyond is None and of_images:
        word = f"more than the noise of the images; that of seeds takes {LEAST_SEEDS}"
    marked = beyond is True or (beyond is None and of_images)
    return {"marked": marked, "beside": f"{found['difference']:+.4f}: {word}"}


def _settings(runs: Sequence[Shown]) -> dict[str, list[str]]:
    """What the recipes give, and the trainers' own arguments completed."""
    columns: list[dict[str, str]] = []
    for shown in runs:
        root, _ = parse(shown.recipe, "recipe.yaml")
        plain = {} if root is None else root.plain()
        given = {key: value for key, value in plain.items() if key not in _NOT_SETTINGS}
        trainer = shown.run.plan.get("trainer", {}).get("arguments", {})
        own = {f"trainer.{key}": _text(value) for key, value in trainer.items() if _is_plain(value)}
        columns.append({**dict(_flat(given)), **own})
    order = {path: at for column in reversed(columns) for at, path in enumerate(column)}
    paths = sorted(order, key=lambda path: (path.split(".")[0] != "trainer", order[path]))
    return {path: [column.get(path, "") for column in columns] for path in paths}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and not (set(value) == {"use"} and path):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path and key != "use" else path or key)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield f"{path}.{index}", _text(item)
    else:
        yield path, _text(value["use"] if isinstance(value, Mapping) else value)


def _is_plain(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return value is not None and not any(isinstance(each, Mapping) for each in items)


def _text(value: Any) -> str:
    """A value as a recipe has it, on one line."""
    if isinstance(value, Mapping):
        rest = ", ".join(f"{key}: {_text(item)}" for key, item in value.items() if key != "use")
        return f"{value['use']}{f' ({rest})' if rest else ''}" if "use" in value else f"{{{rest}}}"
    return value if isinstance(value, str) else json.dumps(value, default=str)
