"""Jobs that need one another: which are ready, running and done. An executor runs them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ..errors import DONE, STOPPED
from ..signals import held


class State(StrEnum):
    """Of a job; a skipped one needs a job that did not end well."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Job:
    """A command.

    Args:
        name: what it is called.
        command: the program and its words.
        log: the file to which its output is appended.
        needs: names of jobs that have to be done before.
    """

    name: str
    command: Sequence[str]
    log: Path
    needs: Sequence[str] = ()


@dataclass
class Outcome:
    """What became of a job.

    Args:
        state: of it.
        code: its exit code, -N where signal N ended it; None where it has not ended.
    """

    state: State = State.WAITING
    code: int | None = None

    def __str__(self) -> str:
        if self.code is None or self.code >= 0:
            return f"exit code {self.code}"
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-self.code, f'signal {-self.code}')}"


class Executor(Protocol):
    """Where jobs run."""

    def room(self) -> int:
        """How many more jobs it takes now."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Start jobs, at most as many as it has room for."""

    def ended(self) -> Mapping[str, int]:
        """The exit codes of the jobs that have ended since the last call, by name."""

    def stop(self) -> None:
        """Ask every running job to stop; each further call is more urgent."""


def carry_out(
    jobs: Sequence[Job],
    executor: Executor,
    changed: Callable[[Mapping[str, Outcome]], None] = lambda outcomes: None,
    *,
    every: float = 0.2,
) -> dict[str, Outcome]:
    """Run jobs, each as soon as those that it needs are done and there is room.

    Args:
        jobs: with names of their own; a need outside of them counts as done.
        executor: runs them.
        changed: is called with all outcomes ``every`` so many seconds.

    Raises:
        KeyboardInterrupt: when all jobs have stopped; one more while they do is passed on to them.
    """
    outcomes = {job.name: Outcome() for job in jobs}

    def in_state(*states: State) -> list[Job]:
        return [job for job in jobs if outcomes[job.name].state in states]

    def collect() -> None:
        for name, code in executor.ended().items():
            state = State.DONE if code == DONE else State.STOPPED if code == STOPPED else State.FAILED
            outcomes[name] = Outcome(state, code)
        changed(outcomes)

    try:
        while in_state(State.WAITING, State.RUNNING):
            with held():
                for job in in_state(State.WAITING):
                    needed = {outcomes[need].state for need in job.needs if need in outcomes}
                    if needed & {State.FAILED, State.STOPPED, State.SKIPPED}:
                        outcomes[job.name].state = State.SKIPPED
                waiting = in_state(State.WAITING)
                done = {name for name, outcome in outcomes.items() if outcome.state is State.DONE}
                ready = [job for job in waiting if all(need in done or need not in outcomes for need in job.needs)]
                if ready := ready[: executor.room()]:
                    executor.start(ready)
                    for job in ready:
                        outcomes[job.name].state = State.RUNNING
                    changed(outcomes)
                collect()
            time.sleep(every)
    except KeyboardInterrupt:
        while in_state(State.RUNNING):
            try:
                with held():
                    executor.stop()
                while in_state(State.RUNNING):
                    with held():
                        collect()
                    time.sleep(every)
            except KeyboardInterrupt:
                continue
        raise
    changed(outcomes)
    return outcomes
