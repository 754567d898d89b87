"""``plugin new``: a complete plugin in a folder of its own, ready to be installed."""

from __future__ import annotations

import ast
import json
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from ..catalog import policy
from ..catalog.introspect import locate
from ..catalog.kinds import KINDS, Kind, kind_named
from ..catalog.policy import API_VERSION, normalized, shown
from ..catalog.registry import Registry, article
from ..errors import InputError, did_you_mean
from ..files import atomic_folder
from .from_class import Wrapped, wrap

_TEMPLATES: Final = Path(__file__).parent / "template"
#: Kinds whose package brings a second component, without which the first could not be tried: kind -> kinds.
_TOGETHER: Final = {"datasets": ("datasets", "generators")}


@dataclass(frozen=True)
class Names:
    """What a plugin is called.

    Args:
        distribution: for pip.
        package: for import.
        component: in a recipe.
    """

    distribution: str
    package: str
    component: str


def new_plugin(name: str, kind_word: str, *, source: str | None = None, out: Path | None = None) -> dict[str, Any]:
    """Write a package that offers one component.

    Args:
        name: the distribution's name; the package and the component are called after it.
        kind_word: a kind, in the singular or plural.
        source: ``FILE:CLASS``, a torch class to wrap; None for the kind's example.
        out: the folder to write; ``./NAME`` when None.

    Returns:
        ``folder``, ``files``, ``distribution``, ``package``, ``component``, ``kind``, ``notes``.

    Raises:
        InputError: the name cannot be used, the folder is there, or the class cannot be wrapped; nothing was written.
    """
    kind = kind_named(kind_word)
    if kind is None:
        singulars = [each.singular for each in KINDS.values()]
        hint = did_you_mean(kind_word, singulars, f"kinds: {', '.join(singulars)}")
        raise InputError.of("--kind", f"there is no kind {kind_word!r}", hint)
    names = names_from(name, kind)
    folder = out or Path(names.distribution)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.of(str(folder), "exists already", "choose another NAME, or another folder with --out")
    wrapped = wrap(source, kind, names.component) if source is not None else None
    files = _files(names, kind, wrapped)
    _write(folder, files)
    return {
        "folder": str(folder),
        "files": sorted(files),
        **vars(names),
        "kind": kind.name,
        "notes": wrapped.notes if wrapped else [],
    }


def names_from(name: str, kind: Kind) -> Names:
    """The names of a plugin, from the one that the user gave.

    Raises:
        InputError: it is not a name for a distribution, a package and a component.
    """
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        proposal = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "my-net"
        raise InputError.of(
            "NAME",
            f"{name!r} is not a name for a package, which has letters, digits, '-', '_' and '.'",
            f"such as {proposal}",
        )
    distribution = normalized(name)
    package = distribution.replace("-", "_")
    other = f"such as {distribution}-2" if distribution.startswith("my-") else f"such as my-{distribution}"
    if not package.isidentifier() or keyword.iskeyword(package):
        raise InputError.of("NAME", f"{package!r} cannot be imported in Python", other)
    if package in sys.stdlib_module_names or locate(package) is not None:
        owner = "Python itself" if package in sys.stdlib_module_names else "a package that is installed"
        raise InputError.of("NAME", f"{package!r} is the name of {owner}, and one would hide the other", other)
    registry = Registry()
    for each in _TOGETHER.get(kind.name, (kind.name,)):
        taken = [c for c in registry.components(each) if c.name == package]
        if taken or policy.resolve(each, package) != package:
            owner = taken[0].distribution if taken else "hw1cli"
            singular = KINDS[each].singular
            raise InputError.of("NAME", f"{owner} offers {article(singular)} {package!r} already", other)
    return Names(distribution, package, package)


def _files(names: Names, kind: Kind, wrapped: Wrapped | None) -> dict[str, str]:
    """Path in the folder -> text."""
    own = _TEMPLATES / kind.singular
    package = f"src/{names.package}"
    values = {
        **vars(names),
        "use": names.component,
        "api": shown(API_VERSION),
        "note": "",
        "dependencies": '"hw1cli"',
        "mypy": "",
    }
    values |= {"singular": kind.singular, "plural": kind.name, "contract": kind.contract}
    values["Class"] = "".join(part.capitalize() for part in names.package.split("_") if part)
    # The report pca refuses a model without features(x), which a user's own class need not have.
    values["reports"] = "curves, confusion_matrix, pca" if wrapped is None else "curves, confusion_matrix"
    if wrapped is not None:
        files = {f"{package}/{name}": text for name, text in wrapped.files.items()}
        files[f"{package}/specs.py"] = _filled(_TEMPLATES / "from_file" / "specs.py.tmpl", {**values, **wrapped.spec})
        values["modules"], values["note"] = wrapped.spec["module"], f"\n{wrapped.about}\n"
        modules = json.dumps([f"{names.package}.{name.removesuffix('.py')}" for name in wrapped.files])
        values["mypy"] = (
            f'untyped_calls_exclude = ["{names.package}"]\n\n# Your own files, as they are.\n'
            f"[[tool.mypy.overrides]]\nmodule = {modules}\nignore_errors = true\n"
        )
        values["dependencies"] = ", ".join(json.dumps(each) for each in wrapped.dependencies)
    else:
        sources = {path.name.removesuffix(".tmpl"): path for path in sorted(own.glob("*.py.tmpl"))}
        files = {f"{package}/{name}": _filled(path, values) for name, path in sources.items()}
        values["modules"] = next(name.removesuffix(".py") for name in reversed(sources) if name != "specs.py")
    summary = _summary(files[f"{package}/specs.py"], names.component)
    values |= {"summary": summary, "description": json.dumps(f"{summary} For hw1cli.", ensure_ascii=False)}
    together = _TOGETHER.get(kind.name, (kind.name,))
    values["entry_points"] = "\n\n".join(_entry_point(each, kind, names) for each in together)
    files |= {f"{package}/__init__.py": f'"""{summary} For hw1cli."""\n', f"{package}/py.typed": ""}
    files[f"recipes/{names.component}.yaml"] = _filled(own / "recipe.yaml.tmpl", values)
    common = _TEMPLATES / "common"
    for path in sorted(common.rglob("*.tmpl")):
        name = str(path.relative_to(common)).removesuffix(".tmpl")
        files[".gitignore" if name == "gitignore" else name] = _filled(path, values)
    return files


def _entry_point(each: str, kind: Kind, names: Names) -> str:
    """The entry point of a kind; of a second one the function has another name, its name in a recipe is the same."""
    function = names.component if each == kind.name else f"{names.component}_{KINDS[each].singular}"
    return f'[project.entry-points."{KINDS[each].group}"]\n{names.component} = "{names.package}.specs:{function}"'


def _filled(path: Path, values: Mapping[str, str]) -> str:
    return Template(path.read_text(encoding="utf-8")).substitute(values)


def _summary(spec: str, component: str) -> str:
    functions = [node for node in ast.parse(spec).body if isinstance(node, ast.FunctionDef)]
    doc = next((ast.get_docstring(node) or "" for node in functions if node.name == component), "")
    return doc.partition("\n")[0]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files, whole or not at all."""
    try:
        with atomic_folder(folder) as partial:
            for name, text in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError.of(str(folder), f"cannot be written: {error}", "name another folder with --out") from error
