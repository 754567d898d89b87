"""Faults of a plugin that are found without building anything, each by its check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from checking import failures

from registry.catalog.registry import Registry

Install = Callable[..., None]

GOOD = '''
def net(*, width: int = 1) -> "object":
    """Good.

    Args:
        width: of it.
    """
'''

#: What is wrong -> the spec's source, the check that finds it, and words of its message.
STATIC = {
    "crash": ("raise RuntimeError('boom at import')", "imports", "boom at import"),
    "exits": ("import os; os._exit(7)", "imports", "code 7"),
    "prints": (f"print('hello'){GOOD}", "imports in silence", "hello"),
    "writes": (f"import os; os.write(1, b'from below'){GOOD}", "imports in silence", "from below"),
    "heavy": (f"import numpy{GOOD}", "imports nothing heavy", "numpy"),
    "slow": (f"import time; time.sleep(0.6){GOOD}", "imports quickly", "takes 0."),
    "connects": (
        f"import socket\ntry: socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass{GOOD}",
        "imports",
        "connects to",
    ),
    "positional": ("def net(width: int = 1):\n    'Positional.'", "spec", "keyword-only"),
    "untyped": ("def net(*, width=1):\n    'No type.'", "spec", "no type annotation"),
    "undocumented": ("def net(*, width: int = 1):\n    'One line.'", "documentation", "does not explain width"),
    "stale": (GOOD.replace("width:", "depth:", 2).replace("(*, depth", "(*, width"), "documentation", "width"),
    "silent": ("def net(*, width: int = 1): ...", "documentation", "has no docstring"),
}


@pytest.mark.parametrize("fault", STATIC)
def test_a_fault_is_found_without_running(fault: str, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "slow":
        monkeypatch.setattr("registry.contracts.static.SLOW", 0.5)
    source, check, words = STATIC[fault]
    module = f"hostile_{fault}"
    install(f"hostile-{fault}", {"backbones/bad": f"{module}:net", "api/1.0": "registry:API_VERSION"})
    install("neighbour", {"backbones/neighbour": "neighbour:net"}, {"neighbour.py": GOOD, f"{module}.py": source})
    found = failures(f"hostile-{fault}", run=fault == "crash")
    assert list(found) == [check] and words in found[check]
    assert "why it matters: " in found[check] and "instead: " in found[check]
    assert Registry().find("backbones", "neighbour").spec().summary == "Good."


def test_metadata_is_checked(install: Install, site: Path) -> None:
    install("twin-a", {"backbones/twin": "twin_a:net", "backbone/lost": "twin_a:net"}, {"twin_a.py": GOOD})
    install("twin-b", {"backbones/twin": "twin_b:net", "api/9.0": "registry:API_VERSION"}, {"twin_b.py": GOOD})
    found = failures("twin-a", run=False)
    assert "'hw1cli.backbone', which hw1cli does not read" in found["entry points"]
    assert "does not declare" in found["API version"] and '"1.0" = "registry:API_VERSION"' in found["API version"]
    found = failures("twin-b", run=False)
    assert "9.0" in found["API version"] and "this hw1cli has 1.0" in found["API version"]
    install("twin-c", {"backbones/twin": "twin_c:net", "losses/ce": "twin_c:net"}, {"twin_c.py": GOOD})
    found = failures("twin-c", run=False, only="twin")
    assert "twin-a 0.3 offers backbones/twin as well" in found["name"]
    assert "'cross_entropy' in hw1cli" in failures("twin-c", run=False, only="ce")["name"]


def test_a_module_missing_from_the_wheel(install: Install, site: Path) -> None:
    install("lacking", {"backbones/a": "not_in_the_wheel:net", "backbones/b": "beside:net"}, {"beside.py": GOOD})
    (site / "lacking-0.3.dist-info" / "RECORD").write_text("other.py,,\nlacking-0.3.dist-info/METADATA,,\n")
    messages = [text for check, text in failures("lacking", run=False, by=str).items() if "installed with it" in check]
    assert "module 'not_in_the_wheel' does not exist" in messages[0] and "which lacking did not install" in messages[1]
