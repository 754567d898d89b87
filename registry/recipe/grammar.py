"""The grammar of a recipe: its sections, what each holds, and the settings that are the framework's own.

It is written once, as parameters like those of a component: the planner, the JSON schema, completion and the reference
pages read it here.
"""

# No postponed annotations here: these classes are read as specs.
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from ..catalog.kinds import Augmentation, Backbone, Count, Dataset, Loss, Metric, Model, Positive, Range, Uses
from ..catalog.spec import ComponentSpec, Parameter
from .interval import Interval
from .page import PageSettings
from .types import type_of, uses
from .yaml import Node

_TEN_MINUTES: Final = Interval("10min")


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and in which portions every trainer learns.

    Args:
        epochs: passes over the training images.
        batch_size: images in a training batch.
        eval_batch_size: images in an evaluation batch; the training batch's when null.
        accumulate: batches whose gradients are summed before one optimizer step.
        auto_batch: where a batch does not fit into memory, compute it in parts whose gradients are summed; batch
            normalisation then sees the images of one part at a time.
        on_nan: what a loss or gradient that is NaN or infinite does: stop ends the run, skip leaves the step out.
        max_skipped_steps: steps that may be left out in a run; five in a row end it in any case.
        clip_norm: gradients are scaled down to this L2 norm; null leaves them.
        evaluate_every: epochs between evaluations; the last epoch is always evaluated.
        log_every: optimizer steps between two readings of the loss (each waits for the device).
        save_every: how often a checkpoint is written, and so what a kill loses at most: 15min, 500 steps or 1 epoch.
            An epoch ends with one, too, unless it is several epochs.
        keep_best: the best epochs whose checkpoints are kept, as epoch_0007.pt; null keeps best.pt alone.
        keep_every: epochs between two checkpoints that are kept, as epoch_0010.pt; null keeps none.
        patience: evaluations without a better score before the run ends early; null never ends early.
        ema: decay of an exponential moving average of the weights, such as 0.999; it is what is evaluated and kept as
            the best. null for none.
        layer_decay: factor of the learning rate from each twelfth of the network's depth to the one before it; below 1
            the layers near the image, which a pretrained network needs to change least, learn more slowly.
        freeze: parameters that do not learn, by patterns of their names: backbone, layer1, blocks.*.norm1; each covers
            all below it, and batch norms in it keep their statistics.
        unfreeze: a pattern, and the epoch from which what freeze froze of it learns, each.
        lr_factors: a pattern, and the factor of the learning rate of what it covers, each; the last one that matches.
        sampling: shuffled shows every image once an epoch; balanced samples images with replacement so that every class
            is seen about equally often (for masks, so that the pixels of rare classes are).
        decay: what weight decay acts on: all, or weights alone, without biases and the scales of norms.
    """

    epochs: Count = 10
    batch_size: Count = 8
    eval_batch_size: Count | None = None
    accumulate: Count = 1
    auto_batch: bool = False
    on_nan: Literal["stop", "skip"] = "stop"
    max_skipped_steps: Count = 20
    clip_norm: Positive | None = None
    evaluate_every: Count = 1
    log_every: Count = 20
    save_every: Interval = _TEN_MINUTES
    keep_best: Count | None = None
    keep_every: Count | None = None
    patience: Count | None = None
    ema: Annotated[float, Range(0, 1)] | None = None
    layer_decay: Annotated[float, Range(most=1, above=0)] = 1.0
    freeze: list[str] = ()  # type: ignore[assignment]
    unfreeze: dict[str, Count] | None = None
    lr_factors: dict[str, Positive] | None = None
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    decay: Literal["all", "weights"] = "all"


#: A single GPU is named by its number.
Device = Literal[
    "auto", "cpu", "cuda", "mps", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7"
]


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How images are read, and what is done about files that cannot be used, in every data set.

    Args:
        on_error: fail ends the run at a sample that cannot be read; skip trains on another one in its place, chosen by
            seed, epoch and index alone, and leaves it out of evaluations.
        max_skipped: samples that may be skipped before the run ends all the same.
        max_megapixels: millions of pixels of an image or a mask; a larger one is not decoded.
        bands: rgb reads an image as a person sees it, 8-bit RGB; all, or numbers from 1 up, reads the bands of a
            raster, such as a GeoTIFF, as they are stored, of 8 or 16 bits.
        mean: of each band, in the values of the files, as data inspect prints it; null takes the network's, which has
            one for images of 8 bits alone.
        std: standard deviation of each band, likewise.
    """

    on_error: Literal["fail", "skip"] = "fail"
    max_skipped: Count = 20
    max_megapixels: Annotated[float, Range(above=0, most=200)] = 64.0
    bands: Literal["rgb", "all"] | list[Count] = "rgb"
    mean: list[float] | None = None
    std: list[Positive] | None = None


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """What the run is computed on, and how.

    Args:
        device: where to compute; auto takes a GPU if there is one.
        devices: processes of this machine that train together, one GPU each; torchrun and srun start their own.
        strategy: how several processes hold the network: ddp, each the whole of it; fsdp2, each its part of parameters,
            gradients and optimizer state, for a network that does not fit into one device.
        sync_batchnorm: whether batch normalisation is over the batch of all processes; auto: yes.
        process_timeout: seconds that a process waits for another one.
        precision: auto measures whether bf16 is faster here; fp32 is full precision.
        memory_format: layout of images; auto follows the measurement.
        compile: torch.compile the model: minutes of warm-up, worth it on GPUs and in long runs.
        gradient_checkpointing: compute the activations of blocks again in the backward pass instead of keeping them:
            less memory, about a third more time, the same gradients.
        workers: loader processes; auto chooses from the processor count. Results do not depend on it.
        worker_timeout: seconds after which a batch that loader processes do not deliver ends the run.
        cache: where decoded images are kept from the first epoch on; auto is a folder of the user's cache, where the
            disk has room; off decodes in every epoch. Results do not depend on it.
        deterministic: only kernels that give the same bits again; slower on a GPU.
        profile: write a trace of five training steps into `profile/` of the run folder, for Perfetto or TensorBoard.
    """

    device: Device = "auto"
    devices: Count = 1
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    sync_batchnorm: Literal["auto"] | bool = "auto"
    process_timeout: Positive = 1800.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    compile: bool = False
    gradient_checkpointing: bool = False
    workers: Annotated[int, Range(0, 128)] | Literal["auto"] = "auto"
    worker_timeout: Positive = 300.0
    cache: Literal["auto", "off"] | Path = "auto"
    deterministic: bool = False
    profile: bool = False


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How the training split is divided, where there is no evaluation split of its own.

    Args:
        val: share of the images that is held out for evaluation; of every class, where there are labels.
        file: a text file that names the images to hold out, one a line, instead of a share.
        folds: parts of about equal size and equal shares of the classes; each is held out by one run of a study.
        fold: the part that is held out, from 1: one run instead of a study.
        group: of folds: a regular expression; images whose names begin with the same match of it stay in one part.
        group_file: of folds: a csv file of the images' groups, in place of ``group``.
        group_column: its column of groups.
        seed: of the choice; the run's own seed leaves it as it is, so that runs stay comparable.
    """

    val: Annotated[float, Range(above=0, most=0.9)] = 0.2
    file: Path | None = None
    folds: Annotated[int, Range(2, 100)] | None = None
    fold: Count | None = None
    group: str | None = None
    group_file: Path | None = None
    group_column: str = "group"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """What is done to images before the network sees them, in order.

    Args:
        train: augmentations of training images, in order.
        eval: augmentations of evaluation images, in order.
    """

    train: list[Augmentation] = ()  # type: ignore[assignment]
    eval: list[Augmentation] = ()  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How `hw1cli sweep` looks for better values of a recipe's search spaces.

    Args:
        trials: runs with other values each; the first one has the default values.
        random: trials with random values before the others follow the scores so far (TPE; Bergstra et al., 2011).
        pruner: what ends a trial early by its score after an epoch: median where it is below the median of the others;
            halving where it is not among the best third (ASHA; Li et al., 2020); hyperband the same in several
            brackets (Li et al., 2018); none trains every trial to its end.
        grace: epochs that every trial is trained for before it may be ended.
        seeds: other seeds with which the best and the default recipe are trained at the end, and compared; 0 leaves
            that out.
    """

    trials: Annotated[int, Range(1, 10_000)] = 20
    random: Count = 8
    pruner: Literal["median", "halving", "hyperband", "none"] = "median"
    grace: Count = 1
    seeds: Annotated[int, Range(0, 100)] = 3


