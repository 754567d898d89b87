"""``torchmetrics`` without its metrics of sound, text and pictures, until someone asks for them.

``import torchmetrics`` imports all of them, and for them scipy.signal, torchvision and transformers where installed:
half of the time that a run spends on imports. Importing one of its modules runs the package's ``__init__`` first, which
imports everything. Here that waits for the first name that is looked up in the package itself and is neither a module
of it nor ``Metric``: ``from torchmetrics import MetricCollection`` works as before.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: The packages whose ``__init__`` imports everything.
PACKAGES = ("torchmetrics", "torchmetrics.functional")


def install() -> None:
    """Let the packages wait from now on; without effect where torchmetrics is imported already."""
    if "torchmetrics" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in PACKAGES else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Waiting(spec.loader)
        return spec


class _Waiting(Loader):
    """Runs a package's ``__init__`` when a name is looked up that is not there yet."""

    def __init__(self, loader: Loader):
        self.loader = loader

    def exec_module(self, module: ModuleType) -> None:
        def look_up(name: str) -> Any:
            if name.startswith("__") and name != "__all__":
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            self._execute(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = look_up
        if module.__name__ == PACKAGES[0]:
            vars(module)["_logger"] = logging.getLogger("torchmetrics")  # which its modules import from it
            try:
                vars(module)["__version__"] = import_module("torchmetrics.__about__").__version__  # Fabric asks for it
                import_module("torchmetrics.utilities")  # before torchmetrics.metric: the two import each other
                vars(module)["Metric"] = import_module("torchmetrics.metric").Metric
            except ImportError:  # another version, with other ties
                for name in [name for name in sys.modules if name.startswith("torchmetrics.")]:
                    del sys.modules[name]
                self._execute(module)

    def _execute(self, module: ModuleType) -> None:
        vars(module).pop("__getattr__", None)
        self.loader.exec_module(module)
