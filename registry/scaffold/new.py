"""``plugin new``: a complete plugin in a folder of its own, ready to be installed."""

from __future__ import annotations

import ast
import json
import keyword
import re
import sys
from collections.abc import Mapping
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
    distribution, package = _names_from(name, kind)
    folder = out or Path(distribution)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.of(str(folder), "exists already", "choose another NAME, or another folder with --out")
    wrapped = wrap(source, kind, package) if source is not None else None
    names = {"distribution": distribution, "package": package, "component": package}
    files = _files(names, kind, wrapped)
    try:
        with atomic_folder(folder) as partial:
            for name, text in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError.of(str(folder), f"cannot be written: {error}", "name another folder with --out") from error
    notes = wrapped.notes if wrapped else []
    return {"folder": str(folder), "files": sorted(files), **names, "kind": kind.name, "notes": notes}


def _names_from(name: str, kind: Kind) -> tuple[str, str]:
    """The names of a plugin for pip and for import, from the one that the user gave.

    Raises:
        InputError: it is not a name for a distribution, a package and a component.
    """
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        proposal = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "my-net"
        message = f"{name!r} is not a name for a package, which has letters, digits, '-', '_' and '.'"
        raise InputError.of("NAME", message, f"such as {proposal}")
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
    return distribution, package


def _files(names: Mapping[str, str], kind: Kind, wrapped: Wrapped | None) -> dict[str, str]:
    """Path in the folder -> text."""
    own, common, package, component = (
        _TEMPLATES / kind.singular,
        _TEMPLATES / "common",
        names["package"],
        names["component"],
    )
    values = {**names, "singular": kind.singular, "plural": kind.name, "contract": kind.contract}
    values |= {"api": shown(API_VERSION), "Class": "".join(part.capitalize() for part in package.split("_") if part)}
    if wrapped is None:
        texts = {path.name.removesuffix(".tmpl"): _filled(path, values) for path in sorted(own.glob("*.py.tmpl"))}
        modules = next(name.removesuffix(".py") for name in reversed(texts) if name != "specs.py")
        values |= {"note": "", "dependencies": '"hw1cli"', "mypy": "", "modules": modules}
    else:
        template = _TEMPLATES / "from_file" / "specs.py.tmpl"
        texts = {**wrapped.files, "specs.py": _filled(template, {**values, **wrapped.spec})}
        untyped = json.dumps([f"{package}.{name.removesuffix('.py')}" for name in wrapped.files])
        values["mypy"] = (
            f'untyped_calls_exclude = ["{package}"]\n\n# Your own files, as they are.\n'
            f"[[tool.mypy.overrides]]\nmodule = {untyped}\nignore_errors = true\n"
        )
        values |= {"note": f"\n{wrapped.about}\n", "modules": wrapped.spec["module"]}
        values["dependencies"] = ", ".join(json.dumps(each) for each in wrapped.dependencies)
    # The report pca refuses a model without features(x), which a user's own class need not have.
    values["reports"] = "curves, confusion_matrix, pca" if wrapped is None else "curves, confusion_matrix"
    functions = [node for node in ast.parse(texts["specs.py"]).body if isinstance(node, ast.FunctionDef)]
    docs = {node.name: ast.get_docstring(node) or "" for node in functions}
    summary = docs[component].partition("\n")[0]
    values |= {"summary": summary, "description": json.dumps(f"{summary} For hw1cli.", ensure_ascii=False)}
    values["entry_points"] = "\n\n".join(
        # The function of a second kind has another name; its name in a recipe is the same.
        f'[project.entry-points."{KINDS[each].group}"]\n'
        f'{component} = "{package}.specs:{component}{"" if each == kind.name else f"_{KINDS[each].singular}"}"'
        for each in _TOGETHER.get(kind.name, (kind.name,))
    )
    texts |= {"__init__.py": f'"""{summary} For hw1cli."""\n', "py.typed": ""}
    files = {f"src/{package}/{name}": text for name, text in texts.items()}
    files[f"recipes/{component}.yaml"] = _filled(own / "recipe.yaml.tmpl", values)
    for path in sorted(common.rglob("*.tmpl")):
        name = str(path.relative_to(common)).removesuffix(".tmpl")
        files[".gitignore" if name == "gitignore" else name] = _filled(path, values)
    return files


def _filled(path: Path, values: Mapping[str, str]) -> str:
    return Template(path.read_text(encoding="utf-8")).substitute(values)