@dataclass(frozen=True)
class Section(Parameter):
    """A section of a recipe.

    Args:
        name, type, default, doc: as of any parameter; null leaves a section with a default out.
        study: whether it is about several runs: it makes the recipe a study, but for ``page`` and ``sweep``.
        settable: whether the command line can change it.
    """

    study: bool = False
    settable: bool = True

    @property
    def planned(self) -> bool:
        """Whether it is part of a run's plan; the others are used up when recipes are read."""
        return self.settable and not self.study


#: Settings of the framework that are written together with a component's arguments, by its kind; and all of them.
SETTINGS: Final = {
    "trainers": ComponentSpec.of(LoopSettings).parameters,
    "datasets": ComponentSpec.of(DataSettings).parameters,
}
FRAMEWORK: Final = tuple(setting for settings in SETTINGS.values() for setting in settings)
#: Settings that repeat a run: those that differ in nothing else are one setting.
REPEATED: Final = ("seed", "split.fold")
#: More runs than this are taken for a slip.
MOST_RUNS: Final = 1000
_Trainer = Annotated[Any, Uses("trainers")]
_Optimizer = Annotated[Any, Uses("optimizers")]
_Schedule = Annotated[Any, Uses("schedules")]
_Report = Annotated[Any, Uses("reports")]
_Tracker = Annotated[Any, Uses("trackers")]
_Generator = Annotated[Any, Uses("generators")]

