"""Jobs that need one another, in processes: order, shares, deaths, and being stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from registry.jobs import Job, Look, Outcome, Processes, State, View, carry_out


def shell(tmp_path: Path, name: str, script: str, *needs: str) -> Job:
    return Job(name, ["sh", "-c", script], tmp_path / "logs" / f"{name}.txt", needs)


def states(outcomes: Mapping[str, Outcome]) -> dict[str, State]:
    return {name: outcome.state for name, outcome in outcomes.items()}


def test_jobs_run_when_those_that_they_need_are_done_and_there_is_room(tmp_path: Path) -> None:
    times = "date +%s%N; sleep 0.4; date +%s%N"
    jobs = [
        shell(tmp_path, "after", times, "one", "two"),
        shell(tmp_path, "one", times),
        shell(tmp_path, "two", times),
        shell(tmp_path, "three", times, "finished before"),
    ]
    outcomes = carry_out(jobs, Processes(2), every=0.02)
    assert set(states(outcomes).values()) == {State.DONE}
    spans = {job.name: tuple(map(int, job.log.read_text().split())) for job in jobs}
    assert spans["after"][0] >= max(spans["one"][1], spans["two"][1])
    moments = [(start, 1) for start, _ in spans.values()] + [(end, -1) for _, end in spans.values()]
    going, most = 0, 0
    for _, change in sorted(moments):
        going += change
        most = max(most, going)
    assert most == 2


def test_gpus_are_assigned_round_robin_and_processors_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    script = 'echo "$CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS"; sleep 0.2'
    jobs = [shell(tmp_path, f"job{number}", script) for number in range(3)]
    carry_out(jobs, Processes(3), every=0.02)
    share = max(1, len(os.sched_getaffinity(0)) // 3)
    assert [job.log.read_text().split() for job in jobs] == [[gpu, str(share)] for gpu in ("3", "5", "3")]
    pair = shell(tmp_path, "pair", script)
    carry_out([pair], Processes(1, gpus=2), every=0.02)
    assert pair.log.read_text().split()[0] == "3,5"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    none = shell(tmp_path, "none", 'echo "[$CUDA_VISIBLE_DEVICES]"')
    carry_out([none], Processes(2), every=0.02)
    assert none.log.read_text() == "[]\n"


def test_a_job_that_dies_takes_those_that_need_it_along_and_no_others(tmp_path: Path) -> None:
    jobs = [
        shell(tmp_path, "killed", "kill -9 $$"),
        shell(tmp_path, "failed", "echo oh; echo no >&2; exit 3"),
        shell(tmp_path, "stopped", "exit 75"),
        shell(tmp_path, "needs it", "true", "killed"),
        shell(tmp_path, "needs that", "true", "needs it"),
        shell(tmp_path, "other", "true"),
    ]
    text = StringIO()
    with View(Console(file=text, width=100), jobs, lambda job: Look(1, 2, "halfway")) as view:
        outcomes = carry_out(jobs, Processes(2), view, every=0.02)
    ended = (State.FAILED, State.FAILED, State.STOPPED, State.SKIPPED, State.SKIPPED, State.DONE)
    assert states(outcomes) == {job.name: state for job, state in zip(jobs, ended, strict=True)}
    assert (str(outcomes["killed"]), outcomes["failed"].code) == ("killed by SIGKILL", 3)
    assert jobs[1].log.read_text() == "oh\nno\n"
    shown = text.getvalue()
    assert "failed   killed  killed by SIGKILL, see " in shown and "done     other  halfway" in shown
    assert "skipped  needs it  it needs a run that is not done" in shown


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_stops_all_jobs_and_waits_for_them(tmp_path: Path, stubborn: bool) -> None:
    saves = "trap 'echo saved; exit 75' TERM; echo ready; while true; do sleep 0.05; done"
    ignores = "trap '' TERM; echo ready; while true; do sleep 0.05; done"
    jobs = [shell(tmp_path, "saves", saves), shell(tmp_path, "other", ignores if stubborn else saves)]
    jobs.append(shell(tmp_path, "waits", "true", "saves"))
    last: dict = {}

    def interrupt() -> None:
        while not all(job.log.is_file() and "ready" in job.log.read_text() for job in jobs[:2]):
            time.sleep(0.02)
        for _ in range(3 if stubborn else 1):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        carry_out(jobs, Processes(2), lambda found: last.update(states(found)), every=0.02)
    thread.join()
    ended = State.FAILED if stubborn else State.STOPPED
    assert last == {"saves": State.STOPPED, "other": ended, "waits": State.WAITING}
    assert jobs[0].log.read_text() == "ready\nsaved\n"
