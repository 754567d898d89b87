"""A comparison of runs as one table, for spreadsheets and for documents."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any, Final

#: The columns that every table has, as ``runs.compare_runs`` names them.
_COLUMNS: Final = ("number", "name", "recipe", "status", "epochs", "monitor", "best", "best_epoch", "last", "seconds")
_MORE: Final = ("images_per_second", "folder")


def as_csv(comparison: Mapping[str, Any]) -> str:
    """One row a run: its scores, every setting that differs, and its difference to the best run of its score.

    Args:
        comparison: of ``runs.compare_runs``.
    """
    text = io.StringIO()
    rows = _rows(comparison)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(comparison: Mapping[str, Any]) -> str:
    """The same rows as a table in Markdown, without folders; the best score of each comparison is bold."""
    rows = [{name: value for name, value in row.items() if name != "folder"} for row in _rows(comparison)]
    beaten = {pair["other"] for table in comparison["scores"] for pair in _to_best(table)}
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    for row in rows:
        shown = {name: _cell(value) for name, value in row.items()}
        if row["best"] is not None and row["number"] not in beaten and len(rows) > 1:
            shown["best"] = f"**{shown['best']}**"
        lines.append(list(shown.values()))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def in_words(pair: Mapping[str, Any]) -> str:
    """A result of ``per_image.paired``, for a reader."""
    sure = "" if pair["low"] <= 0 <= pair["high"] else ", which excludes zero"
    interval = f"95 % interval {pair['low']:+.4f} to {pair['high']:+.4f}"
    return f"{pair['score']} {pair['difference']:+.4f} on the same {pair['images']:,} images ({interval}){sure}"


def _rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    to_best = {pair["other"]: pair["difference"] for table in comparison["scores"] for pair in _to_best(table)}
    paired = {pair["other"]: pair for pair in comparison["paired"]}
    rows = []
    for at, row in enumerate(comparison["runs"]):
        number = row["number"]
        settings = {path: _plain(values[at]) for path, values in comparison["settings"].items()}
        found = {"to_best": to_best.get(number), **dict.fromkeys(("paired", "paired_low", "paired_high"))}
        if number in paired:
            names = {"paired": "difference", "paired_low": "low", "paired_high": "high"}
            found |= {name: paired[number][key] for name, key in names.items()}
        rows.append({name: row[name] for name in _COLUMNS} | found | settings | {name: row[name] for name in _MORE})
    return rows


def _to_best(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The difference of each run's score to that of the best run in a table of ``statistics.compare``."""
    results = [result for setting in table["settings"] for result in setting["runs"]]
    choose = min if table["monitor"].endswith("loss") else max
    best = choose(results, key=lambda each: each["score"])
    others = [each for each in results if each is not best]
    return [{"other": int(each["run"]), "difference": each["score"] - best["score"]} for each in others]


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict, bool)) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|")
