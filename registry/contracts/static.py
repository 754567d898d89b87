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
from ..catalog.spec import ComponentSpec, argument_lines
from ..errors import PluginError, did_you_mean
from ..recipe.grammar import LoopSettings
from .import_probe import probe
from .violations import ContractViolation, Inconclusive

#: Libraries that a spec's module must not import: each takes from a tenth of a second to several seconds.
HEAVY: Final = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "torchmetrics", "timm", "segmentation_models_pytorch", "transformers"),
        *("lightly", "lightning", "pytorch_lightning", "diffusers", "tensorflow", "keras", "jax", "albumentations"),
        *("cv2", "skimage", "sklearn", "scipy", "pandas", "numpy", "matplotlib"),
    }
)
#: Seconds that importing a spec's module may take.
SLOW: Final = 2.0
_WAIT: Final = "'hw1cli list', 'check' and completion load every spec, and would wait for it"
_IMPORT_INSIDE: Final = "import it inside the function that the entry point names, where the component is built"


def components_of(found: Distribution) -> list[Component]:
    """What a distribution declares, whether or not ``registry.catalog.policy`` admits it."""
    groups = {kind.group: kind.name for kind in KINDS.values()}
    return [
        Component(groups[entry.group], entry.name, found.name, found.version, entry.value, entry)
        for entry in found.entry_points
        if entry.group in groups
    ]


def entry_points(found: Distribution, components: Sequence[Component]) -> None:
    """Every group is one that hw1cli reads, and every name has one function as its target."""
    groups = {kind.group for kind in KINDS.values()} | {API_GROUP}
    for entry in found.entry_points:
        if entry.group.startswith("hw1cli.") and entry.group not in groups:
            raise ContractViolation(
                f"the entry point {entry.name!r} is in the group {entry.group!r}, which hw1cli does not read",
                "components are found by their group alone, so that this one is never found",
                did_you_mean(entry.group, groups, f"the groups are {', '.join(sorted(groups))}") or "",
            )
    if not components:
        raise ContractViolation(
            f"{found.name} has no entry point for hw1cli",
            "a recipe can name only what an installed distribution declares",
            'in pyproject.toml: [project.entry-points."hw1cli.backbones"], then my_net = "my_net.specs:my_net"; '
            "install again",
        )
    for component in components:
        twins = {c.target for c in components if (c.kind, c.name) == (component.kind, component.name)}
        if len(twins) > 1:
            raise ContractViolation(
                f"{component.kind}/{component.name} has the targets {' and '.join(sorted(twins))}",
                "a recipe that names it could mean either",
                "give each a name of its own in pyproject.toml",
            )
        if ":" not in component.target:
            raise ContractViolation(
                f"the entry point {component.name!r} names the module {component.target!r}",
                "an entry point names a function, whose signature is the component's arguments",
                f'{component.name} = "{component.target}:FUNCTION"',
            )


def api_version(found: Distribution) -> None:
    """The version of the plugin API is declared, and this framework has it."""
    if policy.normalized(found.name) == policy.OWN:
        return
    declared = [entry.name for entry in found.entry_points if entry.group == API_GROUP]
    line = f'[project.entry-points."{API_GROUP}"], then "{shown(API_VERSION)}" = "registry:API_VERSION"'
    if not declared:
        raise ContractViolation(
            f"{found.name} does not declare the version of the plugin API that it was written for",
            "an older hw1cli would load it and fail somewhere inside, instead of refusing it with a message",
            f"in pyproject.toml: {line}",
        )
    unread = [text for text in declared if version_of(text) is None]
    if unread:
        raise ContractViolation(
            f"the declared API version {unread[0]!r} is not a version",
            "it is ignored, as if nothing was declared",
            line,
        )
    refused = policy.refusal(found.name, declared)
    if refused is not None and not refused.blocked:
        raise ContractViolation(
            f"{found.name} {refused.reason}", "none of its components are offered here", refused.hint
        )


