"""hw1cli: vision models trained from YAML recipes, as a command line and for scripts and notebooks.

>>> import hw1cli
>>> hw1cli.components("losses", "cross_*")
['cross_entropy']

``train``, ``load``, ``check``, ``components``, ``build`` and ``compare`` are the whole of it; torch is imported by the
first of them that needs it.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if os.path.basename(sys.argv[0]) in ("hw1cli", "hw1cli.py"):  # noqa: PTH119 - pathlib takes its time
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command line handles it: an end without a traceback

from registry import Hw1Error, InputError, PluginError, Problem, __version__
from registry.api import Table, TrainedRun, build, check, compare, components, load, train

if TYPE_CHECKING:
    from registry.cli.main import main

__all__ = [
    "Hw1Error",
    "InputError",
    "PluginError",
    "Problem",
    "Table",
    "TrainedRun",
    "__version__",
    "build",
    "check",
    "compare",
    "components",
    "load",
    "main",
    "train",
]


def __getattr__(name: str) -> Any:
    """The command line, which a script does not need."""
    if name == "main":
        from registry.cli.main import main

        return main
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    from registry.cli.main import main as command_line

    command_line(prog_name="hw1cli")
