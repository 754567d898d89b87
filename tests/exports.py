"""Shared by the tests of exported files: the export in this process, and the script beside a file in a stranger's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from registry.engine.export import Settings, export

_DRIVER = """
import contextlib, io, json, runpy, sys
answers = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    with contextlib.redirect_stdout(io.StringIO()) as text:
        runpy.run_path(SCRIPT, run_name="__main__")
    answers.append(text.getvalue())
print(json.dumps(answers))
"""


def exported(run: Path, out: Path, **settings: Any) -> dict[str, Any]:
    with open(os.devnull, "w") as nowhere:
        return export(Settings(run=run, to=out.suffix[1:], out=out, **settings), Console(file=nowhere))  # type: ignore[arg-type]


def as_stranger(script: Path, calls: Sequence[Sequence[Any]], without: Sequence[str]) -> list[str]:
    """What the script prints for each call, in one process that cannot import the framework, nor ``without``."""
    poison = script.parent / "poison"
    poison.mkdir(exist_ok=True)
    for name in ("hw1cli", "registry", "plugins", *without):
        (poison / f"{name}.py").write_text(f"raise RuntimeError('{name} is imported')\n")
    environment = {**os.environ, "PYTHONPATH": str(poison)}
    words = json.dumps([[str(word) for word in call] for call in calls])
    command = [sys.executable, "-c", _DRIVER.replace("SCRIPT", repr(script.name)), words]
    done = subprocess.run(command, cwd=script.parent, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
