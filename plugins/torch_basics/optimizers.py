"""Every optimizer of torch.optim by its class name, with the signature read from its source text."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Final

from registry import ComponentSpec, FromData, Parameter, Zoo, files, introspect

#: LBFGS wants a function that computes the loss again, SparseAdam sparse gradients: the loop gives neither.
_LEFT_OUT: Final = ("LBFGS", "SparseAdam")

#: What the run supplies, and switches of the implementation that are nothing for a recipe.
_HIDDEN: Final = ("params", "foreach", "maximize", "capturable", "differentiable", "fused")


@lru_cache(maxsize=1)
def _classes() -> dict[str, introspect.ClassText]:
    def read() -> dict[str, introspect.ClassText]:
        package = introspect.locate("torch.optim")
        if package is None:
            raise ModuleNotFoundError("torch is not installed", name="torch")
        return introspect.classes_below(package.parent, "torch.optim")

    return files.for_version("torch-optimizers", "torch", read)  # type: ignore[no-any-return]


def _names() -> list[str]:
    classes = _classes()
    return [
        name
        for name in classes
        if introspect.descends_from(name, ["Optimizer"], classes) and name not in _LEFT_OUT and name[0] != "_"
    ]


def _spec(name: str) -> ComponentSpec:
    theirs = introspect.parameters_of(name, _classes(), skip=_HIDDEN)
    doc = f"{introspect.prose(_classes()[name]['doc'])}\n\ntorch.optim.{name} of the installed PyTorch."
    return ComponentSpec(partial(_make, name), (Parameter("params", FromData[list[Any]]), *theirs), doc)


def _make(name: str, **arguments: Any) -> Any:
    from torch import optim

    return getattr(optim, name)(**arguments)


optimizers = Zoo(_names, _spec, summary="Every optimizer of torch.optim, by its class name.", example="RAdam")
