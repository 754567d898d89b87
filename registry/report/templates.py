"""The templates of pages: their folder, and how Jinja2 reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jinja2 import Environment

#: Templates, styles and scripts.
PAGE: Final = Path(__file__).parent / "page"


def templates() -> Environment:
    """Names of files, classes and runs are data, and escaped; what a template names has to exist."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
