"""``doctor``: everything works here, and what is broken is named with the reason and in the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FAILING = {
    "failing_plugin.py": """
    def trainer() -> "object":
        "A trainer that cannot be built."
        raise ZeroDivisionError("by chance")
    """,
}


def doctor(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "hw1cli.py"), "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_doctor_tries_everything_and_finds_nothing_broken() -> None:
    ended = doctor("--json")
    report = json.loads(ended.stdout)
    assert ended.returncode == 0 and report["ok"], [each for each in report["findings"] if each["state"] == "broken"]
    found = {(each["part"], each["name"]): each for each in report["findings"]}
    assert {part for part, _ in found} == {"machine", "libraries", "storage", "plugins", "trainers"}
    for part, name in (("machine", "cpu"), ("machine", "allocator"), ("libraries", "torch"), ("storage", "cache")):
        assert found[part, name]["state"] == "ok"
    trained = {name for part, name in found if part == "trainers" and found[part, name]["state"] == "ok"}
    assert trained >= {"classification", "segmentation", "byol", "moco", "dino"}


@pytest.mark.slow
def test_doctor_names_broken_plugins_and_why(install, monkeypatch, tmp_path: Path) -> None:
    install("crashing", {"backbones/crash": "crashing:net"}, {"crashing.py": "raise RuntimeError('boom')\n"})
    install("failing", {"trainers/fails": "failing_plugin:trainer"}, FAILING)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TORCH_HOME", "/proc/1/torch")
    ended = doctor()
    assert ended.returncode == 3, ended.stderr
    shown = " ".join(ended.stdout.split())
    assert "backbones/crash" in shown and "boom" in shown and "fails" in shown and "by chance" in shown
    assert "things broken" in shown and max(map(len, ended.stdout.splitlines())) <= 80
