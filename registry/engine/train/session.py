"""A plan carried out: everything built and rehearsed first, then the run folder, then the loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ... import files
from ...errors import Hw1Error, InputError, PluginError, StoppedBySignal
from ...recipe.plan import Plan
from ..console import Display
from ..data.facts import input_line, plain_facts, seen_sizes
from ..data.loader import close
from ..network.weights import export_backbone
from ..records import checkpoints
from ..records.run_folder import RunFolder, environment, new_run_path, refuse_if_taken
from ..records.trackers import Trackers
from . import demo, loop
from .feature_cache import encode_once
from .prepare import Preparation
from .resume import differences
from .run import Run
from .summary import summarize


def execute(plan: Plan, console: Console, *, out: Path | None = None, resume: bool = False) -> dict[str, Any]:
    """Carry out a plan.

    Args:
        plan: from ``plans.make_plan``.
        console: where progress is shown.
        out: the run folder; ``runs/<recipe>/<date and time>`` when None.
        resume: go on from the folder's ``last.pt``.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: the input is wrong; nothing was written.
        PluginError: a plugin failed.
        StoppedBySignal: see ``loop.fit``.
    """
    folder = RunFolder(out or new_run_path(plan.recipe.path))
    refuse_if_taken(folder.path, resume=resume)
    display = Display(console)
    if plan.make is not None:
        plan = demo.with_made_data(plan, display)
    session = _Session(plan, folder, display)
    earlier = None
    if resume:
        earlier = checkpoints.load(folder.last)
        session.caveats += differences(plan, folder)
    run, learning = Preparation(plan, folder, display, session.caveats).prepare(earlier)
    return session.carry_out(run, learning, earlier)


class _Session:
    def __init__(self, plan: Plan, folder: RunFolder, display: Display) -> None:
        self.plan, self.folder, self.display = plan, folder, display
        self.caveats: list[str] = []

    def carry_out(self, run: Run, learning: loop.Learning, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
        """Open the folder, train, and write the summary whatever happens."""
        self.plan = run.plan  # completed by what was built
        self.folder.open(resume=earlier is not None)
        try:
            self._describe(run)
            if earlier is not None:
                loop.restore(run, learning, dict(earlier))
            run.trackers = Trackers(self.folder.path, self.folder.tensorboard, after=run.position.epoch - 1)
            self._introduce(run, learning)
            if run.task.encodes_once:
                encode_once(run, learning)
            summary = self._train(run, learning)
            if run.task.pretrains and (left := export_backbone(run)):
                self.display.say(f"backbone for other runs: {left}")
        finally:
            for loader in (learning.train_loader, *run.loaders.values()):
                close(loader)
            self.folder.close()
        self._conclude(run, summary)
        if run.failures:
            raise PluginError(
                f"{len(run.failures)} report(s)", run.failures[0], f"the weights are safe in {self.folder.path}"
            )
        return summary

    def _train(self, run: Run, learning: loop.Learning) -> dict[str, Any]:
        status = "failed"
        try:
            loop.fit(run, learning)
            status = "done"
        except StoppedBySignal:
            status = "stopped"
            raise
        except InputError as error:
            # Exit code 2 promises that nothing was done, and by now something was.
            raise Hw1Error(
                f"the run failed in epoch {run.position.epoch}: {error}", "mend it, then --resume"
            ) from error
        finally:
            summary = summarize(run, status)
            self.folder.write_json("summary.json", summary)
            run.trackers.close()
        return summary

    def _describe(self, run: Run) -> None:
        """What the run folder tells of the run's origin."""
        from ...recipe.scalars import dump

        path = self.folder.path
        parameters = sum(parameter.numel() for parameter in run.task.parameters())
        self.display.attach(path / "log.txt")
        files.write_text(path / "recipe.yaml", dump(self.plan.recipe.root.plain()))
        self.folder.write_json("plan.json", self.plan.as_json())
        told = {"runtime": str(run.runtime), "precision": run.runtime.precision, "parameters": parameters}
        facts = {**plain_facts(run.facts), "image_sizes": seen_sizes(run)}
        self.folder.write_json("environment.json", {**environment(), **told, "facts": facts})

    def _introduce(self, run: Run, learning: loop.Learning) -> None:
        plan, say = self.plan, self.display.say
        sizes = [parameter.numel() for parameter in run.task.parameters()]
        learning_sizes = [parameter.numel() for parameter in run.task.parameters() if parameter.requires_grad]
        frozen = f" of {sum(sizes) / 1e6:.2f}" if sum(sizes) > sum(learning_sizes) else ""
        images = f"{len(run.train)} training and {len(run.val) if run.val else 0} evaluation images"
        classes = f", {run.facts['num_classes']} classes" if "num_classes" in run.facts else ""
        say(f"{plan.data.name}: {images}{classes}")
        learns = f"{sum(learning_sizes) / 1e6:.2f}{frozen} M parameters learn"
        learns = f"{learns}, {plan.loop.epochs} epochs, batch {plan.loop.batch_size}"
        say(f"{plan.trainer.name}: {learns}")
        say(input_line(run))
        say(f"{run.runtime}")
        for text in run.caveats:
            self.display.note(text)
        if run.position.epoch > plan.loop.epochs:
            say("this run is complete; --set trainer.epochs=N with a larger N goes on with it")
        elif run.position.epoch > 1 or run.position.batch:
            done = f"{run.position.batch} of {len(learning.train_order)} batches"
            say(f"resumed in epoch {run.position.epoch} after {done}")
        say(f"writing to {self.folder.path}")

    def _conclude(self, run: Run, summary: Mapping[str, Any]) -> None:
        if summary["last"]:
            rows = [(name, summary["best"].get(name, value), value) for name, value in summary["last"].items()]
            self.display.results(self.plan.recipe.name, rows, summary["best_epoch"] or summary["epochs"])
        minutes, seconds = divmod(round(summary["wall_seconds"]), 60)
        speed = summary["images_per_second"]
        self.display.say(f"done in {minutes}:{seconds:02d} at {speed:.1f} training images/s" if speed else "done")
        self.display.say(f"run folder: {self.folder.path}   (tensorboard --logdir {self.folder.path})")
