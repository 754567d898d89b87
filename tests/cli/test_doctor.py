"""``doctor``: everything is tried, and what is broken is named with the reason and in the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import ROOT

from registry.cli.commands.doctor import Finding, print_findings

FAILING = {
    "failing_plugin.py": """
    def trainer() -> "object":
        "A trainer that cannot be built."
        raise ZeroDivisionError("by chance")
    """,
}


@pytest.mark.slow
def test_doctor_tries_everything_and_names_what_is_broken_and_why(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("crashing", {"backbones/crash": "crashing:net"}, {"crashing.py": "raise RuntimeError('boom')\n"})
    install("failing", {"trainers/fails": "failing_plugin:trainer"}, FAILING)
    monkeypatch.setenv("TORCH_HOME", "/proc/1/torch")
    command = [sys.executable, str(ROOT / "hw1cli.py"), "doctor", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    report = json.loads(ended.stdout)
    findings = [Finding(**each) for each in report["findings"]]
    found = {(each.part, each.name): each for each in findings}
    assert {part for part, _ in found} == {"machine", "libraries", "storage", "plugins", "trainers"}
    for part, name in (("machine", "cpu"), ("machine", "allocator"), ("libraries", "torch"), ("storage", "cache")):
        assert found[part, name].state == "ok"
    trained = {name for part, name in found if part == "trainers" and found[part, name].state == "ok"}
    assert trained >= {"classification", "segmentation", "byol", "moco", "dino"}

    assert ended.returncode == 3 and not report["ok"]
    broken = {name: each.text for (_, name), each in found.items() if each.state == "broken"}
    assert "boom" in broken.pop("backbones/crash") and "by chance" in broken.pop("fails")
    assert "not writable" in broken.pop("weights of torch") and broken == {}

    monkeypatch.setenv("COLUMNS", "80")
    print_findings(findings)
    shown = capsys.readouterr().out
    assert "things broken" in shown and "boom" in shown and max(map(len, shown.splitlines())) <= 80
