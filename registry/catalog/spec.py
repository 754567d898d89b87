"""A component seen from outside: what its factory's signature and docstring say, and nothing declared twice."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from .kinds import FACTS, SuppliedByRun


class _Required:
    def __repr__(self) -> str:
        return "required"


#: The default of a parameter that has none.
REQUIRED: Final = _Required()


class SpecError(TypeError):
    """A factory breaks the rules of a spec; the message names the rule and the fix."""


@dataclass(frozen=True)
class Parameter:
    """One argument that a recipe may give.

    Args:
        name: the keyword.
        type: the evaluated annotation, ``Annotated`` markers included.
        default: the default, or ``REQUIRED``.
        doc: its line in the docstring's ``Args:``.
    """

    name: str
    type: Any
    default: Any = REQUIRED
    doc: str = ""

    @property
    def supplied(self) -> bool:
        """Whether the run fills it in (``FromData``)."""
        return any(isinstance(mark, SuppliedByRun) for mark in annotations_of(self.type))

    @property
    def required(self) -> bool:
        """Whether a recipe must give it."""
        return self.default is REQUIRED and not self.supplied


#: What every network takes, whoever wrote it.
START: Final = Parameter(
    "weights", Path | None, None, "weights to start from: a run folder, or a file (.safetensors, .pt, .pth)."
)


@dataclass(frozen=True)
class ComponentSpec:
    """A component seen from outside.

    Args:
        factory: called with keyword arguments, makes the component.
        parameters: what the factory takes, in order.
        doc: the cleaned docstring.
        bound: arguments that are fixed already (a zoo's model name); never shown.
        details: further facts for ``describe``, computed when asked for.
        preflight: looks whether what the arguments ask for can be had (weights, files), before anything heavy is
            imported; raises ``InputError``.
        reserved: parameters that the framework serves for every component of the kind; the factory does not get them.
    """

    factory: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    doc: str = ""
    bound: Mapping[str, Any] = field(default_factory=dict)
    details: Callable[[], Mapping[str, str]] | None = None
    preflight: Callable[[Mapping[str, Any]], None] | None = None
    reserved: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.strip().partition("\n")[0]

    def guess(self, root: Path) -> Mapping[str, Any] | None:
        """The arguments with which this dataset would read a folder; None when it does not recognise it."""
        recognise: Guess | None = getattr(self.factory, _GUESS, None)
        return recognise(root) if recognise is not None else None

    @property
    def pack(self) -> Pack | None:
        """Writes another data set in this one's layout; None where the dataset only reads."""
        return getattr(self.factory, _PACK, None)

    def __call__(self, **arguments: Any) -> Any:
        return self.factory(**self.bound, **arguments)

    def reserving(self, *parameters: Parameter) -> ComponentSpec:
        """The spec with parameters that the framework serves, where the factory has no parameter of that name."""
        own = {parameter.name for parameter in self.parameters}
        added = [parameter for parameter in parameters if parameter.name not in own]
        return replace(self, parameters=(*self.parameters, *added), reserved=tuple(each.name for each in added))

    @classmethod
    def of(
        cls,
        factory: Callable[..., Any],
        *,
        bind: Mapping[str, Any] | None = None,
        details: Callable[[], Mapping[str, str]] | None = None,
        preflight: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> ComponentSpec:
        """Read a factory's signature and docstring.

        Args:
            factory: keyword-only, fully annotated, without ``**kwargs``.
            bind: arguments fixed now, hidden from recipes; these alone may be positional.
            details, preflight: see the class.

        Raises:
            SpecError: the factory breaks a rule; the message names the parameter.
        """
        bound = dict(bind or {})
        if not callable(factory):
            raise SpecError(f"the entry point names {type(factory).__name__} {factory!r}, which is not a function")
        doc = inspect.getdoc(factory) or ""
        lines = argument_lines(doc)
        parameters = tuple(
            _read(parameter, factory, lines.get(name, ""))
            for name, parameter in inspect.signature(factory).parameters.items()
            if name not in bound
        )
        return cls(factory, parameters, doc, bound, details, preflight or getattr(factory, _PREFLIGHT, None))


@dataclass(frozen=True)
class Zoo:
    """Many components behind one entry point, which is named ``PREFIX/*``.

    Args:
        names: the names without the prefix. Should not import the library; see ``registry.catalog.introspect``.
        spec: the spec of one name; called only for names that ``names`` gives.
        summary: one line for ``list``.
        holds: whether a name is among ``names``, where that is quicker to say than to list them all.
        example: a name that stands for the others where one is tried or shown, such as a small network; the first when
            None.
    """

    names: Callable[[], Iterable[str]]
    spec: Callable[[str], ComponentSpec]
    summary: str = ""
    holds: Callable[[str], bool] | None = None
    example: str | None = None


#: Looks at a folder: the arguments with which a dataset would read it, or None when it is not in its layout.
Guess = Callable[[Path], Mapping[str, Any] | None]
#: Looks whether what a component's arguments ask for is available; see ``ComponentSpec.preflight``.
Preflight = Callable[[Mapping[str, Any]], None]
#: Writes a data set: called with it, the folder, bytes of a shard, and what to call after each sample; returns facts.
Pack = Callable[[Any, Path, int, Callable[[], None]], Mapping[str, Any]]
_GUESS: Final = "hw1cli_guess"
_PACK: Final = "hw1cli_pack"
_PREFLIGHT: Final = "hw1cli_preflight"
F = TypeVar("F", bound=Callable[..., Any])


def guessed_by(guess: Guess) -> Callable[[F], F]:
    """Decorate a dataset's factory with what recognises its layout, for ``data inspect``."""
    return _decorator(_GUESS, guess)


def packed_by(pack: Pack) -> Callable[[F], F]:
    """Decorate a dataset's factory with what writes another data set in its layout, for ``data pack``."""
    return _decorator(_PACK, pack)


def preflighted_by(preflight: Preflight) -> Callable[[F], F]:
    """Decorate a factory with its preflight."""
    return _decorator(_PREFLIGHT, preflight)


def _decorator(name: str, function: Callable[..., Any]) -> Callable[[F], F]:
    def decorate(factory: F) -> F:
        setattr(factory, name, function)
        return factory

    return decorate


def annotations_of(annotation: Any) -> tuple[Any, ...]:
    """The markers of an ``Annotated`` annotation, outermost level only."""
    return tuple(annotation.__metadata__) if get_origin(annotation) is Annotated else ()


def bare(annotation: Any) -> Any:
    """The annotation without its ``Annotated`` markers."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _read(parameter: inspect.Parameter, factory: Callable[..., Any], doc: str) -> Parameter:
    name = parameter.name
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise SpecError(f"parameter {str(parameter)!r} must be keyword-only: put '*' before it, and no *args, **kwargs")
    if parameter.annotation is inspect.Parameter.empty:
        raise SpecError(f"parameter {name!r} has no type annotation, so a recipe's value cannot be checked")
    annotation = parameter.annotation
    if isinstance(annotation, str):
        # One at a time: a return type that exists only under TYPE_CHECKING must not spoil the rest.
        try:
            annotation = eval(annotation, getattr(factory, "__globals__", {}))
        except Exception as error:
            message = f"the annotation {annotation!r} of parameter {name!r} cannot be evaluated: {error}"
            raise SpecError(message) from error
    default = REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
    read = Parameter(name, annotation, default, doc)
    if read.supplied and name not in FACTS:
        known = ", ".join(FACTS)
        raise SpecError(f"parameter {name!r} is marked FromData, but a run supplies only: {known}")
    return read


_ENTRY = re.compile(r"^(\s*)\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


def argument_lines(doc: str) -> dict[str, str]:
    """Parameter name -> its text, from the ``Args:`` section of a Google-style docstring."""
    found: dict[str, str] = {}
    _, _, section = re.sub(r"(?m)^\s*(Args|Arguments|Parameters):\s*$", "\0", doc, count=1).partition("\0")
    current, indent = "", 0
    for line in filter(str.strip, section.splitlines()):
        depth = len(line) - len(line.lstrip())
        match = _ENTRY.match(line)
        indent = indent or depth
        if depth < indent:
            break
        if depth == indent and match:
            current = match[2]
            found[current] = match[3].strip()
        elif current:
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found
