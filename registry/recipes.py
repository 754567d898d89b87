"""A recipe file with everything applied: what it extends, its demo, the command line, its references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import overrides, references
from .documents import BROKEN, Node, Place, parse
from .problems import Problem, did_you_mean


@dataclass(frozen=True)
class Recipe:
    """What a recipe says in the end.

    Args:
        path: its file.
        root: the tree with everything applied; the keys ``extends`` and ``demo`` are gone.
        problems: everything that was wrong on the way.
        demo: whether the demo's changes are in.
        has_demo: whether it has a demo.
        touched: dotted paths that the command line named.
    """

    path: Path
    root: Node
    problems: list[Problem] = field(default_factory=list)
    demo: bool = False
    has_demo: bool = False
    touched: frozenset[str] = frozenset()

    @classmethod
    def of(cls, root: Node) -> Recipe:
        """A recipe without a file."""
        return cls(Path("recipe"), root)


def load(path: Path, *, sets: Sequence[str] = (), unsets: Sequence[str] = (), demo: bool = False) -> Recipe:
    """Read a recipe: the file, what it extends, the demo if asked for, the command line, then references.

    Nothing is raised for a user's mistake: see ``Recipe.problems``.
    """
    problems: list[Problem] = []
    root = _read(path, problems, ())
    if root is None:  # nothing more can be said of it
        return Recipe(path, Node(BROKEN, Place(str(path), None)), problems)
    overlay = root.value.pop("demo", None)
    if demo and overlay is None:
        problems.append(Problem("--demo", "this recipe has no demo", "add a 'demo:' section", None, str(path)))
    if demo and overlay is not None:
        if isinstance(overlay.value, dict):
            root = merge(root, overlay)
        elif overlay.value is not BROKEN:
            problems.append(Problem("demo", "a mapping of what changes is wanted", None, overlay.place.line, overlay.place.file))
    problems += overrides.apply(root, sets, unsets)
    problems += references.resolve(root)
    try:
        touched = overrides.keys_named(sets, unsets)
    except Exception:  # a malformed option is among the problems already
        touched = frozenset()
    return Recipe(path, root, problems, demo, overlay is not None, touched)


def _read(path: Path, problems: list[Problem], chain: tuple[Path, ...]) -> Node | None:
    """A file with its bases merged below it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(_unreadable(path, error))
        return None
    root, found = parse(text, str(path))
    problems += found
    if root is None:
        return None
    extends = root.value.pop("extends", None)
    for name in _base_names(extends, problems):
        base_path = path.parent / str(name.value)
        place = name.place
        if base_path.resolve() in (*chain, path.resolve()):
            problems.append(Problem("extends", f"{name.value!r} extends this file in turn", None, place.line, place.file))
            continue
        before = len(problems)
        base = _read(base_path, problems, (*chain, path.resolve()))
        if base is None and len(problems) > before and problems[before].path == str(base_path):
            told = problems.pop(before)
            problems.append(Problem("extends", f"{told.path}: {told.message}", told.hint, place.line, place.file))
        if base is not None:
            root = merge(base, root)
    return root


def _base_names(extends: Node | None, problems: list[Problem]) -> list[Node]:
    """The bases in the order in which they are merged below: the last one named lies on top."""
    if extends is None or extends.value is BROKEN:
        return []
    items = extends.value if isinstance(extends.value, list) else [extends]
    names = [item for item in items if isinstance(item.value, str) and item.value]
    if len(names) < len(items):
        message = "names the recipe, or the list of recipes, that this one changes"
        problems.append(Problem("extends", message, "extends: base.yaml", extends.place.line, extends.place.file))
    return list(reversed(names))


def _unreadable(path: Path, error: Exception) -> Problem:
    if isinstance(error, UnicodeDecodeError):
        return Problem(str(path), "is no text in UTF-8")
    if path.is_dir():
        return Problem(str(path), "is a folder, and a recipe is a file", _recipes_near(path / "x", path))
    if not path.exists():
        return Problem(str(path), "is not there", _recipes_near(path, path.parent))
    return Problem(str(path), f"cannot be read: {error}")


def _recipes_near(path: Path, folder: Path) -> str | None:
    names = sorted(str(file) for file in folder.glob("*.yaml")) if folder.is_dir() else []
    return did_you_mean(str(path), names, f"recipes there: {', '.join(names[:8])}" if names else None)


def merge(base: Node, over: Node) -> Node:
    """``over`` laid upon ``base``, as a new tree.

    Mappings merge key by key. A component that ``over`` names otherwise replaces the base's whole component; arguments
    without a name go to the component that the base names. Everything else replaces.
    """
    if not isinstance(over.value, dict):
        return over.copy()
    below = base
    if isinstance(base.value, str):
        below = Node({"use": Node(base.value, base.place, base.text)}, base.place)
    if not isinstance(below.value, dict):
        return over.copy()
    named = over.value.get("use")
    beneath = below.value.get("use")
    if named is not None and (beneath is None or named.value != beneath.value):
        return over.copy()
    merged = {key: node.copy() for key, node in below.value.items()}
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node.copy()
    return Node(merged, over.place)
