"""What can be checked of a plugin without building anything: its metadata, its imports, its specs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

from ..catalog import policy
from ..catalog.components import Component
from ..catalog.introspect import locate
from ..catalog.kinds import KINDS
from ..catalog.policy import API_GROUP, API_VERSION, shown, version_of
from ..catalog.registry import Registry
from ..catalog.spec import argument_lines
from ..errors import PluginError, did_you_mean
from ..recipe.grammar import SETTINGS
from .import_probe import probe
from .violations import ContractViolation, Inconclusive

#: Libraries that a spec's module must not import: each takes from a tenth of a second to several seconds.
HEAVY: Final = {
    *("torch", "torchvision", "torchaudio", "torchmetrics", "timm", "segmentation_models_pytorch", "transformers"),
    *("lightly", "lightning", "pytorch_lightning", "diffusers", "tensorflow", "keras", "jax", "albumentations"),
    *("cv2", "skimage", "sklearn", "scipy", "pandas", "numpy", "matplotlib"),
}
#: Seconds that importing a spec's module may take.
SLOW: Final = 2.0


def entry_points(found: Distribution, components: Sequence[Component]) -> None:
    """Every group is one that hw1cli reads, and every name has one function as its target."""
    groups = {kind.group for kind in KINDS.values()} | {API_GROUP}
    for entry in found.entry_points:
        if entry.group.startswith("hw1cli.") and entry.group not in groups:
            raise ContractViolation(
                "unknown_group",
                f"the entry point {entry.name!r} is in the group {entry.group!r}, which hw1cli does not read",
                hint=did_you_mean(entry.group, groups, f"the groups are {', '.join(sorted(groups))}"),
            )
    if not components:
        raise ContractViolation("no_entry_point", f"{found.name} has no entry point for hw1cli")
    for component in components:
        twins = {c.target for c in components if (c.kind, c.name) == (component.kind, component.name)}
        if len(twins) > 1:
            raise ContractViolation(
                "two_targets", f"{component.kind}/{component.name} has the targets {' and '.join(sorted(twins))}"
            )
        if ":" not in component.target:
            raise ContractViolation(
                "target_is_module",
                f"the entry point {component.name!r} names the module {component.target!r}",
                name=component.name,
                module=component.target,
            )


def api_version(found: Distribution) -> None:
    """The version of the plugin API is declared, and this framework has it."""
    if policy.normalized(found.name) == policy.OWN:
        return
    declared = [entry.name for entry in found.entry_points if entry.group == API_GROUP]
    line = f'[project.entry-points."{API_GROUP}"], then "{shown(API_VERSION)}" = "registry:API_VERSION"'
    if not declared:
        raise ContractViolation(
            "no_api_version",
            f"{found.name} does not declare the version of the plugin API that it was written for",
            line=line,
        )
    unread = [text for text in declared if version_of(text) is None]
    if unread:
        raise ContractViolation(
            "api_version_unreadable", f"the declared API version {unread[0]!r} is not a version", line=line
        )
    refused = policy.refusal(found.name, declared)
    if refused is not None and not refused.blocked:
        raise ContractViolation("api_version_refused", f"{found.name} {refused.reason}", hint=refused.hint)


def installed_with(found: Distribution, module: str) -> None:
    """The module's file is one that the distribution installed."""
    path = locate(module)
    if path is None:
        raise ContractViolation("module_missing", f"module {module!r} does not exist, and an entry point names it")
    direct = json.loads(found.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable") or found.files is None:
        return
    own = {Path(str(found.locate_file(file))).resolve() for file in found.files}
    if path.resolve() not in own:
        raise ContractViolation(
            "module_of_another",
            f"{module!r} is found at {path}, which {found.name} did not install",
            distribution=found.name,
        )


def imports(module: str) -> None:
    """Importing the module works."""
    found = probe(module)
    if found["error"]:
        raise ContractViolation("import_fails", f"{module} cannot be imported: {found['error']}")
    if found["sockets"]:
        raise ContractViolation("import_connects", f"importing {module} connects to {found['sockets'][0]}")


def imports_nothing_heavy(module: str) -> None:
    """Importing the module loads none of the heavy libraries."""
    found = sorted(HEAVY.intersection(_probed(module)["modules"]))
    if found:
        raise ContractViolation("import_heavy", f"importing {module} imports {', '.join(found)}")


def imports_quickly(module: str) -> None:
    """Importing the module takes no noticeable time."""
    seconds = _probed(module)["seconds"]
    if seconds > SLOW:
        raise ContractViolation("import_slow", f"importing {module} takes {seconds:.1f} s")


def imports_in_silence(module: str) -> None:
    """Importing the module prints nothing."""
    printed = _probed(module)["printed"].strip()
    if printed:
        raise ContractViolation("import_prints", f"importing {module} prints {printed.splitlines()[0][:60]!r}")


def _probed(module: str) -> dict[str, Any]:
    """What importing the module does, where that works; ``imports`` reports where it does not."""
    found = probe(module)
    if found["error"]:
        raise Inconclusive(f"{module} cannot be imported")
    return found


def name(component: Component) -> None:
    """The name can be written in a recipe, and no other distribution has it."""
    bare = component.name.removesuffix("/*")
    if not re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", bare):
        raise ContractViolation(
            "name_characters", f"the name {component.name!r} has characters that a recipe would have to quote"
        )
    if policy.resolve(component.kind, component.name) != component.name:
        raise ContractViolation(
            "name_is_alias",
            f"{component.name!r} is another name of {policy.resolve(component.kind, component.name)!r} in hw1cli",
        )
    for other in Registry().components(component.kind):
        if other.distribution == component.distribution or other.target == component.target or component.is_zoo:
            continue
        taken = other.name == component.name
        with suppress(PluginError):
            taken = taken or (other.is_zoo and other.holds(component.name))
        if taken:
            raise ContractViolation(
                "name_taken",
                f"{other.distribution} {other.version} offers {component.kind}/{component.name} as well",
                distribution=component.distribution,
                name=component.name,
            )


def spec(component: Component) -> None:
    """The signature keeps the rules."""
    _probed(component.target.partition(":")[0])
    try:
        if component.is_zoo:
            if not component.names():
                raise ContractViolation("zoo_empty", f"the zoo {component.name!r} has no names")
            component.named(component.example).spec()
            return
        read = component.spec()
    except PluginError as error:
        module, _, function = component.target.partition(":")
        what = f"{component.kind}/{component.name}: {error.reason}"
        raise ContractViolation("signature", what, module=module, function=function) from error
    taken = {parameter.name for parameter in SETTINGS.get(component.kind, ())}
    for parameter in read.parameters:
        if parameter.name in taken and not parameter.supplied:
            what = f"the argument {parameter.name!r} is a setting of every {KINDS[component.kind].singular}"
            raise ContractViolation("setting_of_framework", what)


def documentation(component: Component) -> None:
    """The docstring has a summary and explains every parameter."""
    _probed(component.target.partition(":")[0])
    subject = f"{component.kind}/{component.name}"
    if component.is_zoo:
        if not component.summary:
            raise ContractViolation("zoo_without_summary", f"the zoo {subject} has no summary")
        return
    try:
        read = component.spec()
    except PluginError as error:
        raise Inconclusive("its spec is wrong") from error
    if not read.summary or len(read.summary) > 120:
        long = f"begins its docstring with a line of {len(read.summary)} characters"
        raise ContractViolation("summary", f"{subject} {long if read.summary else 'has no docstring'}")
    own = [each for each in read.parameters if each.name not in read.reserved]
    # What the run supplies is explained by hw1cli; a recipe that gives it all the same is rare.
    missing = [each.name for each in own if not each.doc and not each.supplied]
    if missing:
        raise ContractViolation(
            "argument_unexplained", f"the docstring of {subject} does not explain {', '.join(missing)}", name=missing[0]
        )
    stale = sorted(set(argument_lines(read.doc)) - {each.name for each in read.parameters})
    if stale and read.parameters:
        raise ContractViolation(
            "argument_unknown", f"the docstring of {subject} explains {', '.join(stale)}, which it does not take"
        )
