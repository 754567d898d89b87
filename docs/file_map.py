"""The last section of architecture.md: every file of registry/ with the first line of its docstring.

``python docs/file_map.py`` writes it anew; a test compares it with the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## Every file\n"


def section() -> str:
    """The section as Markdown."""
    return f"{HEADING}\n" + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    folder = None
    for path in sorted((ROOT / "registry").rglob("*.py"), key=lambda path: (path.parent.as_posix(), path.name)):
        if path.name == "__init__.py":
            continue
        if path.parent != folder:
            yield from ("",) if folder else ()
            folder = path.parent
            yield from (f"**`{folder.relative_to(ROOT).as_posix()}/`**", "")
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        yield f"- `{path.name}`: {' '.join(text.partition(chr(10) * 2)[0].split())}"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8").partition(HEADING)[0].rstrip()
    PAGE.write_text(f"{page}\n\n{section()}", encoding="utf-8")