#: The sections of every recipe; a trainer's signature adds others, such as ``model`` and ``loss``.
SECTIONS: Final = {
    section.name: section
    for section in (
        Section("runs", dict[str, Any], None, "several runs: a name, and what changes for it, each", study=True),
        Section("matrix", dict[str, list[Any]], None, "values to cross: a dotted path, and a list, each", study=True),
        Section(
            "repeat", Annotated[int, Range(1, MOST_RUNS)], 1, "how many seeds each run is repeated with", study=True
        ),
        Section("page", list[PageSettings], (), "sections of the page of a study's runs, in order", study=True),
        Section("sweep", SweepSettings, None, "how `hw1cli sweep` looks for values of the search spaces", study=True),
        Section("description", str, "", "one line on what the recipe does"),
        Section("published", dict[str, float], None, "scores that others report for this recipe, by name"),
        Section("seed", int, 0, "seed of everything random"),
        Section("trainer", _Trainer, doc="the trainer and how long it learns"),
        Section("data", Dataset, doc="the data set"),
        Section("split", SplitSettings, None, "how the training images are divided, where no evaluation split is"),
        Section("augment", AugmentSettings, None, "augmentations of training (`train`) and evaluation (`eval`)"),
        Section("optimizer", _Optimizer, "adamw", "the optimizer"),
        Section("schedule", _Schedule, "constant", "factor of the learning rate over the run"),
        Section("reports", list[_Report], (), "figures drawn along the way"),
        Section("trackers", list[_Tracker], ("tensorboard",), "where the run is recorded, besides its folder"),
        Section("runtime", RuntimeSettings, None, "device, precision, workers"),
        Section("make", _Generator, None, "the data to generate (in `demo:`)"),
        Section("demo", dict[str, Any], None, "what changes on generated data", settable=False),
        Section("extends", str | list[str], None, "the recipe that this one changes", settable=False),
    )
}
STUDY_SECTIONS: Final = tuple(name for name, section in SECTIONS.items() if section.study)
#: Sections without search spaces: they decide what is scored, or have nothing to do with it.
NOT_SEARCHED: Final = (
    *("data", "probe", "split", "make", "metrics", "published", "seed"),
    *("description", "reports", "trackers", "runtime", "sweep"),
)
#: What trainers usually ask for: checked while the trainer itself is unknown.
_USUAL: Final = (
    Parameter("model", Model, None),
    Parameter("loss", Loss, None),
    Parameter("backbone", Backbone, None),
    Parameter("metrics", list[Metric], None),
)


def trainer_sections(trainer: ComponentSpec | None) -> tuple[Parameter, ...]:
    """The components that a trainer asks for: each is a section of its own in the recipe."""
    return _USUAL if trainer is None else tuple(each for each in trainer.parameters if uses(each.type))


def arguments_of(kind: str, spec: ComponentSpec | None) -> tuple[Parameter, ...]:
    """What is written beside ``use``: the framework's settings of the kind, and the component's own arguments.

    Components that a trainer asks for are left out: they are sections of their own.
    """
    own = () if spec is None else (each for each in spec.parameters if kind != "trainers" or not uses(each.type))
    return tuple({each.name: each for each in (*SETTINGS.get(kind, ()), *own)}.values())


def named_by_default(parameter: Parameter) -> bool:
    """Whether it is a section whose arguments may be given without the component's name, which has a default."""
    section = SECTIONS.get(parameter.name)
    return section is not None and isinstance(section.default, str) and uses(section.type) is not None


def entries_of(root: Node, sections: Iterable[Parameter]) -> dict[str, Node]:
    """What a recipe has in its sections: null ones are left out, and names that have a default are filled in."""
    entries = dict(root.value)
    for section in sections:
        node = entries.get(section.name)
        if node is not None and node.value is None and not section.required:
            if section.default is None or not type_of(section.type).admits("null"):  # else it is a value of its own
                del entries[section.name]
        elif node is not None and named_by_default(section) and isinstance(node.value, dict):
            entries[section.name] = Node({"use": Node(section.default, node.location), **node.value}, node.location)
    return entries
