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
from torch.utils.data import DataLoader

from ..plans import Plan
from ..problems import Hw1Error, InputError, PluginError, StoppedBySignal
from . import checkpoints, demo, loop
from .averaging import WeightAverage
from .backbones import normalization_of
from .building import build, build_transform, compose
from .display import Display
from .facts import completed_facts, input_line, plain_facts
from .groups import refine
from .handover import leave_backbone
from .loading import Augmented, EpochOrder, checked, close, collate, draw, make_loader, workers_for
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
            facts = {**completed_facts(data), **self._loop_facts()}
            seed_everything(draw(plan.seed, 1))  # weights depend on the seed, not on what was built before
            task: Task = build(plan.trainer, facts)
            splits = self._splits(data, task, facts)
            reports = [build(report, facts) for report in plan.reports]
        mean, std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in normalization_of(task))
        order = self._order(splits["learn"], task)
        runtime = self._runtime(task, splits, order, device, (mean, std), earlier)
        run, learning = self._assemble(task, splits, order, runtime, facts, (mean, std), reports)
        for report in reports:
            if hasattr(report, "ready"):
                report.ready(run)
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

    def _splits(self, data: Any, task: Task, facts: Mapping[str, Any]) -> dict[str, Augmented]:
        """What is learned from (``learn``), and the splits to evaluate on by name, each with its augmentations."""
        augment = self.plan.augment
        train_samples = data.split("train")
        if len(train_samples) == 0:
            raise InputError.of("data", "the training split is empty")
        views = None if task.views is None else [compose([view]) for view in task.views]
        train_transform = build_transform(augment.get("train", []), facts)
        splits = {"learn": Augmented(train_samples, train_transform, seed=draw(self.plan.seed, 2), views=views)}
        source = task.evaluation_data or data
        held_out = {name: source.split(name) for name in task.evaluation_splits}
        if not all(held_out.values()):
            self.notices.append("there is no evaluation split: no scores, and no best checkpoint")
            return splits
        eval_transform = build_transform(augment.get("eval", []), facts)
        return splits | {name: Augmented(samples, eval_transform, seed=None) for name, samples in held_out.items()}

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
        splits: Mapping[str, Augmented],
        order: EpochOrder,
        device: torch.device,
        normalization: tuple[torch.Tensor, torch.Tensor],
        earlier: Mapping[str, Any] | None,
    ) -> Runtime:
        """Rehearse a step, then decide precision and layout: as the recipe says, as before, or measured."""
        settings = self.plan.runtime
        precision: str = settings.precision
        layout: str = settings.memory_format
        batch = checked(collate([splits["learn"][key] for key in next(iter(order))[:IMAGES]]))
        held_out = {
            name: checked(collate([split[0, index] for index in range(min(IMAGES, len(split)))]))
            for name, split in splits.items()
            if name != "learn"
        }
        rehearse(task, batch, held_out, device, *normalization)
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
        splits: Mapping[str, Augmented],
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
        groups = refine(task.parameter_groups(), task, layer_decay=settings.layer_decay, decay=settings.decay)
        optimizer = build(plan.optimizer, {**facts, **counts, "params": groups})
        schedule = build(plan.schedule, {**facts, **counts})
        wrapped, optimizer = runtime.fabric.setup(task, optimizer)
        if plan.runtime.compile:
            wrapped = torch.compile(wrapped)
        held_out = {name: split for name, split in splits.items() if name != "learn"}
        loaders = {name: self._evaluation_loader(split, runtime) for name, split in held_out.items()}
        train = splits["learn"]
        train_loader = self._loader(train, order, runtime)
        average = WeightAverage(task, settings.ema) if settings.ema is not None else None
        learning = loop.Learning(wrapped, optimizer, schedule, train_loader, order, reports, average)
        run = Run(
            *(plan, self.folder, facts, runtime, task, train, held_out.get("val"), normalization, self.display),
            loaders=loaders,
            notices=self.notices,
        )
        return run, learning

    def _evaluation_loader(self, split: Augmented, runtime: Runtime) -> DataLoader[Any]:
        settings = self.plan.loop
        return self._loader(
            split, EpochOrder(len(split), settings.eval_batch_size or settings.batch_size, seed=None), runtime
        )

    def _loader(self, split: Augmented, order: EpochOrder, runtime: Runtime) -> DataLoader[Any]:
        workers = workers_for(self.plan.runtime.workers, len(split))
        return make_loader(split, order, workers=workers, pin_memory=runtime.device.type == "cuda")

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
            if run.task.pretrains and (left := leave_backbone(run)):
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
        self.folder.write_json("environment.json", {**environment(), **told, "facts": plain_facts(run.facts)})

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
            self.display.results(self.plan.recipe.name, rows, summary["best_epoch"] or summary["epochs"])
        minutes, seconds = divmod(round(summary["wall_seconds"]), 60)
        speed = summary["images_per_second"]
        self.display.say(f"done in {minutes}:{seconds:02d} at {speed:.1f} training images/s" if speed else "done")
        self.display.say(f"run folder: {self.folder.path}   (tensorboard --logdir {self.folder.path})")
