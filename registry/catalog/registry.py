"""Entry points -> components, looked up by name."""

from __future__ import annotations

import contextlib
import fnmatch
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib.metadata import EntryPoint

from ..errors import PluginError, did_you_mean
from . import policy
from .components import Component
from .kinds import KINDS
from .policy import Refusal


class UnknownName(Exception):
    """No component of the kind has this name, or (``ambiguous``) more than one has."""

    def __init__(self, message: str, hint: str | None, *, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.ambiguous = ambiguous


class Registry:
    """Every component of every installed plugin. Making one reads metadata and imports no plugin."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        """Args:
        entry_points: those to use; all installed ones when None.
        """
        self._given = entry_points

    @cached_property
    def _every(self) -> dict[str, list[Component]]:
        """What all distributions name, by kind; those that may not offer it included, the same entry twice as one."""
        found: dict[str, dict[tuple[str, str, str], Component]] = {kind: {} for kind in KINDS}
        for entry in self._entry_points:
            kind = entry.group.removeprefix("hw1cli.")
            name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "0")
            if kind in found:
                component = Component(kind, entry.name, name, version, entry.value, entry)
                found[kind].setdefault((entry.name, name, entry.value), component)
        return {kind: [components[key] for key in sorted(components)] for kind, components in found.items()}

    @cached_property
    def declared(self) -> dict[str, list[str]]:
        """The versions of the plugin API that distributions declare, by distribution."""
        found: dict[str, list[str]] = {}
        for entry in self._entry_points:
            if entry.group == policy.API_GROUP and entry.dist:
                versions = found.setdefault(entry.dist.name, [])
                versions += [entry.name] if entry.name not in versions else []
        return found

    @cached_property
    def refusals(self) -> dict[str, Refusal]:
        """The distributions whose components are not offered, each with the reason."""
        names = {component.distribution for components in self._every.values() for component in components}
        refused = {name: policy.refusal(name, self.declared.get(name, [])) for name in sorted(names)}
        return {name: refusal for name, refusal in refused.items() if refusal is not None}

    @cached_property
    def _by_kind(self) -> dict[str, list[Component]]:
        return {
            kind: [component for component in components if component.distribution not in self.refusals]
            for kind, components in self._every.items()
        }

    def refused(self, kind: str | None = None) -> list[tuple[Component, Refusal]]:
        """What is installed and not offered, each with the reason; of one kind or of all."""
        return [
            (component, self.refusals[component.distribution])
            for each in ([kind] if kind else KINDS)
            for component in self._every[each]
            if component.distribution in self.refusals
        ]

    @cached_property
    def _entry_points(self) -> list[EntryPoint]:
        if self._given is not None:
            return list(self._given)
        from importlib import metadata

        try:
            every = metadata.entry_points()
        except Exception:  # the metadata of one distribution cannot be read: the others still count
            readable: list[EntryPoint] = []
            for each in metadata.distributions():
                try:
                    readable += each.entry_points
                except Exception as error:
                    where = getattr(each, "_path", "?")
                    sys.stderr.write(f"warning: the entry points of {where} cannot be read: {error}\n")
            every = metadata.EntryPoints(readable)  # type: ignore[assignment]
        groups = [*(f"hw1cli.{kind}" for kind in KINDS), policy.API_GROUP]
        return [entry for group in groups for entry in every.select(group=group)]

    def components(self, kind: str | None = None) -> list[Component]:
        """What the entry points name, zoos as ``PREFIX/*``; of one kind or of all."""
        return [component for each in ([kind] if kind else KINDS) for component in self._by_kind[each]]

    def matching(self, kind: str | None, pattern: str | None) -> list[Component]:
        """Components whose name matches a shell pattern (or contains a plain word).

        A zoo is opened when the pattern reaches inside its prefix or is a plain word, else it is one row,
        as does a zoo that is broken.
        """
        if not pattern:
            return self.components(kind)
        wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
        found = []
        for component in self.components(kind):
            if fnmatch.fnmatchcase(component.name, wild):
                found.append(component)
            if component.is_zoo and (pattern.startswith(component.prefix) or not any(s in pattern for s in "/:")):
                with contextlib.suppress(PluginError):
                    found += map(component.named, fnmatch.filter(component.names(), wild))
        return found

    def find(self, kind: str, name: str) -> Component:
        """The component called ``name`` or ``distribution:name``.

        Raises:
            UnknownName: none, or several distributions offer it; names these, or similar names.
            PluginError: a zoo that had to be asked is broken.
        """
        qualifier, _, wanted = name.rpartition(":")
        wanted = policy.resolve(kind, wanted)
        broken: list[PluginError] = []
        found = [c for c in self._offers(kind, wanted, broken) if qualifier in ("", c.distribution)]
        if broken and not found:
            raise broken[0]
        targets = {component.target for component in found}
        if not found:
            raise self._withheld(kind, name, wanted, qualifier) or self._unknown(kind, name)
        if len(targets) > 1:
            owners = sorted({component.distribution for component in found})
            raise UnknownName(
                f"{name!r} is offered by {' and by '.join(owners)}",
                f"write {' or '.join(repr(f'{owner}:{wanted}') for owner in owners)}",
                ambiguous=True,
            )
        return found[0]

    def find_all(self, name: str) -> list[Component]:
        """The components of that name, one for each kind that has it.

        Raises:
            UnknownName: none was found, because several distributions offer the name.
            PluginError: none was found, and a zoo that might have it is broken.
        """
        found: list[Component] = []
        errors: list[PluginError | UnknownName] = []
        for kind in KINDS:
            try:
                found.append(self.find(kind, name))
            except (PluginError, UnknownName) as error:
                errors += [error] if isinstance(error, PluginError) or error.ambiguous else []
        if errors and not found:
            raise errors[0]
        return found

    def _offers(self, kind: str, name: str, broken: list[PluginError] | None = None) -> Iterator[Component]:
        """Every component of that name; a zoo that cannot answer is put on the list ``broken`` and passed over."""
        for component in self._by_kind[kind]:
            if component.name == name and not component.is_zoo:
                yield component
            elif component.is_zoo and name.startswith(component.prefix):
                try:
                    if component.holds(name):
                        yield component.named(name)
                except PluginError as error:
                    if broken is not None:
                        broken.append(error)

    def _withheld(self, kind: str, name: str, wanted: str, qualifier: str) -> UnknownName | None:
        """The error of a name that only a refused distribution has; a zoo's names are not looked into."""
        for component, refusal in self.refused(kind):
            fits = wanted.startswith(component.prefix) if component.is_zoo else wanted == component.name
            if fits and qualifier in ("", component.distribution):
                owner = f"{component.distribution} {component.version}"
                return UnknownName(f"{name!r} is offered by {owner}, which {refusal.reason}", refusal.hint)
        return None

    def _unknown(self, kind: str, name: str) -> UnknownName:
        singular = KINDS[kind].singular
        if not any(self._by_kind.values()):
            return UnknownName(f"no plugin is installed, so there is no {singular} {name!r}", "run 'pip install -e .'")
        message = f"no installed plugin offers {article(singular)} named {name!r}"
        for other in KINDS:
            if other != kind and (found := next(self._offers(other, name.rpartition(":")[2]), None)):
                message = f"{found.name!r} is {article(KINDS[other].singular)}, expected {article(singular)}"
                break
        return UnknownName(message, did_you_mean(name, self.names(kind, name), f"see 'hw1cli list {kind}'"))

    def names(self, kind: str, near: str = "") -> list[str]:
        """Every name of a kind; zoos are opened only for a name ``near`` that has their prefix or no prefix at all."""
        names = []
        for component in self._by_kind[kind]:
            start = f"{near.partition('/')[0]}/"
            if not component.is_zoo:
                names.append(f"{component.distribution}:{component.name}" if ":" in near else component.name)
            elif near.startswith(component.prefix) or "/" not in near or did_you_mean(start, [component.prefix]):
                with contextlib.suppress(PluginError):
                    names += component.names()
        return names


def article(noun: str) -> str:
    """``a loss``, ``an optimizer``."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
