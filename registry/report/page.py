"""A study -> one HTML file that needs nothing else: styles, scripts, the plotting library and pictures are inside."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from .. import __version__, files
from ..errors import InputError
from ..results.runs import FinishedRun
from . import sweeps
from .gather import PARTS, WRITERS, Study, gather, setting_name
from .sections import sections
from .templates import PAGE, templates
from .verdicts import difference, of_run, of_study, rank

_SCRIPTS: Final = ("charts.js", "maps.js", "masks.js", "sweep.js", "tables.js")


def render(
    runs: Sequence[FinishedRun],
    described: Sequence[Mapping[str, Any]] = (),
    sweep: Mapping[str, Any] | None = None,
) -> str:
    """The page of one run or of several.

    Args:
        runs: one or more.
        described: the sections that a study's recipe describes, as in ``page.json``.
        sweep: that the runs belong to, as in ``sweep.json``.

    Raises:
        InputError: the plotting library is not installed.
    """
    from markupsafe import Markup

    study = gather(runs)
    environment = templates()
    environment.filters["number"] = _number
    environment.filters["yaml"] = _yaml
    environment.filters["searched"] = sweeps.shown
    # Names of files, classes and runs are data: within a script no "<" of theirs may end it.
    data = files.to_json({**_data(study), "sweep": sweep}).replace("<", "\\u003c")
    return environment.get_template("page.html.j2").render(
        study=study,
        title=study.title if sweep is None else sweeps.title(sweep),
        described=sections(described, study.runs),
        PARTS=PARTS,
        WRITERS=WRITERS,
        several=len(study.runs) > 1,
        sweep=sweep,
        verdicts=[*(sweeps.verdicts(sweep) if sweep is not None else ()), *of_study(study)],
        of_run=of_run,
        scores=[_marked(study, table) for table in study.comparison["scores"]],
        bests=_bests(study),
        version=__version__,
        style=Markup((PAGE / "page.css").read_text(encoding="utf-8")),
        script=Markup("\n".join((PAGE / name).read_text(encoding="utf-8") for name in _SCRIPTS)),
        highlighted={shown.number: Markup(_highlighted(shown.recipe)) for shown in study.runs},
        plotly=Markup(plotting_library()),
        data=Markup(data),
    )


@cache
def plotting_library() -> str:
    """The text of plotly.js, out of the package plotly, which is not imported: that takes seconds."""
    spec = importlib.util.find_spec("plotly")
    paths = [
        Path(folder) / "package_data" / "plotly.min.js" for folder in (spec and spec.submodule_search_locations) or ()
    ]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise InputError.of("report", "needs the package plotly, which is not installed", "pip install plotly")
    return found.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _data(study: Study) -> dict[str, Any]:
    """What the scripts draw."""
    runs = []
    for shown in study.runs:
        facts = shown.run.environment.get("facts", {})
        classes = {"names": facts.get("class_names"), "colors": facts.get("class_colors")}
        cost = {"seconds": shown.run.summary["wall_seconds"], "score": shown.run.score}
        parts = {name: shown.parts[name] for name in ("confusion", "maps", "masks", "worst", "calibration")}
        runs.append({"number": shown.number, **shown.curves, **cost, **parts, "classes": classes})
    return {"runs": runs, "pictures": study.room.pictures}


def _marked(study: Study, table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of settings, the best marked, and of the others whether they are worse by more than noise."""
    monitor = table["monitor"]
    ranked = sorted(table["settings"], key=lambda each: rank(monitor, each["mean"]))
    rows = []
    for each in ranked:
        word = "best"
        if each is not ranked[0]:
            beyond = difference(table, ranked[0]["name"], each["name"])["more_than_noise"]
            word = {True: "worse, more than noise", False: "within noise of the best", None: "unknown"}[beyond]
        rows.append({**each, "name": setting_name(study, each), "against_best": word, "seeds": len(each["runs"])})
    return {"monitor": monitor, "rows": rows}


def _bests(study: Study) -> dict[str, set[int]]:
    """The numbers of the runs that hold the best value of a column, each among the runs that are comparable."""
    found: dict[str, set[int]] = {"best": set(), "seconds": set(), "images_per_second": set()}
    rows = {row["number"]: row for row in study.comparison["runs"]}
    for table in study.comparison["scores"]:
        numbers = [int(result["run"]) for each in table["settings"] for result in each["runs"]]
        for column, numbered in found.items():
            values = {number: rows[number][column] for number in numbers if rows[number][column] is not None}
            if len(values) > 1:
                lower = column == "seconds" or (column == "best" and table["monitor"].endswith("loss"))
                best = min(values.values()) if lower else max(values.values())
                numbered |= {number for number, value in values.items() if value == best}
    return found


def _highlighted(recipe: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import YamlLexer

    return str(highlight(recipe, YamlLexer(), HtmlFormatter(nowrap=True)))


def _number(value: Any) -> str:
    """A number for a cell: counts whole, scores with four decimals, what is unknown as a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _yaml(value: Any) -> str:
    """A value as a recipe has it, on one line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
