"""Every torchmetrics score that is one number, with the signature read from its source text."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Annotated, Any, Final, Literal

from registry import ComponentSpec, FromData, Parameter, SuppliedByRun, Zoo, files, introspect

#: What gives a curve, a matrix, or a score at a threshold instead of one number.
_NOT_A_NUMBER: Final = (
    *("ConfusionMatrix", "StatScores", "MulticlassROC", "Curve", "EER"),
    *("FixedRecall", "FixedPrecision", "AtSpecificity", "AtSensitivity"),
)
#: What the wrapper sets, or what would give a number for each class or image.
_HIDDEN: Final = {"num_classes", "ignore_index", "validate_args", "multidim_average", "input_format", "per_class"}
_AVERAGES: Final = Literal["micro", "macro", "weighted"]


@lru_cache(maxsize=1)
def _classes() -> dict[str, introspect.ClassText]:
    def read() -> dict[str, introspect.ClassText]:
        found: dict[str, introspect.ClassText] = {}
        for part in ("classification", "segmentation"):
            package = introspect.locate(f"torchmetrics.{part}")
            if package is None:
                raise ModuleNotFoundError("torchmetrics is not installed", name="torchmetrics")
            found |= introspect.classes_below(package.parent, f"torchmetrics.{part}")
        return found

    return files.for_version("torchmetrics-classes", "torchmetrics", read)  # type: ignore[no-any-return]


def _names() -> list[str]:
    return [
        name
        for name, text in _classes().items()
        if text["module"].startswith("torchmetrics.segmentation")
        or (name.startswith("Multiclass") and not name.endswith(_NOT_A_NUMBER))
    ]


def _spec(name: str) -> ComponentSpec:
    text = _classes()[name]
    theirs = introspect.parameters_of(name, _classes())
    taken = {parameter.name for parameter in theirs}
    ours = (
        Parameter("num_classes", FromData[int], doc="classes of the model"),
        Parameter("ignore_index", Annotated[int | None, SuppliedByRun()], None, "the label that does not count"),
    )
    shown = tuple(_narrowed(parameter) for parameter in theirs if parameter.name not in _HIDDEN)
    fixed = {"validate_args": False} if "validate_args" in taken else {}
    doc = (
        f"{introspect.prose(text['doc'])}\n\n{text['module'].rpartition('.')[0]}.{name} of the installed torchmetrics."
    )
    return ComponentSpec(partial(_make, name, "ignore_index" in taken), (*ours, *shown), doc, fixed)


def _narrowed(parameter: Parameter) -> Parameter:
    """Without the averages that give a number for each class."""
    if parameter.name != "average":
        return parameter
    default = parameter.default if parameter.default in ("micro", "macro", "weighted") else "macro"
    return Parameter("average", _AVERAGES, default, parameter.doc)


def _make(name: str, ignores: bool, **arguments: Any) -> Any:
    from .metrics import make

    return make(name, _classes()[name]["module"], ignores, arguments)


metrics = Zoo(
    _names, _spec, summary="torchmetrics' scores of classification and segmentation.", example="MulticlassF1Score"
)
