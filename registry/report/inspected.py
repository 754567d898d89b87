"""What ``data inspect`` found -> one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .. import __version__
from .pictures import Room
from .templates import PAGE, templates

#: Groups of duplicates, and rows of a table, that a page shows; the others are counted.
_SHOWN: Final = 200


def render_inspection(title: str, report: Mapping[str, Any], thumbnails: Mapping[int, Path], block: str) -> str:
    """The page of an inspection.

    Args:
        title: names the data.
        report: of ``cli.commands.data.inspect_data``.
        thumbnails: index of an image in the report -> its picture.
        block: the lines to paste into a recipe.
    """
    from markupsafe import Markup

    room = Room()
    pictures = {index: room.pictures[key] for index, path in thumbnails.items() if (key := room.embed(path, path.name))}
    sheet = room.embed(report["sheet"], "the sheet of samples") if report.get("sheet") else None
    return (
        templates()
        .get_template("inspection.html.j2")
        .render(
            title=title,
            report=report,
            pictures=pictures,
            sheet=sheet and room.pictures[sheet],
            block=block,
            most=_SHOWN,
            version=__version__,
            style=Markup((PAGE / "page.css").read_text(encoding="utf-8")),
            script=Markup((PAGE / "tables.js").read_text(encoding="utf-8")),
        )
    )
