"""A recipe file with everything applied: what it extends, its demo, the command line, its runs, its references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Problem, nearest
from . import overrides, references, search, study
from .grammar import STUDY_SECTIONS
from .overrides import merge
from .search import Space
from .shipped import located, shipped
from .study import folds
from .yaml import BROKEN, LARGEST, Location, Node, parse, too_large


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
        is_study: whether it has several runs.
        members: these, each after those that it needs; none where the study itself is faulty.
        title: of a study's member: what it is called beside the recipe's name, and its folder in the study's.
        setting: the title without seed and fold: what is repeated.
        needs: the titles of the members whose folders it names.
        page: of a study: the sections of its page, unchecked.
        spaces: its search spaces by their paths; ``root`` has the default values in their places.
        searched: the tree with them, references not resolved.
        sweep: the settings of a sweep, unchecked.
    """

    path: Path
    root: Node
    problems: list[Problem] = field(default_factory=list)
    demo: bool = False
    has_demo: bool = False
    touched: frozenset[str] = frozenset()
    is_study: bool = False
    members: tuple[Recipe, ...] = ()
    title: str = ""
    setting: str = ""
    needs: tuple[str, ...] = ()
    page: Node | None = None
    spaces: Mapping[str, Space] = field(default_factory=dict)
    searched: Node | None = None
    sweep: Node | None = None

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.path.stem}, {self.title}" if self.title else self.path.stem

    def with_values(self, value_of: Callable[[Space], Any]) -> Recipe:
        """The recipe with other values in its search spaces, see ``search.filled``."""
        root, problems = search.filled(self.searched or self.root, self.spaces, value_of), list[Problem]()
        references.resolve(root, problems)
        return replace(self, root=root, problems=problems, spaces={}, searched=None)

    def at_ends(self) -> list[Recipe]:
        """The recipe with each end and each option of each search space, the others at their defaults."""
        chosen = [{**space.within, space.path: end} for space in self.spaces.values() for end in space.ends]
        return [self.with_values(lambda space, at=at: at.get(space.path, space.default)) for at in chosen]  # type: ignore[misc]

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
    files: Files | None = None,
) -> Recipe:
    """Read a recipe: the file, what it extends, the demo if asked for, the command line, its runs, then references.

    Nothing is raised for a user's mistake: see ``Recipe.problems``.

    Args:
        path: the recipe file, or the name of a shipped one.
        sets, unsets: ``--set`` and ``--unset`` options.
        demo: whether the demo was asked for.
        folder: where a study's runs will be; ``runs/<recipe>/study`` or ``.../demo`` when None.
        files: those read already, where a recipe is loaded with its demo and without.
    """
    path, problems, files = located(Path(path)), list[Problem](), files or Files()
    tree = files.read(path)
    if tree is None:  # nothing else can be checked
        return Recipe(path, Node(BROKEN, Location(str(path), None)), files.problems, demo)
    root = tree.copy()
    overlay = root.value.pop("demo", None)
    has_demo = overlay is not None and overlay.value is not None
    if demo and not has_demo:
        problems.append(Problem("--demo", "this recipe has no demo", "add a 'demo:' section", None, str(path)))
    elif demo and isinstance(overlay.value, dict):
        # A section that is missing is reported at the recipe, not at its demo.
        root = replace(merge(root, overlay), location=root.location)
    elif demo and overlay.value is not BROKEN:
        problems.append(overlay.problem("demo", "is not a mapping", "demo: {trainer: {epochs: 1}}"))
    touched = overrides.apply(root, sets, unsets, problems)
    for key in ("extends", "demo"):  # applied above already
        if key in root.value:
            hint = "change the sections themselves, such as trainer.epochs"
            problems.append(root.value.pop(key).problem(key, "cannot be changed from here", hint))
    sections = {
        name: node for name in STUDY_SECTIONS if (node := root.value.pop(name, None)) and node.value is not None
    }
    members, page, sweep = [], sections.pop("page", None), sections.pop("sweep", None)
    several = [*sections, *["split.folds"][: len(folds.axis(root))]]
    if page is not None and not several:
        problems.append(page.problem("page", "is of a study", "add 'runs:', 'matrix:' or 'repeat:'"))
    spaces, searched = search.spaces_of(Node({**root.value, **sections}, root.location), problems), root
    if spaces and several:
        named = " and ".join(several)
        first, sections = next(iter(spaces.values())), {}
        message = f"a recipe with {named} has several runs, and a search is for one"
        problems.append(first.node.problem(first.path, message, f"remove {named}, or give a value"))
    if searching := any(search.is_space(node) for _, node in root.walk()):
        root = search.filled(root, spaces, lambda space: space.default)
    is_study = bool(sections or folds.axis(root))
    if is_study:
        bases = files.bases_of_runs(sections.get("runs"), path, demo=demo)
        folder = folder or Path("runs") / path.stem / ("demo" if demo else "study")
        members = study.expand(root, sections, bases, folder, problems)
    for each in [member.root for member in members] if is_study else [root]:
        references.resolve(each, problems)
    recipe = Recipe(path, root, [*files.problems, *problems], demo, has_demo, touched, is_study, page=page)
    recipe = replace(recipe, spaces=spaces, searched=searched if searching else None, sweep=sweep)
    runs = (
        replace(recipe, root=m.root, is_study=False, title=m.name, setting=m.setting, needs=m.needs) for m in members
    )
    return replace(recipe, members=tuple(runs))


