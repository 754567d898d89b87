"""A recipe file with everything applied: what it extends, its demo, the command line, its references."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import Problem
from . import overrides, references, study
from .convert import problem_at
from .overrides import merge
from .read import Reader
from .study import Member
from .yaml import BROKEN, Node, Place


@dataclass(frozen=True)
class Recipe:
    """A recipe with everything applied.

    Args:
        path: its file.
        root: the tree with everything applied; the keys ``extends`` and ``demo`` are gone. ``BROKEN`` where the file
            could not be read.
        problems: everything that was wrong on the way.
        demo: whether the demo's changes were asked for.
        has_demo: whether it has a demo.
        touched: dotted paths that the command line named.
        title: what the run is called beside the recipe's name: a study's member.
        is_study: whether it has several runs.
        members: these, each after those that it needs; none where the study itself is faulty.
    """

    path: Path
    root: Node
    problems: list[Problem] = field(default_factory=list)
    demo: bool = False
    has_demo: bool = False
    touched: frozenset[str] = frozenset()
    title: str = ""
    is_study: bool = False
    members: tuple[tuple[Member, Recipe], ...] = ()

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.path.stem}, {self.title}" if self.title else self.path.stem

    @classmethod
    def of(cls, root: Node) -> Recipe:
        """A recipe without a file."""
        return cls(Path("recipe"), root)


def load(
    path: str | Path,
    *,
    sets: Sequence[str] = (),
    unsets: Sequence[str] = (),
    demo: bool = False,
    folder: Path | None = None,
) -> Recipe:
    """Read a recipe: the file, what it extends, the demo if asked for, the command line, its runs, then references.

    Nothing is raised for a user's mistake: see ``Recipe.problems``.

    Args:
        path: the recipe file.
        sets, unsets: ``--set`` and ``--unset`` options.
        demo: whether the demo was asked for.
        folder: where a study's runs will be; ``runs/<recipe>/study`` or ``.../demo`` when None.
    """
    path, problems = Path(path), list[Problem]()
    reader = Reader(problems)
    root = reader.read(path)
    touched = overrides.keys_named(sets, unsets)
    if root is None:  # nothing else can be checked
        return Recipe(path, Node(BROKEN, Place(str(path), None)), problems, demo, touched=touched)
    overlay = root.value.pop("demo", None)
    has_demo = overlay is not None and overlay.value is not None
    if demo:
        root = _with_demo(root, overlay, path, problems)
    overrides.apply(root, sets, unsets, problems)
    _refuse_late(root, problems)

    def read_base(named_at: Node) -> Node | None:
        return reader.read(path.parent / str(named_at.value), named_at, (path.resolve(),))

    folder = folder or Path("runs") / path.stem / ("demo" if demo else "study")
    members = study.expand(root, folder, read_base, problems)
    for tree in [root] if members is None else [member.root for member in members]:
        references.resolve(tree, problems)
    runs = tuple(
        (each, Recipe(path, each.root, problems, demo, has_demo, touched, each.name)) for each in members or ()
    )
    return Recipe(path, root, problems, demo, has_demo, touched, "", members is not None, runs)


def _with_demo(root: Node, overlay: Node | None, path: Path, problems: list[Problem]) -> Node:
    if overlay is None or overlay.value is None:
        problems.append(Problem("--demo", "this recipe has no demo", "add a 'demo:' section", None, str(path)))
    elif isinstance(overlay.value, dict):
        # A section that is missing is reported at the recipe, not at its demo.
        return replace(merge(root, overlay), place=root.place)
    elif overlay.value is not BROKEN:
        problems.append(problem_at(overlay, "demo", "is not a mapping", "demo: {trainer: {epochs: 1}}"))
    return root


def _refuse_late(root: Node, problems: list[Problem]) -> None:
    """``extends`` and ``demo`` are applied already: neither the command line nor the demo can change them."""
    for key in ("extends", "demo"):
        if key in root.value:
            hint = "change the sections themselves, such as trainer.epochs"
            problems.append(problem_at(root.value.pop(key), key, "cannot be changed from here", hint))


def missing_root(recipe: Recipe) -> Problem | None:
    """The problem of a data set's root that does not exist; None where it does, and where the data will be made."""
    sections = recipe.root.value if isinstance(recipe.root.value, dict) else {}
    data = sections.get("data")
    node = data.value.get("root") if data is not None and isinstance(data.value, dict) else None
    if node is None or not isinstance(node.value, str) or "make" in sections:
        return None
    if os.path.exists(Path(node.value).expanduser()):  # noqa: PTH110 - False, too, for a name too long for a file
        return None
    hint = "unpack the data there, or name the folder: --set data.root=FOLDER"
    if recipe.has_demo:
        hint += ", or try the recipe on data made on the spot: --demo"
    return problem_at(node, "data.root", f"there is no folder {node.value!r}", hint)
