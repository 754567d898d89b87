"""timm's optimizers by timm's names, with signatures read from its source text."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypedDict

from registry import ComponentSpec, FromData, Parameter, Zoo, files, introspect

#: What the run supplies, and switches of the implementation that are nothing for a recipe.
_HIDDEN: Final = ("params", "foreach", "maximize", "capturable", "differentiable", "fused")


class _Entry(TypedDict):
    """An entry of timm's table of optimizers; plain JSON."""

    target: str
    doc: str
    defaults: dict[str, Any]


class _Table(TypedDict):
    entries: dict[str, _Entry]
    classes: dict[str, introspect.ClassText]


@lru_cache(maxsize=1)
def _table() -> _Table:
    def read() -> _Table:
        folders = [introspect.locate(name) for name in ("torch.optim", "timm.optim")]
        if None in folders:
            raise ModuleNotFoundError("timm is not installed", name="timm")
        torch_, timm = (folder.parent for folder in folders if folder is not None)
        classes = introspect.classes_below(torch_, "torch.optim") | introspect.classes_below(timm, "timm.optim")
        entries = {name: entry for name, entry in _entries(timm) if entry["target"] in classes}
        return {"entries": entries, "classes": classes}

    return files.for_version(f"timm-optimizers-{metadata.version('torch')}", "timm", read)  # type: ignore[no-any-return]


def _entries(folder: Path) -> list[tuple[str, _Entry]]:
    """Every ``OptimInfo(name=..., opt_class=..., description=..., defaults={...})``.

    Those of bitsandbytes and apex name their class by a text, and need a library that may be missing: they are left
    out, as no class of timm or torch is called so.
    """
    found: list[tuple[str, _Entry]] = []
    for node in ast.walk(ast.parse((folder / "_optim_factory.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "OptimInfo":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            name, target, doc = (given.get(key) for key in ("name", "opt_class", "description"))
            if isinstance(name, ast.Constant) and isinstance(target, (ast.Name, ast.Attribute)):
                defaults = ast.literal_eval(given["defaults"]) if "defaults" in given else {}
                if "has_momentum" in given:  # what timm's own factory gives those that have one
                    defaults = {"momentum": 0.9, **defaults}
                text = str(doc.value) if isinstance(doc, ast.Constant) else ""
                target_name = ast.unparse(target).rpartition(".")[2]
                found.append((str(name.value), {"target": target_name, "doc": text, "defaults": defaults}))
    return sorted(found)


def _names() -> list[str]:
    # adahessian needs a gradient of the gradient, which the loop does not compute.
    return [name for name in _table()["entries"] if name != "adahessian"]


def _spec(name: str) -> ComponentSpec:
    entry = _table()["entries"][name]
    theirs = (
        replace(parameter, default=entry["defaults"].get(parameter.name, parameter.default))
        for parameter in introspect.parameters_of(entry["target"], _table()["classes"], skip=_HIDDEN)
    )
    doc = f"{entry['doc']}\n\n{entry['target']} of the installed timm, with timm's defaults."
    return ComponentSpec(partial(_make, name), (Parameter("params", FromData[list[Any]]), *theirs), doc)


def _make(name: str, **arguments: Any) -> Any:
    from timm.optim import get_optimizer_class  # type: ignore[attr-defined]

    return get_optimizer_class(name)(**arguments)


optimizers = Zoo(_names, _spec, summary="timm's optimizers, by timm's names.", example="lion")