@dataclass
class Files:
    """Recipe files with the recipes that they extend below them, each file read once."""

    problems: list[Problem] = field(default_factory=list)
    trees: dict[Path, Node | None] = field(default_factory=dict)

    def read(self, path: Path, named_at: Node | None = None, chain: tuple[Path, ...] = ()) -> Node | None:
        """The tree of a file; None, with a problem appended, where it cannot be read.

        Args:
            path: the file.
            named_at: the node of an ``extends:`` that names it.
            chain: the files that extend it, each by way of the one before.
        """
        text = _text_of(path)
        if isinstance(text, Problem):
            if named_at is not None:
                text = named_at.problem("extends", f"{text.path}: {text.message}", text.hint)
            self.problems.append(text)
            return None
        identity = path.resolve()
        if named_at is not None and identity in chain:
            hint = "remove one of the two"
            self.problems.append(named_at.problem("extends", f"{named_at.value!r} extends this file in turn", hint))
            return None
        if identity not in self.trees:
            root, found = parse(text, str(path))
            self.problems += found
            if root is not None and (extends := root.value.pop("extends", None)) is not None:
                base = self._base(extends, path, (*chain, identity))
                root = root if base is None else merge(base, root)
            self.trees[identity] = root
        return self.trees[identity]

    def bases_of_runs(self, runs: Node | None, path: Path, *, demo: bool) -> dict[str, Node | None]:
        """The recipes that a study's runs extend, by the runs' names; the key ``extends`` is removed from these.

        Args:
            runs: the study's section.
            path: the study's file.
            demo: whether the recipes' own demos are applied to them.
        """
        entries = runs.value.items() if runs is not None and isinstance(runs.value, dict) else ()
        with_base = [
            (name, run.value) for name, run in entries if isinstance(run.value, dict) and "extends" in run.value
        ]
        bases = {name: self._base(changes.pop("extends"), path, (path.resolve(),)) for name, changes in with_base}
        for name, base in bases.items() if demo else ():
            if base is not None and (overlay := base.get("demo")) is not None and isinstance(overlay.value, dict):
                bases[name] = merge(base, overlay)
        return bases

    def _base(self, extends: Node, path: Path, chain: tuple[Path, ...]) -> Node | None:
        """The recipes that an ``extends:`` in the file at ``path`` names, a later one merged onto an earlier one."""
        items = extends.value if isinstance(extends.value, list) else [extends]
        names = [item for item in items if isinstance(item.value, str) and item.value]
        if any(item not in names and item.value is not BROKEN for item in items):
            message = "expected the name of a recipe, or a list of names"
            self.problems.append(extends.problem("extends", message, "extends: base.yaml"))
        below: Node | None = None
        for name in names:
            base = self.read(path.parent / str(name.value), name, chain)
            if base is not None:
                below = base if below is None else merge(below, base)
        return below


def _text_of(path: Path) -> str | Problem:
    """A file's text, or why it cannot be read."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # reading a FIFO would wait for ever
            return Problem(str(path), "is not a regular file", "name a YAML file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        return content.decode("utf-8") if len(content) <= LARGEST else too_large(str(path))
    except UnicodeDecodeError:
        return Problem(str(path), "is not UTF-8 text", "save it as UTF-8")
    except IsADirectoryError:
        return Problem(str(path), "is a directory, expected a recipe file", _recipes_near(path, path))
    except FileNotFoundError:
        return Problem(str(path), "does not exist", _recipes_near(path, path.parent))
    except OSError as error:
        return Problem(str(path), f"cannot be read: {error.strerror or error}")
    except ValueError as error:  # a name that no file can have
        return Problem(repr(str(path)), f"cannot be read: {error}")


def _recipes_near(path: Path, folder: Path) -> str | None:
    there = {file.stem: str(file) for file in sorted(folder.glob("*.yaml"))}
    if len(path.parts) == 1 and not path.is_dir():  # it may be meant as the name of a shipped recipe
        there = {name: name for name in shipped()} | there
    # Compared by stem alone: a common folder and ending would make every recipe similar.
    near = nearest(path.stem, there)
    if near:
        return f"did you mean {' or '.join(repr(there[stem]) for stem in near)}?"
    return f"recipes there: {', '.join(list(there.values())[:8])}" if there else None
