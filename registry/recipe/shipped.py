"""The recipes that come with hw1cli: inside the package where it was installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, did_you_mean

_PACKAGE = Path(__file__).parent.parent


def folder() -> Path:
    """Where they are: in the package, or beside it in a copy of the repository."""
    inside = _PACKAGE / "shipped"
    return inside if inside.is_dir() else _PACKAGE.parent / "recipes"


def shipped() -> dict[str, Path]:
    """The files by their names without ``.yaml``."""
    return {path.stem: path for path in sorted(folder().glob("*.yaml"))}


def located(path: Path) -> Path:
    """The path itself, or the shipped recipe where it is the bare name of one and no file has that name."""
    if len(path.parts) != 1 or path.exists():
        return path
    return shipped().get(path.name.removesuffix(".yaml"), path)


def find(name: str) -> Path:
    """The file of a shipped recipe.

    Raises:
        InputError: none has this name.
    """
    found = shipped()
    if name.removesuffix(".yaml") not in found:
        hint = did_you_mean(name, list(found), f"one of {', '.join(found)}")
        raise InputError.of(name, "is not the name of a shipped recipe", hint)
    return found[name.removesuffix(".yaml")]
