"""One view of all jobs: bars where there is a terminal, else a line when one starts and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from .loop import Job, Outcome, State

_STYLES: Final = {State.DONE: "green", State.FAILED: "red", State.STOPPED: "yellow", State.SKIPPED: "yellow"}


class Look(NamedTuple):
    """How far a job is.

    Attributes:
        done, total: in whatever unit.
        text: in words, such as the last score.
    """

    done: float
    total: float
    text: str


class View:
    """Shows jobs; a context manager, and the ``changed`` of ``carry_out``.

    Args:
        console: where.
        jobs: to be carried out.
        look: how far a running job is.
        before: jobs of the whole that were done before.
    """

    def __init__(self, console: Console, jobs: Sequence[Job], look: Callable[[Job], Look], before: int = 0) -> None:
        self.console, self._jobs, self._look, self._before = console, jobs, look, before
        self._states = {job.name: State.WAITING for job in jobs}
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        text = TextColumn("{task.fields[text]}", markup=False)
        self._bars = Progress(*columns, text, console=console, transient=True, disable=not console.is_terminal)
        self._all = self._bars.add_task("[bold]all", total=len(jobs) + before, completed=before, text="")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> View:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, outcomes: Mapping[str, Outcome]) -> None:
        for job in self._jobs:
            outcome = outcomes[job.name]
            if outcome.state is not self._states[job.name]:
                self._states[job.name] = outcome.state
                self._announce(job, outcome)
            if job.name in self._tasks:
                done, total, text = self._look(job)
                self._bars.update(self._tasks[job.name], completed=done, total=total, text=text)
        ended = [each.state for each in outcomes.values() if each.state not in (State.WAITING, State.RUNNING)]
        bad = len(ended) - ended.count(State.DONE)
        text = f"{len(ended) + self._before} of {len(outcomes) + self._before}" + f", {bad} not done" * bool(bad)
        self._bars.update(self._all, completed=len(ended) + self._before, text=text)

    def _announce(self, job: Job, outcome: Outcome) -> None:
        name, state = escape(job.name), outcome.state
        if state is State.RUNNING:
            self._tasks[job.name] = self._bars.add_task(name, total=None, text="starting")
            if not self.console.is_terminal:
                self.console.print(f"running  {name}  {escape(str(job.log))}", highlight=False, soft_wrap=True)
            return
        if (task := self._tasks.pop(job.name, None)) is not None:
            self._bars.remove_task(task)
        known = {State.DONE: self._look(job).text, State.SKIPPED: "it needs a run that is not done"}
        text = known.get(state, f"{outcome}, see {job.log}")
        self.console.print(f"[{_STYLES[state]}]{state:8}[/] {name}  {escape(text)}", highlight=False, soft_wrap=True)
