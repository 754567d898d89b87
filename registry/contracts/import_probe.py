"""A module imported in a process of its own: how long it takes, what it loads, prints and connects to.

``python -m registry.contracts.import_probe MODULE`` prints JSON:
``seconds``, ``modules``, ``printed``, ``sockets``, ``error``.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from typing import Any, Final

import registry
from registry.errors import raised_at

#: Seconds after which an import is stopped.
_TIMEOUT: Final = 30


@lru_cache(maxsize=256)
def probe(module: str) -> dict[str, Any]:
    """What importing the module does in a fresh interpreter, beyond what importing ``registry`` does."""
    command = [sys.executable, "-m", f"{registry.__name__}.contracts.import_probe", module]
    # Not from the folder that is current here: what lies in it is found whether or not it is installed.
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, cwd=elsewhere)
        except subprocess.TimeoutExpired:
            return {"error": f"it takes more than {_TIMEOUT} s", "seconds": _TIMEOUT}
    try:
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]
    except (ValueError, IndexError):
        last = done.stderr.strip().splitlines()[-1:]
        return {"error": f"it ends the process with code {done.returncode} {' '.join(last)}".rstrip(), "seconds": 0.0}


def _measure(module: str) -> dict[str, Any]:
    before, sockets, error = set(sys.modules), list[str](), None

    def note(event: str, given: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            sockets.append(str(given[-1] if event == "socket.connect" else given[0]))

    sys.addaudithook(note)
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        started = time.perf_counter()
        try:
            importlib.import_module(module)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised} ({raised_at(raised)})"
        seconds = time.perf_counter() - started
        sys.stdout.flush()
        os.dup2(kept, 1)
        file.seek(0)
        printed = file.read().decode(errors="replace")
    modules = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    return {"seconds": seconds, "modules": modules, "printed": printed, "sockets": sockets, "error": error}


if __name__ == "__main__":
    measured = json.dumps(_measure(sys.argv[1]))
    sys.stdout.write(f"{measured}\n")
    sys.stdout.flush()
    os._exit(0)  # threads that the plugin started must not keep this process
