"""A user's own files in a package: copied with the files of their folder that they import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from ..errors import InputError


def read(path: Path) -> tuple[str, ast.Module]:
    """A Python file's text and its tree.

    Raises:
        InputError: it cannot be read, or is not Python.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text, ast.parse(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("--from-file", f"{path} cannot be read: {error}") from error
    except SyntaxError as error:
        raise InputError.of("--from-file", f"{path}:{error.lineno} is not Python: {error.msg}") from error


def copied(path: Path, text: str, tree: ast.Module, notes: list[str]) -> Iterator[tuple[str, str]]:
    """The file, and the files of its folder that it imports, as modules of the package."""
    queue, seen = [(path, text, tree)], {path.stem}
    while queue:
        own, source, parsed = queue.pop(0)
        lines = source.splitlines(keepends=True)
        for node in ast.walk(parsed):
            siblings = [name for name in _imported(node) if (own.parent / f"{name}.py").is_file()]
            if siblings and _is_absolute(node):
                index = node.lineno - 1  # type: ignore[attr-defined]
                lines[index] = re.sub(r"^(\s*)from\s+", r"\1from .", lines[index])
                lines[index] = re.sub(r"^(\s*)import\s+", r"\1from . import ", lines[index])
                notes.append(
                    f"{own.name}:{index + 1} imports a file of its folder: in the package {lines[index].strip()!r}"
                )
            for name in siblings:
                if name not in seen:
                    seen.add(name)
                    other = own.parent / f"{name}.py"
                    queue.append((other, *read(other)))
        stem = own.stem if own.stem not in ("specs", "__init__") else "network"
        yield f"{stem}.py", "".join(lines)


def _imported(node: ast.AST) -> list[str]:
    """The first parts of the modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
    return [alias.name.partition(".")[0] for alias in node.names] if isinstance(node, ast.Import) else []


def _is_absolute(node: ast.AST) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0)


def requirements(tree: ast.Module, files: Mapping[str, str]) -> list[str]:
    """The distributions that the file's imports come from, besides hw1cli's own requirements."""
    owners = packages_distributions()
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        for name in _imported(node) if _is_absolute(node) else []:
            known = name in sys.stdlib_module_names or f"{name}.py" in files or name in ("registry", "torch", "numpy")
            if not known:
                found |= dict.fromkeys(owners.get(name, [name])[:1])
    return list(found)
