"""Recipe files read, each with the recipes that it extends below it."""

from __future__ import annotations

from pathlib import Path

from ..errors import Problem, nearest
from .convert import problem_at
from .overrides import merge
from .yaml import BROKEN, LARGEST, Node, parse, too_large


class Reader:
    """Recipe files with their bases below them, each file read once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self._trees: dict[Path, Node | None] = {}

    def read(self, path: Path, named_at: Node | None = None, chain: tuple[Path, ...] = ()) -> Node | None:
        """The tree of a file; None, with a problem appended, where there is none.

        Args:
            path: the file.
            named_at: the node of an ``extends:`` that names it.
            chain: the files that extend it, each by way of the one before.
        """
        text = _text_of(path)
        if isinstance(text, Problem):
            if named_at is not None:
                text = problem_at(named_at, "extends", f"{text.path}: {text.message}", text.hint)
            self.problems.append(text)
            return None
        identity = path.resolve()
        if named_at is not None and identity in chain:
            hint = "remove one of the two"
            self.problems.append(problem_at(named_at, "extends", f"{named_at.value!r} extends this file in turn", hint))
            return None
        if identity not in self._trees:
            root, found = parse(text, str(path))
            self.problems += found
            self._trees[identity] = root and self._extended(root, path, (*chain, identity))
        return self._trees[identity]

    def _extended(self, root: Node, path: Path, chain: tuple[Path, ...]) -> Node:
        """A file's tree merged onto its bases, a later base onto an earlier one."""
        below: Node | None = None
        for name in self._base_names(root.value.pop("extends", None)):
            base = self.read(path.parent / str(name.value), name, chain)
            if base is not None:
                below = base if below is None else merge(below, base)
        return root if below is None else merge(below, root)

    def _base_names(self, extends: Node | None) -> list[Node]:
        if extends is None:
            return []
        items = extends.value if isinstance(extends.value, list) else [extends]
        names = [item for item in items if isinstance(item.value, str) and item.value]
        if any(item not in names and item.value is not BROKEN for item in items):
            message = "expected the name of a recipe, or a list of names"
            self.problems.append(problem_at(extends, "extends", message, "extends: base.yaml"))
        return names


def _text_of(path: Path) -> str | Problem:
    """A file's text, or why there is none."""
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
        return Problem(str(path), "is not there", _recipes_near(path, path.parent))
    except OSError as error:
        return Problem(str(path), f"cannot be read: {error.strerror or error}")
    except ValueError as error:  # a name that no file can have
        return Problem(repr(str(path)), f"cannot be read: {error}")


def _recipes_near(path: Path, folder: Path) -> str | None:
    there = {file.stem: str(file) for file in sorted(folder.glob("*.yaml"))}
    # Compared by stem alone: a common folder and ending would make every recipe similar.
    near = nearest(path.stem, there)
    if near:
        return f"did you mean {' or '.join(repr(there[stem]) for stem in near)}?"
    return f"recipes there: {', '.join(list(there.values())[:8])}" if there else None
