"""Jobs of submitit's local executor: their results, one that is killed, one that is preempted, all stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.jobs import Job, State, carry_out

pytest.importorskip("submitit")

from registry.jobs.submitted import Submitted

#: Goes on where it was stopped, and saves where that was; 'ready' is written when it can be stopped.
RESUMABLE = """
trap 'echo saved; exit 75' TERM
if [ -f {state} ]; then echo resumed; exit 0; fi
touch {state}; echo ready
while true; do sleep 0.05; done
"""


def shell(tmp_path: Path, name: str, script: str, *needs: str) -> Job:
    return Job(name, ["sh", "-c", script], tmp_path / "logs" / f"{name}.txt", needs)


def when_ready(job: Job, then: object) -> threading.Thread:
    def wait() -> None:
        while not job.log.is_file() or "ready" not in job.log.read_text():
            time.sleep(0.02)
        then()  # type: ignore[operator]

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_killed_job_fails_alone_and_a_preempted_one_is_saved_and_goes_on(tmp_path: Path) -> None:
    resumable = RESUMABLE.format(state=tmp_path / "state")
    jobs = [
        shell(tmp_path, "killed", "kill -9 $$"),
        shell(tmp_path, "needs it", "true", "killed"),
        shell(tmp_path, "preempted", resumable),
        shell(tmp_path, "after", "echo $CUDA_VISIBLE_DEVICES$OMP_NUM_THREADS", "preempted"),
    ]
    executor = Submitted(tmp_path / "submitit", "local", 2)

    def preempt() -> None:
        """What SLURM sends to a job's process before it takes the machine away."""
        controller = executor._running["preempted"][0].job_id
        (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
        os.kill(int(task), signal.SIGUSR2)

    thread = when_ready(jobs[2], preempt)
    outcomes = carry_out(jobs, executor, every=0.05)
    thread.join()
    found = {name: outcome.state for name, outcome in outcomes.items()}
    assert found == {
        "killed": State.FAILED,
        "needs it": State.SKIPPED,
        "preempted": State.DONE,
        "after": State.DONE,
    }
    assert str(outcomes["killed"]) == "killed by SIGKILL"
    assert jobs[2].log.read_text() == "ready\nsaved\nresumed\n"
    assert jobs[3].log.read_text().strip() == os.environ.get("CUDA_VISIBLE_DEVICES", "") + "1"


def test_an_interrupt_stops_submitted_jobs_where_they_save(tmp_path: Path) -> None:
    jobs = [shell(tmp_path, name, RESUMABLE.format(state=tmp_path / name)) for name in ("one", "two")]
    last: dict[str, State] = {}
    both = when_ready(jobs[0], lambda: when_ready(jobs[1], lambda: os.kill(os.getpid(), signal.SIGINT)).join())
    with pytest.raises(KeyboardInterrupt):
        executor = Submitted(tmp_path / "submitit", "local", 2)
        carry_out(jobs, executor, lambda found: last.update({n: o.state for n, o in found.items()}), every=0.05)
    both.join()
    assert last == {"one": State.STOPPED, "two": State.STOPPED}
    assert [job.log.read_text() for job in jobs] == ["ready\nsaved\n"] * 2


def test_what_slurm_is_asked_for_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r'--executor: Could not detect "srun"'):
        Submitted(tmp_path / "submitit", "slurm", 2)
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    with pytest.raises(InputError, match="--slurm: expected KEY=VALUE, got 'gpu'"):
        Submitted(tmp_path / "submitit", "slurm", 2, options=["gpu"])
    with pytest.raises(InputError, match=r"(?s)--slurm: .*Unknown argument 'partitoin'"):
        Submitted(tmp_path / "submitit", "slurm", 2, options=["partitoin=gpu"])
    Submitted(tmp_path / "submitit", "slurm", 2, options=["partition=gpu", "time=60", "cpus_per_task=4"])
