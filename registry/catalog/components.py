"""One name that a recipe can use, loaded only when its spec is asked for."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any

from ..errors import PluginError
from .kinds import KINDS, NETWORKS
from .spec import START, ComponentSpec, Zoo


@dataclass(frozen=True)
class Component:
    """A name that a recipe can use, and who offers it.

    Args:
        kind: plural kind.
        name: as a recipe writes it (``focal``, ``timm/resnet50``; ``timm/*`` for a zoo as a whole).
        distribution: the installed distribution that offers it.
        version: the distribution's version.
        target: ``module:object`` of the entry point.
        member: the name inside the zoo, for one that came out of a zoo.
    """

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    entry_point: EntryPoint
    member: str | None = None

    @property
    def is_zoo(self) -> bool:
        return self.name.endswith("/*")

    @property
    def prefix(self) -> str:
        """What the names of a zoo begin with; the whole name of any other component."""
        return self.name.removesuffix("*")

    @property
    def source(self) -> str:
        """How messages call it."""
        return f"{KINDS[self.kind].singular} {self.name!r} of {self.distribution} {self.version} ({self.target})"

    @property
    def summary(self) -> str:
        """First line of the docstring, read from the source text: nothing is imported."""
        from .introspect import summary_of

        return summary_of(self.target)

    def load(self) -> Any:
        """Import what the entry point names; what the import prints goes to standard error.

        Raises:
            PluginError: the import fails, whatever it raises.
        """
        printed: list[str] = []
        try:
            with self._blamed("it cannot be imported"), captured_output(printed):
                return self.entry_point.load()
        finally:
            if printed:
                _PRINTED[self.target.partition(":")[0]] = printed[0]
                sys.stderr.write(printed[0])

    def spec(self) -> ComponentSpec:
        """Load the component spec.

        Raises:
            PluginError: the plugin's module or spec is broken.
        """
        loaded = self.load()
        try:
            if self.member is not None:
                spec: ComponentSpec = loaded.spec(self.member)
            else:
                spec = loaded if isinstance(loaded, ComponentSpec) else ComponentSpec.of(loaded)
            return spec.reserving(START) if self.kind in NETWORKS else spec
        except Exception as error:
            raise PluginError(self.source, f"its spec is wrong: {error}") from error

    # --- of a zoo -----------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The full names that a zoo offers, sorted.

        Raises:
            PluginError: the zoo is broken.
        """
        zoo = self._zoo()
        with self._blamed("it cannot list its names"):
            return sorted(self.prefix + name for name in zoo.names())

    @property
    def example(self) -> str:
        """The full name that stands for all that a zoo offers.

        Raises:
            PluginError: the zoo is broken, or offers nothing.
        """
        named, names = self._zoo().example, self.names()
        example = self.prefix + named if named else next(iter(names), None)
        if example not in names:
            reason = f"its example {named!r} is not one of its names" if named else "it offers no names"
            raise PluginError(self.source, reason)
        return example

    def holds(self, name: str) -> bool:
        """Whether a zoo offers the full name.

        Raises:
            PluginError: the zoo is broken.
        """
        zoo = self._zoo()
        if not name.startswith(self.prefix) or zoo.holds is None:
            return name in self.names()
        with self._blamed("it cannot look up a name"):
            return zoo.holds(name.removeprefix(self.prefix))

    def named(self, name: str) -> Component:
        """The component of a full name that a zoo offers."""
        return replace(self, name=name, member=name.removeprefix(self.prefix))

    def _zoo(self) -> Zoo:
        zoo = self.load()
        if not isinstance(zoo, Zoo):
            raise PluginError(self.source, f"is named like a zoo, but its target is {type(zoo).__name__}, not a Zoo")
        return zoo

    # --- what is wrong with it ----------------------------------------------------------------

    @contextlib.contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        """Whatever its code raises as a ``PluginError`` that names it."""
        try:
            yield
        except (Exception, SystemExit) as error:
            text = " ".join([f"{type(error).__name__}:", *str(error).split()]).removesuffix(":")
            raise PluginError(self.source, f"{what}: {text}") from error

    def fault(self) -> str | None:
        """Why it is broken, after loading it; None when it is sound."""
        try:
            if self.is_zoo:
                self.names()
            else:
                self.spec()
        except PluginError as error:
            return error.reason
        printed = _PRINTED.get(self.target.partition(":")[0], "").strip()
        return f"it prints when it is imported: {printed.splitlines()[0][:60]!r}" if printed else None


#: What modules printed when they were imported, by module.
_PRINTED: dict[str, str] = {}


@contextlib.contextmanager
def captured_output(printed: list[str]) -> Iterator[None]:
    """Keep what is written to standard output meanwhile, by Python or below it, and append it to the list."""
    with contextlib.redirect_stdout(io.StringIO()) as printed_text, tempfile.TemporaryFile() as file:
        sys.__stdout__.flush() if sys.__stdout__ else None
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            text = printed_text.getvalue() + file.read().decode(errors="replace")
            if text:
                printed.append(text)
