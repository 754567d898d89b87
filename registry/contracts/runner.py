"""The checks of an installed plugin: what ``hw1cli plugin check`` runs, for an author's own tests too.

A whole test file::

    import pytest
    from registry.testing import Check, checks

    @pytest.mark.parametrize("check", checks("my-net"), ids=str)
    def test_conforms(check: Check) -> None:
        check()

Listing the checks imports neither torch nor the plugin.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from typing import Any

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..errors import InputError, did_you_mean
from .violations import CONTRACTS, Check, ContractViolation, Inconclusive


def checks(
    name: str,
    *,
    run: bool = True,
    only: str = "*",
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Check]:
    """The checks of an installed distribution.

    Args:
        name: the distribution's.
        run: whether to build the components and try them, on the CPU; else only metadata, imports and specs.
        only: shell pattern of the names of components. Of a zoo the first three names that match are tried; without a
            pattern, its example.
        arguments: ``kind/name`` -> arguments, for a component that cannot be built with its defaults.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return [Check(name, "installed", partial(_missing, name))]
    return list(_checks(found, run, only, arguments or {}))


def _checks(found: Distribution, run: bool, only: str, arguments: Mapping[str, Mapping[str, Any]]) -> Iterator[Check]:
    from . import static

    name, groups = found.name, {kind.group: kind.name for kind in KINDS.values()}
    components = [  # whether or not registry.catalog.policy admits them
        Component(groups[entry.group], entry.name, name, found.version, entry.value, entry)
        for entry in found.entry_points
        if entry.group in groups
    ]
    chosen = [
        each
        for each in components
        if fnmatch.fnmatchcase(each.name, only) or (each.is_zoo and only.startswith(each.name.removesuffix("*")))
    ]
    yield Check(name, "entry points", partial(static.entry_points, found, components))
    yield Check(name, "API version", partial(static.api_version, found))
    for module in dict.fromkeys(each.target.partition(":")[0] for each in chosen):
        yield Check(module, "installed with it", partial(static.installed_with, found, module))
        for check in (static.imports, static.imports_nothing_heavy, static.imports_quickly, static.imports_in_silence):
            yield Check(module, check.__name__.replace("_", " "), partial(check, module))
    for component in chosen:
        subject = f"{component.kind}/{component.name}"
        for read in (static.name, static.spec, static.documentation):
            yield Check(subject, read.__name__, partial(read, component))
        for tried in ("builds", *CONTRACTS[component.kind].checks) if run else ():
            yield Check(subject, tried.replace("_", " "), partial(_try, component, only, arguments, tried))


def _try(component: Component, only: str, arguments: Mapping[str, Mapping[str, Any]], check: str) -> None:
    from . import static

    static.spec(component)  # a plugin that cannot be imported is not built
    from .subject import try_component

    tried = [component]
    if component.is_zoo:
        whole = only in ("*", component.name)
        names = [component.example] if whole else fnmatch.filter(component.names(), only)[:3]
        if not names:
            raise Inconclusive(f"the zoo has no name {only!r}")
        tried = [component.named(name) for name in names]
    for each in tried:
        try_component(each, arguments.get(f"{each.kind}/{each.name}", {}), check)


def _missing(name: str) -> None:
    raise ContractViolation("not_installed", f"no distribution {name!r} is installed here", hint=_similar(name))


def _similar(name: str) -> str | None:
    names = sorted({each.name for each in distributions() if each.name})
    return did_you_mean(name, names, "see 'hw1cli plugin list'; 'pip install -e FOLDER' installs one")


def require(name: str) -> Distribution:
    """The installed distribution.

    Raises:
        InputError: there is none.
    """
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise InputError.of("DIST", f"no distribution {name!r} is installed here", _similar(name)) from error
