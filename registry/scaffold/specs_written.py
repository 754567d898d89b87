"""The spec of a user's own torch class, written as Python."""

from __future__ import annotations

import ast
import json
import re
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from ..catalog.kinds import Kind
from ..catalog.registry import article


@dataclass(frozen=True)
class Argument:
    """A parameter of the constructor, as the spec will have it."""

    name: str
    own: str  # what the constructor calls it
    annotation: str
    default: str | None
    doc: str
    convert: str = "{}"

    @property
    def line(self) -> str:
        return f"    {self.name}: {self.annotation}{'' if self.default is None else f' = {self.default}'},"


def window_of(
    component: str, node: ast.ClassDef, arguments: list[Argument], kind: Kind, modules: str, maps: bool, package: str
) -> str:
    doc = (ast.get_docstring(node) or "").partition("\n")[0].strip().replace("\\", "/").replace('"""', "'''")
    summary = doc if 0 < len(doc) <= 100 else f"{node.name}, {article(kind.singular)}."
    ordered = sorted(arguments, key=lambda each: each.default is not None)
    names = {"FromData" for each in ordered if each.annotation.startswith("FromData")}
    every = " ".join(each.annotation for each in ordered)
    typing = ["TYPE_CHECKING", *(word for word in ("Any", "Literal") if re.search(rf"\b{word}\b", every))]
    lines = [
        f'"""What {package.replace("_", "-")} offers: signatures and docstrings, which are all that a recipe sees."""',
        "",
        "from __future__ import annotations",
        "",
        f"from typing import {', '.join(sorted(typing, key=lambda word: (not word.isupper(), word)))}",
        "",
        *([f"from registry import {', '.join(sorted(names))}", ""] if names else []),
        "if TYPE_CHECKING:",
        "    from torch import nn",
        "",
        "",
        f"def {component}(",
        *(["    *,", *(each.line for each in ordered)] if ordered else []),
        ") -> nn.Module:",
        f'    """{summary}',
    ]
    if not ordered:
        lines[-3:] = [f"def {component}() -> nn.Module:", f'    """{summary}']
    if ordered:
        lines += ["", "    Args:"]
        lines += [f"        {each.name}: {_line(each.doc)}" for each in ordered]
        lines += ['    """']
    else:
        lines[-1] += '"""'
    if maps:
        lines += ["    from registry.engine import as_backbone", ""]
    lines += [f"    from .{modules} import {node.name}", ""]
    call = [f"{each.own}={each.convert.format(each.name)}" for each in ordered]
    made = f"    network: nn.Module = {node.name}({', '.join(call)})"
    inner = [f"        {each}," for each in call]
    lines += [made] if len(made) <= 120 else [f"    network: nn.Module = {node.name}(", *inner, "    )"]
    given = ", in_channels" if any(each.name == "in_channels" for each in ordered) else ""
    return "\n".join([*lines, f"    return as_backbone(network{given})" if maps else "    return network", ""])


def _line(doc: str) -> str:
    return " ".join(doc.split()).replace("\\", "/").replace('"""', "'''")[:100]


def source_of(annotation: Any) -> str:
    """A type as it is written in Python."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "Any"
    if annotation in (None, type(None)):
        return "None"
    if origin is Literal:
        return f"Literal[{', '.join(quoted(repr(each)) or '' for each in inner)}]"
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(source_of(each) for each in inner))
    if inner:
        return f"{origin.__name__}[{', '.join('...' if each is ... else source_of(each) for each in inner)}]"
    return str(getattr(annotation, "__name__", annotation))


def quoted(text: str | None) -> str | None:
    """A text in double quotes, as formatters want it."""
    return json.dumps(ast.literal_eval(text), ensure_ascii=False) if text is not None and text[:1] == "'" else text
