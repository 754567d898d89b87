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
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any, Final

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..errors import InputError, did_you_mean
from .violations import Check, ContractViolation, Inconclusive

#: What ``run=True`` adds for each kind, beside ``builds``; the functions are ``registry.contracts.subject``'s.
RUN_CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    "backbones": ("maps", "in_channels", "learns", "one_by_one", "state", "seed", "pickles"),
    "models": ("logits", "num_classes", "features", "learns", "one_by_one", "state", "seed", "pickles"),
    "losses": ("value", "gradient", "order", "ignored"),
    "augmentations": ("images", "seed", "pickles"),
    "trainers": ("trains",),
    "datasets": ("facts", "splits", "samples", "pickles"),
    "generators": ("makes",),
    "optimizers": ("descends", "rate", "resumes"),
    "schedules": ("factors", "pure", "pickles"),
    "metrics": ("figures", "order", "reset", "pooled"),
    "reports": ("epochs", "draws"),
}


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
    return list(_checks(found, run, only, dict(arguments or {})))


def _checks(found: Distribution, run: bool, only: str, arguments: Mapping[str, Mapping[str, Any]]) -> Iterator[Check]:
    from . import static

    name, components = found.name, components_of(found)
    chosen = [each for each in components if _fits(each, only)]
    yield Check(name, "entry points", partial(static.entry_points, found, components))
    yield Check(name, "API version", partial(static.api_version, found))
    for module in dict.fromkeys(each.target.partition(":")[0] for each in chosen):
        yield Check(module, "installed with it", partial(static.installed_with, found, module))
        for ask in (static.imports, static.imports_nothing_heavy, static.imports_quickly, static.imports_in_silence):
            yield Check(module, ask.__name__.replace("_", " "), partial(ask, module))
    for component in chosen:
        subject = f"{component.kind}/{component.name}"
        for read in (static.name, static.spec, static.documentation):
            yield Check(subject, read.__name__, partial(read, component))
        for asked in ("builds", *RUN_CHECKS[component.kind]) if run else ():
            yield Check(subject, asked.replace("_", " "), partial(_run, component, only, arguments, asked))


def components_of(found: Distribution) -> list[Component]:
    """What a distribution declares, whether or not ``registry.catalog.policy`` admits it."""
    groups = {kind.group: kind.name for kind in KINDS.values()}
    return [
        Component(groups[entry.group], entry.name, found.name, found.version, entry.value, entry)
        for entry in found.entry_points
        if entry.group in groups
    ]


def _fits(component: Component, only: str) -> bool:
    prefix = component.name.removesuffix("*")
    return fnmatch.fnmatchcase(component.name, only) or (component.is_zoo and only.startswith(prefix))


def _run(component: Component, only: str, arguments: Mapping[str, Mapping[str, Any]], asked: str) -> None:
    from . import static

    static.spec(component)  # a plugin that cannot be imported is not built
    from .subject import ask

    if component.is_zoo:
        whole = only in ("*", component.name)
        names = [component.example] if whole else fnmatch.filter(component.names(), only)
        if not names:
            raise Inconclusive(f"the zoo has no name {only!r}")
        from ..catalog.registry import Registry

        for each in names[:3]:
            ask(Registry.member(component, each), arguments.get(f"{component.kind}/{each}", {}), asked)
        return
    ask(component, arguments.get(f"{component.kind}/{component.name}", {}), asked)


def _missing(name: str) -> None:
    raise ContractViolation(
        f"no distribution {name!r} is installed here",
        "plugins are found by the entry points of installed distributions",
        f"pip install -e FOLDER; {_similar(name)}",
    )


def _similar(name: str) -> str | None:
    from importlib.metadata import distributions

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
