"""What segmentation_models_pytorch offers, read from its source text: importing it takes seconds."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final, TypedDict

from registry import files, introspect

_DISTRIBUTION: Final = "segmentation_models_pytorch"


class Offered(TypedDict):
    """The classes of one folder, and the name in a recipe of those offered."""

    names: dict[str, str]
    classes: dict[str, introspect.ClassText]


def architectures() -> Offered:
    """``unet`` -> ``Unet`` and so on: the models of the decoders' folders."""
    found: Offered = _cached("architectures", lambda: _architectures(_folder("decoders")))
    return found


def losses() -> Offered:
    """``dice`` -> ``DiceLoss`` and so on, named by module."""
    found: Offered = _cached("losses", lambda: _losses(_folder("losses")))
    return found


def encoders() -> dict[str, dict[str, list[str]]]:
    """SMP's own encoders: name -> tag of weights -> repository on the Hugging Face hub and its revision."""
    found: dict[str, dict[str, list[str]]] = _cached("weights", lambda: _encoders(_folder("encoders")))
    return found


def summary(doc: str) -> str:
    """A docstring without its arguments, and without the marks of reStructuredText links."""
    prose = re.split(r"\n\s*(?:Args|Note|Returns|Shape|Reference)\b", doc)[0]
    prose = re.sub(r"`([^`<]+?)\s*(?:<[^>]*>)?`_{1,2}", r"\1", prose)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", prose.strip())]
    return "\n\n".join(paragraphs)


def _cached(what: str, read: Any) -> Any:
    return files.for_version(f"smp-{what}", _DISTRIBUTION, read)


def _folder(part: str) -> Path:
    package = introspect.locate(f"{_DISTRIBUTION}.{part}")
    if package is None:
        raise ModuleNotFoundError(f"{_DISTRIBUTION} is not installed", name=_DISTRIBUTION)
    return package.parent


def _architectures(folder: Path) -> Offered:
    classes = introspect.classes_below(folder, f"{_DISTRIBUTION}.decoders")
    found = {name.lower(): name for name, text in classes.items() if "SegmentationModel" in text["bases"]}
    return {"names": found, "classes": {name: classes[name] for name in found.values()}}


def _losses(folder: Path) -> Offered:
    classes = introspect.classes_below(folder, f"{_DISTRIBUTION}.losses")
    found = {text["module"].rpartition(".")[2]: name for name, text in classes.items() if name.endswith("Loss")}
    return {"names": found, "classes": {name: classes[name] for name in found.values()}}


def _encoders(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The tables ``resnet_encoders = {"resnet18": {"pretrained_settings": {"imagenet": ...}}}``."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("_encoders"):
                for name, entry in _items(node.value).items():
                    settings = _items(_items(entry).get("pretrained_settings"))
                    found[name] = {
                        tag: [_text(each, "repo_id"), _text(each, "revision")] for tag, each in settings.items()
                    }
    return dict(sorted(found.items()))


def _text(node: ast.expr, key: str) -> str:
    value = _items(node).get(key)
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _items(node: ast.expr | None) -> dict[str, ast.expr]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