def installed_with(found: Distribution, module: str) -> None:
    """The module's file is one that the distribution installed."""
    path = locate(module)
    layout = 'in pyproject.toml let setuptools find every package: [tool.setuptools.packages.find], where = ["src"]; '
    if path is None:
        raise ContractViolation(
            f"there is no module {module!r}, which an entry point names",
            "every recipe that names the component fails",
            f"{layout}a folder needs an __init__.py; check the spelling of the entry point",
        )
    direct = json.loads(found.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable") or found.files is None:
        return
    own = {Path(str(found.locate_file(file))).resolve() for file in found.files}
    if path.resolve() not in own:
        raise ContractViolation(
            f"{module!r} is found at {path}, which {found.name} did not install",
            "it works by accident, in this folder or because of another distribution, and fails for everybody else",
            f"{layout}then install again and look at 'pip show -f {found.name}'",
        )


def imports(module: str) -> None:
    """Importing the module works."""
    found = probe(module)
    if found["error"]:
        raise ContractViolation(
            f"{module} cannot be imported: {found['error']}",
            "listing, describing and checking import it, and so does every recipe that names a component of it",
            "fix it; what may be missing (a library, a file, a GPU) belongs inside the function",
        )
    if found["sockets"]:
        raise ContractViolation(
            f"importing {module} connects to {found['sockets'][0]}",
            "checking a recipe must work offline, and must not be seen by anybody else",
            "fetch things inside the function, with registry.engine.require_weights",
        )


def imports_nothing_heavy(module: str) -> None:
    """Importing the module loads none of the heavy libraries."""
    found = sorted(HEAVY.intersection(_probed(module)["modules"]))
    if found:
        raise ContractViolation(
            f"importing {module} imports {', '.join(found)}",
            _WAIT,
            f"{_IMPORT_INSIDE}; for annotations, 'if TYPE_CHECKING:' with 'from __future__ import annotations'",
        )


def imports_quickly(module: str) -> None:
    """Importing the module takes no noticeable time."""
    seconds = _probed(module)["seconds"]
    if seconds > SLOW:
        raise ContractViolation(
            f"importing {module} takes {seconds:.1f} s",
            _WAIT,
            f"move the work into the function; for imports: {_IMPORT_INSIDE}",
        )


def imports_in_silence(module: str) -> None:
    """Importing the module prints nothing."""
    printed = _probed(module)["printed"].strip()
    if printed:
        raise ContractViolation(
            f"importing {module} prints {printed.splitlines()[0][:60]!r}",
            "it appears between the lines of every command, and spoils what other programs read from --json",
            "delete the print; to inform the user, call warnings.warn(...) inside the function",
        )


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
            f"the name {component.name!r} has characters that a recipe would have to quote",
            "it is typed in YAML and on the command line",
            "use letters, digits, '_', '-', '.' and '/'",
        )
    if policy.resolve(component.kind, component.name) != component.name:
        raise ContractViolation(
            f"{component.name!r} is another name of {policy.resolve(component.kind, component.name)!r} in hw1cli",
            "a recipe that names it gets the other component",
            "choose another name",
        )
    for other in Registry().components(component.kind):
        if other.distribution == component.distribution or other.target == component.target or component.is_zoo:
            continue
        taken = other.name == component.name
        with suppress(PluginError):
            taken = taken or (other.is_zoo and other.holds(component.name))
        if taken:
            raise ContractViolation(
                f"{other.distribution} {other.version} offers {component.kind}/{component.name} as well",
                f"where both are installed, a recipe has to write '{component.distribution}:{component.name}'",
                "choose another name",
            )


def spec(component: Component) -> None:
    """The signature keeps the rules."""
    _probed(component.target.partition(":")[0])
    try:
        if component.is_zoo:
            if not component.names():
                raise ContractViolation(
                    f"the zoo {component.name!r} has no names",
                    "it offers nothing",
                    "let names() give the names without their prefix",
                )
            Registry.member(component, component.example).spec()
            return
        read = component.spec()
    except PluginError as error:
        raise ContractViolation(
            f"{component.kind}/{component.name}: {error.reason}",
            "a recipe's arguments are checked against this signature before anything is built",
            f"in {component.target.partition(':')[0]}: def {component.target.partition(':')[2]}(*, width: int = 32): "
            "keyword-only, each parameter with a type, no **kwargs",
        ) from error
    settings = {parameter.name for parameter in ComponentSpec.of(LoopSettings).parameters}
    for parameter in read.parameters:
        if component.kind == "trainers" and parameter.name in settings and not parameter.supplied:
            raise ContractViolation(
                f"the trainer's argument {parameter.name!r} has the name of a setting of the loop",
                "the loop takes it, and the trainer never sees it",
                "give it another name, or mark it FromData where the run supplies it",
            )


def documentation(component: Component) -> None:
    """The docstring has a summary and explains every parameter."""
    _probed(component.target.partition(":")[0])
    subject = f"{component.kind}/{component.name}"
    if component.is_zoo:
        if not component.summary:
            raise ContractViolation(
                f"the zoo {subject} has no summary", "'hw1cli list' has nothing to show", "Zoo(..., summary='...')"
            )
        return
    try:
        read = component.spec()
    except PluginError as error:
        raise Inconclusive("its spec is wrong") from error
    if not read.summary or len(read.summary) > 120:
        what = (
            "has no docstring"
            if not read.summary
            else f"begins its docstring with a line of {len(read.summary)} characters"
        )
        raise ContractViolation(
            f"{subject} {what}", "its first line is what 'hw1cli list' shows", 'one line: """My network in one line."""'
        )
    own = [each for each in read.parameters if each.name not in read.adopted]
    # What the run supplies is explained by hw1cli; a recipe that gives it all the same is rare.
    missing = [each.name for each in own if not each.doc and not each.supplied]
    if missing:
        raise ContractViolation(
            f"the docstring of {subject} does not explain {', '.join(missing)}",
            "it is what 'hw1cli describe' shows, and the hint beside a wrong value",
            f"below a line 'Args:', indented, a line each: '{missing[0]}: what it is, its unit and range'",
        )
    stale = sorted(set(argument_lines(read.doc)) - {each.name for each in read.parameters})
    if stale and read.parameters:
        raise ContractViolation(
            f"the docstring of {subject} explains {', '.join(stale)}, which it does not take",
            "readers will try it",
            "delete the line, or add the parameter",
        )
