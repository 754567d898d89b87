"""The framework's own parameters in a recipe: the loop's (``trainer:``), the machine's (``runtime:``), ``split:``."""

# No postponed annotations here: these classes are read as specs.
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ..catalog.kinds import Count, Positive, Range


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and in which portions every trainer learns.

    Args:
        epochs: passes over the training images.
        batch_size: images in a training batch.
        eval_batch_size: images in an evaluation batch; the training batch's when null.
        accumulate: batches whose gradients are summed before one optimizer step.
        clip_norm: gradients are scaled down to this L2 norm; null leaves them.
        evaluate_every: epochs between evaluations; the last epoch is always evaluated.
        log_every: optimizer steps between two looks at the loss (each waits for the device).
        patience: evaluations without a better score before the run ends early; null never ends early.
        ema: decay of an exponential moving average of the weights, such as 0.999; it is what is evaluated and kept as
            the best then. null for none.
        layer_decay: factor of the learning rate from each twelfth of the network's depth to the one before it; below 1
            the layers near the image, which a pretrained network needs to change least, learn more slowly.
        sampling: shuffled shows every image once an epoch; balanced draws images with replacement so that every class
            is seen about as often (of masks, so that the pixels of rare classes are).
        decay: what weight decay acts on: all, or weights alone, without biases and the scales of norms.
    """

    epochs: Count = 10
    batch_size: Count = 8
    eval_batch_size: Count | None = None
    accumulate: Count = 1
    clip_norm: Positive | None = None
    evaluate_every: Count = 1
    log_every: Count = 20
    patience: Count | None = None
    ema: Annotated[float, Range(0, 1)] | None = None
    layer_decay: Annotated[float, Range(most=1, above=0)] = 1.0
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    decay: Literal["all", "weights"] = "all"


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """What the run is computed on, and how.

    Args:
        device: where to compute; auto takes a GPU if there is one.
        precision: auto measures whether bf16 is faster here; fp32 is full precision.
        memory_format: layout of images; auto follows the measurement.
        compile: torch.compile the model: minutes of warm-up, worth it on GPUs and in long runs.
        workers: loader processes; auto chooses from the processor count. Results do not depend on it.
        deterministic: only kernels that give the same bits again; slower on a GPU.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    compile: bool = False
    workers: Annotated[int, Range(0, 128)] | Literal["auto"] = "auto"
    deterministic: bool = False


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How the training split is divided, where there is no evaluation split of its own.

    Args:
        val: share of the images that is held out for evaluation; of every class, where there are labels.
        file: a text file that names the images to hold out, one a line, instead of a share.
        seed: of the choice; the run's own seed leaves it as it is, so that runs stay comparable.
    """

    val: Annotated[float, Range(above=0, most=0.9)] = 0.2
    file: Path | None = None
    seed: int = 0
