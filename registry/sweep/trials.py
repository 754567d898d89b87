"""The trials of a sweep, in Optuna's journal: what is left to do, who does it, and how each trial ended."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from ..recipe.grammar import SweepSettings
from ..recipe.load import Recipe
from ..recipe.search import Space
from ..recipe.yaml import NOWHERE, Node
from ..results.runs import read_if_done
from .locks import FileLock, JournalLock

#: Processes that may die in a trial between two evaluations, before it counts as failed.
MOST_DEATHS: Final = 5
#: Trials that fail at the beginning of a sweep, and end it if no other one does not.
_ALL_FAILED: Final = 3
#: Seconds between two looks at what others have finished.
_EVERY: Final = 0.5


@dataclass
class Job:
    """A run of a sweep that this process is to carry out.

    Args:
        name: its folder in the sweep's.
        recipe: with values in the search spaces.
        claim: keeps other processes away from it.
        trial: None where a recipe is repeated with another seed.
    """

    name: str
    recipe: Recipe
    claim: FileLock
    trial: Trial | None = None


class Trials:
    """The trials of a sweep.

    Args:
        folder: the sweep's; it exists.
        recipe: with search spaces.
        settings: of the sweep.
        epochs: of a trial, as in the recipe with default values.
    """

    def __init__(self, folder: Path, recipe: Recipe, settings: SweepSettings, epochs: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder, self.recipe, self.settings = folder, recipe, settings
        seed = recipe.root.get("seed")
        self.seed = seed.value if seed is not None and isinstance(seed.value, int) else 0
        (folder / "claims").mkdir(exist_ok=True)
        self.exclusive = FileLock(folder / "claims" / "next.lock")
        journal = folder / "journal.jsonl"
        with self.exclusive:
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal), JournalLock(journal)))
            # Every score is stored so that larger is better.
            self.study = optuna.create_study(
                storage=storage,
                study_name="sweep",
                direction="maximize",
                pruner=_pruner(settings, epochs),
                load_if_exists=True,
            )
            if not self.all():
                self.study.enqueue_trial({space.name: space.default for space in recipe.spaces.values()})

    def all(self) -> list[FrozenTrial]:
        """Every trial, by its number."""
        return self.study.get_trials(deepcopy=False)

    def best(self) -> FrozenTrial | None:
        """The trial with the best score of those that were trained to the end; the first of equal ones."""
        complete = [each for each in self.all() if each.state == TrialState.COMPLETE]
        return max(complete, key=lambda each: (each.value, -each.number), default=None)

    def repeats(self) -> dict[str, tuple[FrozenTrial, int]]:
        """The runs that follow the trials: name -> trial and seed, of the best trial and the default one."""
        best, seeds = self.best(), range(self.seed + 1, self.seed + 1 + self.settings.seeds)
        if best is None:
            return {}
        default = self.all()[0]
        chosen = [best] if default.number == best.number or state_of(default) == "failed" else [best, default]
        return {f"{run_name(each.number)}_seed={seed}": (each, seed) for each in chosen for seed in seeds}

    @property
    def failures(self) -> dict[str, str]:
        """Why repeats failed, by their names."""
        return dict(self.study.user_attrs.get("failures", {}))

    # --- what is left to do ---------------------------------------------------------------------

    def next(self) -> Job | None:
        """A run that nobody carries out: one whose process has died, a new trial, a repeat; waits while others work.

        Returns:
            None when everything is done.
        """
        while True:
            with self.exclusive:
                found = self._claimed()
            if not isinstance(found, bool):
                return found
            if found:
                return None
            time.sleep(_EVERY)

    def _claimed(self) -> Job | bool:
        """A run for this process; whether all is done where there is none."""
        trials = self.all()
        for trial in trials:
            if trial.state == TrialState.RUNNING and (claim := self._claim(run_name(trial.number))) is not None:
                return self._job(trial._trial_id, trial.number, claim)
        ended = [trial for trial in trials if trial.state.is_finished()]
        if len(ended) >= _ALL_FAILED and all(state_of(trial) == "failed" for trial in ended):
            return True
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if waiting or len(trials) < self.settings.trials:
            trial_id = self.study.ask()._trial_id
            number = next(each.number for each in self.all() if each._trial_id == trial_id)
            claim = self._claim(run_name(number))
            assert claim is not None  # nobody else knows of it
            return self._job(trial_id, number, claim)
        if len(ended) < len(trials):
            return False
        failures = self.failures
        left = [name for name in self.repeats() if name not in failures and read_if_done(self.folder / name) is None]
        for name in left:
            if (claim := self._claim(name)) is not None:
                trial, seed = self.repeats()[name]
                return Job(name, self._titled(self.recipe_of(trial, seed), name), claim)
        return not left

    def _claim(self, name: str) -> FileLock | None:
        claim = FileLock(self.folder / "claims" / f"{name}.lock")
        return claim if claim.acquire(wait=False) else None

    def _job(self, trial_id: int, number: int, claim: FileLock) -> Job:
        # What is suggested is a function of the recipe's seed, the trial's number and the trials before.
        seed = (self.seed * 1_000_003 + number) % 2**32
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.settings.random)
        trial = Trial(self.study, trial_id)
        recipe = self.recipe.with_values(lambda space: _suggest(trial, space))
        return Job(run_name(number), self._titled(recipe, run_name(number)), claim, trial)

    def recipe_of(self, trial: FrozenTrial, seed: int | None = None) -> Recipe:
        """The recipe with a trial's values, and with another seed."""
        root = (self.recipe.searched or self.recipe.root).copy()
        if seed is not None:
            root.value["seed"] = Node(seed, NOWHERE, str(seed))
        return replace(self.recipe, searched=root).with_values(lambda space: trial.params[space.name])

    @staticmethod
    def _titled(recipe: Recipe, name: str) -> Recipe:
        return replace(recipe, title=name, setting=name.partition("_seed=")[0])

    # --- how a trial goes on --------------------------------------------------------------------

    def begin(self, trial: Trial) -> str | None:
        """Note that a process begins with a trial; why it is given up where too many have died in it."""
        reached = self._reached(trial)
        starts = [*(each for each in trial.user_attrs.get("starts", []) if each == reached), reached]
        if len(starts) > MOST_DEATHS:
            return f"its process died {MOST_DEATHS} times without an evaluation in between"
        trial.set_user_attr("starts", starts)
        return None

    def stopped(self, trial: Trial) -> None:
        """Note that its process did not die: it was asked to stop."""
        trial.set_user_attr("starts", [])

    def _reached(self, trial: Trial) -> int:
        return len(self.all()[trial.number].intermediate_values)

    def report(self, trial: Trial, score: float, epoch: int, about: Sequence[Any]) -> bool:
        """Record a score; whether the trial goes on.

        Args:
            trial: in progress.
            score: of the evaluation.
            epoch: after it.
            about: the score's name, whether higher is better, and the run's epochs.
        """
        monitor, higher, epochs = about
        if "monitor" not in self.study.user_attrs:
            self.study.set_user_attr("higher_is_better", higher)
            self.study.set_user_attr("monitor", monitor)
        if trial.user_attrs.get("epochs") != epochs:
            trial.set_user_attr("epochs", epochs)
        if not math.isfinite(score):
            return True
        if epoch not in self.all()[trial.number].intermediate_values:  # else it is reached a second time, after a kill
            trial.report(score if higher else -score, epoch)
        return not trial.should_prune()

    def tell(self, trial: Trial, state: TrialState, score: float | None = None, **notes: Any) -> None:
        """Record how a trial ended."""
        for name, note in notes.items():
            trial.set_user_attr(name, note)
        signed = None if score is None or state != TrialState.COMPLETE else score * self.sign
        self.study.tell(trial, signed, state, skip_if_finished=True)

    def fail(self, trial: Trial, reason: str, **notes: Any) -> None:
        """Record that a trial failed: to the sampler as pruned, which avoids such values, and ignores failures."""
        self.tell(trial, TrialState.PRUNED, reason=reason, **notes)

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.study.user_attrs.get("higher_is_better", True) else -1

    def fail_repeat(self, name: str, reason: str) -> None:
        """Record that the recipe of a trial could not be trained with another seed."""
        with self.exclusive:
            self.study.set_user_attr("failures", {**self.failures, name: reason})


def state_of(trial: FrozenTrial) -> str:
    """``done``, ``pruned``, ``failed`` or ``running``."""
    if "reason" in trial.user_attrs and trial.state.is_finished():
        return "failed"
    return {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned"}.get(trial.state, "running")


def run_name(number: int) -> str:
    """The folder of a trial."""
    return f"trial_{number:04d}"


def _suggest(trial: Trial, space: Space) -> Any:
    if space.options:
        return trial.suggest_categorical(space.name, list(space.options))
    if space.search == "int":
        return trial.suggest_int(space.name, space.low, space.high, step=space.step or 1)
    return trial.suggest_float(space.name, space.low, space.high, step=space.step, log=space.search == "log")


def _pruner(settings: SweepSettings, epochs: int) -> optuna.pruners.BasePruner:
    grace = settings.grace
    match settings.pruner:
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=grace)
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=grace, reduction_factor=3)
        case "hyperband":
            most = max(epochs, grace)
            return optuna.pruners.HyperbandPruner(min_resource=grace, max_resource=most, reduction_factor=3)
    return optuna.pruners.NopPruner()
