"""A plan carried out: everything built and rehearsed first, then the run folder, then the loop."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..plans import Plan
from ..problems import Hw1Error, InputError, PluginError, StoppedBySignal
from . import checkpoints, demo, loop
from .backbones import normalization_of
from .building import build, build_transform
from .display import Display
from .loading import Augmented, EpochOrder, checked, collate, draw, make_loader, workers_for
from .monitors import Monitors
from .probing import IMAGES, choose, rehearse
from .resuming import differences
from .run import Run
from .runs import RunFolder, environment, new_run_path, refuse_if_taken, write_atomically
from .runtime import Runtime, device_for, open_runtime
from .summary import summarize
from .task import Task, has_batch_norm, seed_everything


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
        session.notices += differences(plan, folder)
    run, learning = session.prepare(earlier)
    return session.carry_out(run, learning, earlier)


class _Session:
    def __init__(self, plan: Plan, folder: RunFolder, display: Display) -> None:
        self.plan, self.folder, self.display = plan, folder, display
        self.notices: list[str] = []

    # --- before anything is written -------------------------------------------------------------

    def prepare(self, earlier: Mapping[str, Any] | None) -> tuple[Run, loop.Learning]:
        """Build every component and rehearse a step; the folder is opened last."""
        plan = self.plan
        seed_everything(draw(plan.seed, 0))
        device = device_for(plan.runtime.device)
        self._tell_random_starts()
        with self._heard():
            data = build(plan.data, {"seed": plan.seed})
            facts = {"in_channels": 3, "ignore_index": None, **data.facts, **self._loop_facts()}
            train, val = self._splits(data, facts)
            seed_everything(draw(plan.seed, 1))  # weights depend on the seed, not on what was built before
            task: Task = build(plan.trainer, facts)
            reports = [build(report, facts) for report in plan.reports]
        mean, std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in normalization_of(task))
        order = self._order(train, task)
        runtime = self._runtime(task, train, order, device, (mean, std), earlier)
        run, learning = self._assemble(task, train, val, order, runtime, facts, (mean, std), reports)
        return run, learning

    def _tell_random_starts(self) -> None:
        """Say which networks start from random weights though they could start from pretrained ones."""
        for part in self.plan.components():
            given = part.given_or_default()
            if given.get("pretrained") is False and given.get("weights") is None:
                text = f"{part.name} starts from random weights (pretrained: false)"
                self.notices.append(f"{text}: the demo needs no download" if self.plan.demo else text)

    def _loop_facts(self) -> dict[str, Any]:
        return {"epochs": self.plan.loop.epochs, "batch_size": self.plan.loop.batch_size, "seed": self.plan.seed}

    def _splits(self, data: Any, facts: Mapping[str, Any]) -> tuple[Augmented, Augmented | None]:
        augment, seed = self.plan.augment, self.plan.seed
        train_samples, val_samples = data.split("train"), data.split("val")
        if len(train_samples) == 0:
            raise InputError.of("data", "the training split is empty")
        train = Augmented(train_samples, build_transform(augment.get("train", []), facts), seed=draw(seed, 2))
        if val_samples is None or len(val_samples) == 0:
            self.notices.append("there is no evaluation split: no scores, and no best checkpoint")
            return train, None
        return train, Augmented(val_samples, build_transform(augment.get("eval", []), facts), seed=None)

    def _order(self, train: Augmented, task: Task) -> EpochOrder:
        batch_size = self.plan.loop.batch_size
        order = EpochOrder(len(train), batch_size, seed=draw(self.plan.seed, 3), drop_single=has_batch_norm(task))
        if order.drops_one:
            self.notices.append(
                f"{len(train)} images in batches of {batch_size} leave one over; batch normalisation cannot learn from "
                "a single image, so each epoch leaves out its last one (another one each time)"
            )
        return order

    def _runtime(
        self,
        task: Task,
        train: Augmented,
        order: EpochOrder,
        device: torch.device,
        normalization: tuple[torch.Tensor, torch.Tensor],
        earlier: Mapping[str, Any] | None,
    ) -> Runtime:
        """Rehearse a step, then decide precision and layout: as the recipe says, as before, or measured."""
        settings = self.plan.runtime
        precision: str = settings.precision
        layout: str = settings.memory_format
        keys = next(iter(order))
        batch = checked(collate([train[key] for key in keys[:IMAGES]]))
        rehearse(task, batch, device, *normalization)
        reason = "as the recipe says"
        if earlier is not None:
            precision, layout, reason = earlier["precision"], earlier["memory_format"], "as before it was stopped"
        elif "auto" in (precision, layout):
            identity = json.dumps(self.plan.trainer.as_json(), sort_keys=True)
            with self._heard():
                measured = choose(task, batch, device, *normalization, identity)
            precision = measured[0] if precision == "auto" else precision
            layout = measured[1] if layout == "auto" else layout
            reason = measured[2]
        return open_runtime(settings, precision, layout, reason)

    def _assemble(
        self,
        task: Task,
        train: Augmented,
        val: Augmented | None,
        order: EpochOrder,
        runtime: Runtime,
        facts: Mapping[str, Any],
        normalization: tuple[torch.Tensor, torch.Tensor],
        reports: list[Any],
    ) -> tuple[Run, loop.Learning]:
        settings, plan = self.plan.loop, self.plan
        task.to(runtime.device).to(memory_format=runtime.layout)
        steps = -(-len(order) // settings.accumulate)
        counts = {"steps_per_epoch": steps, "total_steps": steps * settings.epochs}
        optimizer = build(plan.optimizer, {**facts, **counts, "params": task.parameter_groups()})
        schedule = build(plan.schedule, {**facts, **counts})
        wrapped, optimizer = runtime.fabric.setup(task, optimizer)
        if plan.runtime.compile:
            wrapped = torch.compile(wrapped)
        workers = workers_for(plan.runtime.workers, len(train))
        pin = runtime.device.type == "cuda"
        val_loader = None
        if val is not None:
            val_order = EpochOrder(len(val), settings.eval_batch_size or settings.batch_size, seed=None)
            val_loader = make_loader(val, val_order, workers=workers, pin_memory=pin)
        train_loader = make_loader(train, order, workers=workers, pin_memory=pin)
        learning = loop.Learning(wrapped, optimizer, schedule, train_loader, order, val_loader, reports)
        run = Run(
            plan, self.folder, facts, runtime, task, train, val, normalization, self.display, notices=self.notices
        )
        return run, learning

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Turn the warnings of factories into notices of the run."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            yield
        self.notices += dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning)

    # --- the run --------------------------------------------------------------------------------

    def carry_out(self, run: Run, learning: loop.Learning, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
        """Open the folder, train, and write the summary whatever happens."""
        self.folder.open(resume=earlier is not None)
        try:
            self._describe(run)
            if earlier is not None:
                loop.restore(run, learning, dict(earlier))
            run.monitors = Monitors(self.folder.path, self.folder.tensorboard, after=run.position.epoch - 1)
            self._introduce(run, learning)
            summary = self._train(run, learning)
        finally:
            learning.close()
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
            run.monitors.close()
        return summary

    def _describe(self, run: Run) -> None:
        """What the run folder tells of the run's origin."""
        from ..scalars import dump

        path = self.folder.path
        parameters = sum(parameter.numel() for parameter in run.task.parameters())
        self.display.attach(path / "log.txt")
        write_atomically(path / "recipe.yaml", dump(self.plan.recipe.root.plain()))
        self.folder.write_json("plan.json", self.plan.as_json())
        told = {"runtime": str(run.runtime), "precision": run.runtime.precision, "parameters": parameters}
        self.folder.write_json("environment.json", {**environment(), **told, "facts": dict(run.facts)})

    def _introduce(self, run: Run, learning: loop.Learning) -> None:
        plan, say = self.plan, self.display.say
        parameters = sum(parameter.numel() for parameter in run.task.parameters() if parameter.requires_grad)
        images = f"{len(run.train)} training and {len(run.val) if run.val else 0} evaluation images"
        say(f"{plan.data.name}: {images}, {run.facts.get('num_classes', '?')} classes")
        learns = f"{parameters / 1e6:.2f} M parameters, {plan.loop.epochs} epochs, batch {plan.loop.batch_size}"
        say(f"{plan.trainer.name}: {learns}")
        say(f"{run.runtime}")
        for text in run.notices:
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
            self.display.results(f"{self.plan.recipe.path.stem}", rows, summary["best_epoch"] or summary["epochs"])
        minutes, seconds = divmod(round(summary["wall_seconds"]), 60)
        speed = summary["images_per_second"]
        self.display.say(f"done in {minutes}:{seconds:02d} at {speed:.1f} training images/s" if speed else "done")
        self.display.say(f"run folder: {self.folder.path}   (tensorboard --logdir {self.folder.path})")
