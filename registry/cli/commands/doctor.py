"""``doctor``: does everything that is installed here work, and if not, what is broken and why?"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from ... import files
from ...errors import DONE, FAILED, PLUGIN_FAILED
from ..options import JSON, print_json

#: Less room on a disk, or in shared memory, is a fault.
_LEAST_DISK, _LEAST_SHARED = 1e9, 2.5e8
#: Largest size of a trainer's parts when it is tried.
_SMALL: Final = 64
_STATES: Final = {"ok": "green", "note": "yellow", "broken": "red"}


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        part: what it belongs to: machine, libraries, storage, plugins, trainers.
        name: what it is.
        state: ``ok``, ``note`` or ``broken``.
        text: what was found, or what is broken and why.
    """

    part: str
    name: str
    state: str
    text: str


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Look at everything that a run needs here: devices, libraries, caches, disks, plugins, trainers.

    Every plugin is loaded once, and every trainer takes a few steps with a tiny network on the CPU. Exit code 0 where
    all works, 3 where a plugin is broken, 1 where something else is.

    \b
    Examples:
      hw1cli doctor
      hw1cli doctor --json
    """
    found = [*_machine(), *_libraries(), *_storage(), *_plugins(), *_trainers()]
    broken = [each for each in found if each.state == "broken"]
    if as_json:
        print_json({"ok": not broken, "findings": [each._asdict() for each in found]})
    else:
        print_findings(found)
    if any(each.part in ("plugins", "trainers") for each in broken):
        sys.exit(PLUGIN_FAILED)
    sys.exit(FAILED if broken else DONE)


def _machine() -> Iterator[Finding]:
    import platform

    from ...engine import doctor as engine

    yield Finding("machine", "system", "ok", f"{platform.platform()}, Python {platform.python_version()}")
    for name, text, works in engine.devices():
        yield Finding("machine", name, "ok" if works else "broken", text)
    yield Finding("machine", "allocator", "ok", engine.allocator())


def _libraries() -> Iterator[Finding]:
    from ...engine.records.run_folder import environment

    for name, version in environment()["libraries"].items():
        yield Finding("libraries", name, "ok" if version else "broken", version or "is not installed")


def _storage() -> Iterator[Finding]:
    home = Path.home()
    caches = {
        "cache": files.folder(),
        "weights of torch": Path(os.environ.get("TORCH_HOME", home / ".cache" / "torch")),
        "weights of timm": Path(os.environ.get("HF_HOME", home / ".cache" / "huggingface")),
    }
    for name, folder in caches.items():
        text = f"{_size(sum(path.lstat().st_size for path in folder.rglob('*')))} in {folder}"
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        writable = os.access(existing, os.W_OK)
        yield Finding("storage", name, "ok" if writable else "broken", text + ("" if writable else ", not writable"))
    disks = {"disk of this folder": (Path(), _LEAST_DISK), "disk of the cache": (files.folder(), _LEAST_DISK)}
    if Path("/dev/shm").is_dir():
        disks["shared memory"] = (Path("/dev/shm"), _LEAST_SHARED)
    for name, (folder, least) in disks.items():
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        hint = "; set runtime.workers to 0" if name == "shared memory" else ""
        enough = "" if free >= least else f", expected {_size(least)} at least{hint}"
        yield Finding("storage", name, "broken" if enough else "ok", f"{_size(free)} free{enough}")


def _plugins() -> Iterator[Finding]:
    from ..tables import plural
    from .plugin import list_plugins

    for row in list_plugins():
        name = f"{row['distribution']} {row['version']}"
        if row["state"] != "offered":
            yield Finding("plugins", name, "note", f"not offered: it {row['reason']}; {row['hint']}")
            continue
        count, broken = sum(map(len, row["components"].values())), len(row["broken"])
        yield Finding("plugins", name, "ok", plural(count, "component") + (f", {broken} of them broken" * bool(broken)))
        for component, reason in row["broken"].items():
            yield Finding("plugins", component, "broken", reason)


def _trainers() -> Iterator[Finding]:
    from ...catalog.registry import Registry
    from ...contracts.subject import try_component
    from ...contracts.violations import ContractViolation, Inconclusive
    from ...errors import PluginError

    for component in Registry().components("trainers"):
        try:
            sizes = {each.name: each.default for each in component.spec().parameters if type(each.default) is int}
            # Of heads and queues; a step with thousands of units would take memory and time, and show no more.
            small = {name: _SMALL for name, size in sizes.items() if size > _SMALL}
            try_component(component, small, "trains")
            yield Finding("trainers", component.name, "ok", "two epochs of eight images")
        except Inconclusive as unknown:
            yield Finding("trainers", component.name, "note", f"was not tried: {unknown}")
        except (ContractViolation, PluginError) as broken:
            yield Finding("trainers", component.name, "broken", str(broken))


def print_findings(found: list[Finding]) -> None:
    """One row a finding, grouped by part; then how many are broken."""
    from ..tables import Console, Text, plural, table_of

    console, part = Console(), ""
    table = table_of("", "", "")
    table.show_header = False
    for each in found:
        if each.part != part and part:
            table.add_section()
        shown, part = ("" if each.part == part else each.part), each.part
        state = Text("" if each.state == "ok" else f"{each.state}: ", style=_STATES[each.state])
        table.add_row(Text(shown, style="bold"), Text(each.name), Text.assemble(state, each.text))
    console.print(table)
    broken = sum(each.state == "broken" for each in found)
    text = f"{plural(broken, 'thing')} broken" if broken else "everything works"
    console.print(text, style="red" if broken else "green")


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
