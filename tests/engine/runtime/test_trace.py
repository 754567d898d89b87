"""``run --profile``: a trace of training steps in the run folder."""

from __future__ import annotations

import gzip
import json

from runs import train


def test_profile_writes_a_trace_of_five_training_steps(stranger, recipe, tmp_path, hw1cli):
    done = hw1cli("run", recipe, "--out", tmp_path / "run", "--profile", "--set", "trainer.epochs=4")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "run" / "profile").iterdir()
    assert path.name.endswith(".pt.trace.json.gz") and "trace of 5 steps" in done.stdout
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    steps = {event["name"] for event in events if str(event.get("name", "")).startswith("ProfilerStep#")}
    assert steps == {f"ProfilerStep#{number}" for number in range(3, 8)}
    names = [event.get("name") for event in events if event.get("ph") == "X"]
    assert names.count("Optimizer.step#AdamW.step") == 5
    assert "aten::convolution" in names and any("backward" in str(name).lower() for name in names)


def test_a_run_too_short_for_a_trace_reports_it(stranger, recipe, tmp_path):
    train(recipe, tmp_path / "run", "runtime.profile=true", "trainer.epochs=1")
    assert "no trace: it begins after 3 steps, and this run took 2" in (tmp_path / "run" / "log.txt").read_text()
