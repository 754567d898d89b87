"""A plan prepared to run: every component built, a step rehearsed, precision chosen; nothing is written."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from ...errors import InputError
from ...recipe.grammar import DataSettings
from ...recipe.plan import ComponentPlan, Plan
from ..build import build, build_shrinking, compose
from ..console import Console
from ..data.augmented import Augmented
from ..data.decoded import open_decoded
from ..data.facts import absent_classes, balancing_weights, completed_facts, plain_facts
from ..data.loader import EpochOrder, derive_seed, make_loader, workers_for
from ..data.preprocess import Preprocessor, checked, collate
from ..data.skipping import SkippedSamples
from ..data.split import Divided
from ..inspection.headers import faults, raise_faults
from ..network.contract import normalization_of
from ..records.run_folder import RunFolder
from ..records.trackers import Trackers
from ..runtime import autotune, processes
from ..runtime.batch_norm import synchronize
from ..runtime.checkpointing import checkpoint_blocks
from ..runtime.device import LAYOUTS, Runtime, device_for, open_runtime
from ..runtime.memory import OutOfMemory, is_out_of_memory, release
from ..runtime.sharding import choose_kernels, wanted
from .ema import WeightAverage
from .name_patterns import NamePatterns
from .param_groups import refine
from .rehearse import IMAGES, rehearse, train_step
from .run import Learning, Run
from .task import Task, has_batch_norm, learns, seed_everything

#: Floating-point operations per second that a network reaches on a few processors, roughly: whether loading is much
#: beside it is a question of factors.
_CPU_RATE: Final = 5e10


def open_data(plan: Plan) -> Any:
    """The data set of a plan, split where the recipe has ``split:``; what is wrong with that has its line."""
    data, written = build(plan.data, {"seed": plan.seed}), plan.recipe.root.get("split")
    if plan.split is None or written is None:
        return data
    try:
        return Divided(data, plan.split)
    except InputError as error:
        error.problems = [
            (written.get(each.path.removeprefix("split.")) or written).problem(each.path, each.message, each.hint)
            if each.path.startswith("split")
            else each
            for each in error.problems
        ]
        raise


class Preparation:
    """Builds the components of a plan.

    Args:
        plan: its data exist.
        folder: where the run will write; not touched here.
        console: for the run.
        caveats: of the run so far; more is added.
    """

    def __init__(self, plan: Plan, folder: RunFolder, console: Console, caveats: list[str]) -> None:
        self.plan, self.folder, self.console, self.caveats = plan, folder, console, caveats
        self.loading_share = 1.0
        self.data_settings = plan.data.settings or DataSettings()
        self.skipped = SkippedSamples(self.data_settings.max_skipped)

    def prepare(self, earlier: Mapping[str, Any] | None) -> tuple[Run, Learning]:
        """Build every component and rehearse a step; ``earlier`` is the checkpoint that a run resumes from."""
        with self.console.working("reading the data") as show:
            return self._prepare(earlier, show)

    def _prepare(self, earlier: Mapping[str, Any] | None, show: Callable[[str], None]) -> tuple[Run, Learning]:
        plan = self.plan
        seed_everything(derive_seed(plan.seed, 0))
        device = device_for(plan.runtime.device)
        self._note_random_starts()
        with self._capture_warnings():
            data = open_data(plan)
            self._look_at_files(data)
            settings = {"epochs": plan.loop.epochs, "batch_size": plan.loop.batch_size, "seed": plan.seed}
            self.facts = {**completed_facts(data, skip=self.data_settings.on_error == "skip"), **settings}
            show("building the network")
            seed_everything(derive_seed(plan.seed, 1))  # weights depend on the seed, not on what was built before
            self.task: Task = build(plan.trainer, self.facts)
            self.patterns = NamePatterns(self.task, plan.loop)
            if plan.runtime.gradient_checkpointing:
                checkpoint_blocks(self.task)
            self.train, self.held_out = self._splits(data)
            reports = [build(report, self.facts) for report in plan.reports]
            names = [part.name for part in plan.trackers]
            trackers = {
                part.name if names.count(part.name) == 1 else part.path: build(part, self.facts)
                for part in (plan.trackers if processes.rank() == 0 else [])
            }
        if not learns(self.task):
            self.plan = replace(plan, loop=replace(plan.loop, epochs=1))
        self.preprocess = Preprocessor.of(self.facts, normalization_of(self.task), device)
        self.order = self._order()
        show("rehearsing a training step")
        run, learning = self._assemble(self._runtime(earlier), reports, Trackers(self.folder.path, trackers))
        for part, report in zip(plan.reports, reports, strict=True):
            if hasattr(report, "ready"):
                with part.attach_location():
                    report.ready(run)
        return run, learning

    def _note_random_starts(self) -> None:
        """Caveats for networks that start from random weights though they could start from pretrained ones."""
        for part in self.plan.components():
            if part.start.declines_pretrained:
                text = f"{part.name} starts from random weights (pretrained: false)"
                self.caveats.append(f"{text}: the demo needs no download" if self.plan.demo else text)

    def _look_at_files(self, data: Any) -> None:
        """Report every file whose header shows that it cannot be used.

        Raises:
            InputError: there are such files, and they may not be skipped, or too many.
        """
        settings, found = self.data_settings, []
        for samples in filter(None, (data.split("train"), data.split("val"))):
            found += faults(samples, round(settings.max_megapixels * 1e6), bands=settings.bands)
        if settings.on_error == "fail" or len(found) > settings.max_skipped:
            raise_faults(found)
        elif found:
            some = "; ".join(f"{problem.path} {problem.message}" for problem in found[:3])
            some += "; ..." if len(found) > 3 else ""
            self.console.note(f"{len(found)} file{'s' * (len(found) > 1)} cannot be used and will be skipped: {some}")

    def _split(self, data: Any, name: str, samples: Any, **transforms: Any) -> Augmented:
        """A split with its augmentations, and what is done about samples that cannot be read."""
        settings = getattr(data, "settings", self.data_settings)
        skipped = self.skipped if settings.on_error == "skip" else None
        return Augmented(samples, split=name, skipped=skipped, **transforms)

    def _splits(self, data: Any) -> tuple[Augmented, dict[str, Augmented]]:
        """The training split, and the splits to evaluate on by name, each with its augmentations."""
        task, augment = self.task, self.plan.augment
        train_samples = data.split("train")
        if len(train_samples) == 0:
            raise InputError.of("data", "the training split is empty")
        self.caveats += absent_classes(train_samples, self.facts)
        views = None if task.views is None else [compose([view]) for view in task.views]
        chosen = augment.get("eval" if task.encodes_once else "train", [])
        shrink, transform = build_shrinking(chosen, self.facts)
        seed = None if task.encodes_once else derive_seed(self.plan.seed, 2)
        train = self._split(data, "train", train_samples, transform=transform, seed=seed, shrink=shrink, views=views)
        sentences = [self._keep_pixels(train, "train", chosen, self.plan.data)]
        source = task.evaluation_data or data
        held_out: dict[str, Any] = {name: source.split(name) for name in task.evaluation_splits}
        if not all(held_out.values()):
            self.caveats.append("there is no evaluation split: no scores, and no best checkpoint")
            held_out = {}
        chosen = augment.get("eval", [])
        shrink, transform = build_shrinking(chosen, self.facts)
        kept = {"transform": transform, "seed": None, "shrink": shrink}
        splits = {name: self._split(source, name, each, **kept) for name, each in held_out.items()}
        origin = self.plan.data if task.evaluation_data is None else self.plan.trainer
        sentences += [self._keep_pixels(split, name, chosen, origin) for name, split in splits.items()]
        for sentence in dict.fromkeys(filter(None, sentences)):
            self.console.say(f"images are {sentence}")
        return train, splits

    def _keep_pixels(
        self, split: Augmented, name: str, augment: list[ComponentPlan], origin: ComponentPlan
    ) -> str | None:
        """Keep the decoded pixels of a split that is read more than once, where the recipe allows it; a sentence on it.

        ``origin`` is the component that the split comes from.
        """
        cache, epochs = self.plan.runtime.cache, self.plan.loop.epochs
        if cache == "off" or epochs == 1 or self.task.encodes_once or len(split) == 0:
            return None
        first = augment[0].as_json(provenance=True) if split.shrink is not None else None
        identity = [origin.as_json(provenance=True), plain_facts(self.facts), name, first]
        parent = None if cache == "auto" else Path(cache)
        split.decoded, sentence = open_decoded(split.samples, identity, split.readable(0, 0, 0)[1], parent)
        return sentence

    def _order(self) -> EpochOrder:
        settings, weights = self.plan.loop, None
        if settings.sampling == "balanced":
            samples, skip = self.train.samples, self.train.skipped is not None
            weights = balancing_weights(samples, self.facts.get("num_classes"), skip=skip)
        seed, drop_single = derive_seed(self.plan.seed, 3), has_batch_norm(self.task)
        size, share = settings.batch_size, (processes.rank(), processes.process_count())
        processes.require_images(size, in_parts=settings.auto_batch)
        order = EpochOrder(
            len(self.train), size, seed=seed, drop_single=drop_single, weights=weights, share=share, pads=True
        )
        if order.drops_one:
            self.caveats.append(
                f"{len(self.train)} images in batches of {settings.batch_size} leave one over; batch normalisation "
                "cannot learn from a single image, so each epoch leaves out its last one (another one each time)"
            )
        return order

    def _runtime(self, earlier: Mapping[str, Any] | None) -> Runtime:
        """Rehearse a step, then decide precision and layout: the recipe's, the earlier run's, or measured ones."""
        task, settings, device = self.task.to(self.preprocess.device), self.plan.runtime, self.preprocess.device
        batch, operations, complete = self._rehearse(task)
        if device.type == "cpu":
            start = time.perf_counter()
            for key in self._first():
                self.train[key]
            loading = time.perf_counter() - start
            self.loading_share = loading / (loading + operations / _CPU_RATE)
        if earlier is not None:
            chosen = autotune.Setting(earlier["precision"], earlier["memory_format"])
            return open_runtime(settings, *chosen, "as before the run was stopped", all_used=complete)
        candidates = autotune.candidates(device, settings.precision, settings.memory_format)
        if "auto" not in (settings.precision, settings.memory_format):
            return open_runtime(settings, *candidates[0], "from the recipe", all_used=complete)

        def step(copy: Any, setting: autotune.Setting) -> None:
            layout = LAYOUTS[setting.memory_format]
            train_step(copy.train(), replace(self.preprocess, layout=layout)(batch), setting.precision)

        shapes = [tuple(each.shape) for each in batch.get("views", [batch.get("image")]) if each is not None]
        identity = [self.plan.trainer.as_json(), shapes]
        with self._capture_warnings():
            chosen, reason = processes.from_first(
                lambda: autotune.choose(task, candidates, step, identity=identity, device=device, operations=operations)
            )
        return open_runtime(settings, *chosen, reason, all_used=complete)

    def _rehearse(self, task: Task) -> tuple[dict[str, Any], int, bool]:
        """Rehearse a step with a few images, fewer where memory runs out; the batch, and what ``rehearse`` returns.

        Raises:
            OutOfMemory: fewer than a batch fit, and it may not be computed in parts.
        """
        model = self.plan.trainer.arguments.get("model")
        source = model.component.source if isinstance(model, ComponentPlan) else "the model"
        images, settings = IMAGES, self.plan.loop
        while True:
            batch = checked(collate([self.train[key] for key in self._first()[:images]]))
            held_out = {
                name: checked(collate([split[0, index] for index in range(min(images, len(split)))]))
                for name, split in self.held_out.items()
            }
            try:
                operations, complete = rehearse(task, batch, held_out, self.preprocess, source)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                reason = release(error)
            images //= 2
            if images == 0:
                raise OutOfMemory(f"one image does not fit into memory: {reason}", "make images or network smaller")
        if images < min(IMAGES, settings.batch_size) and not settings.auto_batch:
            hint = f"{images} fit: set trainer.batch_size to {images}, or trainer.auto_batch: true"
            raise OutOfMemory(f"a batch of {settings.batch_size} images does not fit into memory: {reason}", hint)
        return batch, operations, complete

    def _first(self) -> list[tuple[int, int]]:
        """The first samples of the run, the same in every process."""
        return self.order.keys(0, self.order.order(0))[:IMAGES]

    def _assemble(self, runtime: Runtime, reports: list[Any], trackers: Trackers) -> tuple[Run, Learning]:
        plan, task, settings = self.plan, self.task, self.plan.loop
        if processes.process_count() > 1 and plan.runtime.sync_batchnorm:
            self.caveats += synchronize(task, runtime.device)
        sharded = wanted(plan.runtime)
        task.to(memory_format=torch.contiguous_format if sharded else runtime.layout)  # FSDP shards contiguous tensors
        wrapped = runtime.fabric.setup_module(task)
        steps = -(-len(self.order) // settings.accumulate)
        known = {**self.facts, "steps_per_epoch": steps, "total_steps": steps * settings.epochs}
        schedule = build(plan.schedule, known)
        if learns(task):
            given, factors = task.parameter_groups(), self.patterns.lr_factors
            groups = refine(given, task, layer_decay=settings.layer_decay, decay=settings.decay, lr_factors=factors)
            optimizer = build(plan.optimizer, {**known, "params": groups})
            if sharded:
                choose_kernels(optimizer)
            optimizer = runtime.fabric.setup_optimizers(optimizer)
        else:
            optimizer = None
        if plan.runtime.compile:
            wrapped = torch.compile(wrapped)
        size = settings.eval_batch_size or settings.batch_size
        loaders = {
            name: self._loader(split, EpochOrder(len(split), size, seed=None, share=self.order.share), runtime)
            for name, split in self.held_out.items()
        }
        train_loader = self._loader(self.train, self.order, runtime)
        average = WeightAverage(task, settings.ema) if settings.ema is not None else None
        begin = self.patterns.begin_epoch
        learning = Learning(wrapped, optimizer, schedule, train_loader, self.order, reports, average, begin)
        preprocess = replace(self.preprocess, device=runtime.device, layout=runtime.layout)
        run = Run(
            *(plan, self.folder, self.facts, runtime, task, self.train, self.held_out.get("val"), preprocess),
            console=self.console,
            trackers=trackers,
            loaders=loaders,
            caveats=self.caveats,
            skipped=self.skipped,
        )
        return run, learning

    def _loader(self, split: Augmented, order: EpochOrder, runtime: Runtime) -> DataLoader[Any]:
        workers = workers_for(self.plan.runtime.workers, len(split), self.loading_share)
        pinned, timeout = runtime.device.type == "cuda", self.plan.runtime.worker_timeout
        return make_loader(split, order, workers=workers, pin_memory=pinned, timeout=timeout)

    @contextmanager
    def _capture_warnings(self) -> Iterator[None]:
        """Turn the warnings of factories into caveats of the run."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            yield
        self.caveats += dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning)
