"""A run's model in one file: written, verified on images against the trained model, described."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from rich.console import Console as Terminal
from torch import Tensor

from ... import __version__, files
from ...errors import Hw1Error, InputError
from ..console import Console
from ..data.facts import plain_facts
from ..data.preprocess import Preprocessor
from ..exported import CARD, require
from ..predict.predictor import Predictor
from ..runtime.device import open_runtime
from ..train.saved_run import SavedRun, open_run
from .card import contract, model_card
from .images import example_images
from .network import Deployed
from .script import script_of
from .verify import Example, largest_difference

Format = Literal["onnx", "pt2", "safetensors"]
#: The libraries of each format that come with the extra ``export``.
_NEEDS: Final[Mapping[str, Sequence[str]]] = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
#: How far a probability of the file may be from that of the trained model in fp32, in full and in half precision.
TOLERANCE: Final = {False: 1e-3, True: 3e-2}
#: (H, W) that a model whose images may have any size is traced with.
_TRACED: Final = (160, 224)
#: Bytes: a protobuf, which an .onnx is, holds less than 2 GiB.
_LARGEST_ONNX: Final = 2**31 - 2**24


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is exported, and where to.

    Attributes:
        run: the run folder.
        to: the format.
        out: the file; a card ``NAME.md`` and a script ``NAME_example.py`` are written beside it.
        checkpoint: which weights.
        half: compute the model, and store its weights, in half precision.
        images: files or folders of images to verify with, in place of the run's data.
    """

    run: Path
    to: Format
    out: Path
    checkpoint: Literal["best", "last"] = "best"
    half: bool = False
    images: Sequence[str] = ()


def export(settings: Settings, terminal: Terminal) -> dict[str, Any]:
    """Write a run's model as one file that needs no hw1cli.

    Returns:
        ``files``, ``difference`` (the largest of a probability), ``tolerance``, ``images``, ``sizes`` (whether
        ``any`` or one), ``bytes``, ``run`` and ``epoch``.

    Raises:
        InputError: the run predicts no classes, its augmentations cannot be exported, a library is not installed.
        Hw1Error: the model cannot be exported, or differs from the trained one by more than ``TOLERANCE``; nothing is
            written.
    """
    for library in ("huggingface_hub", *_NEEDS.get(settings.to, ())):
        require(library, f"--to {settings.to}")
    console, out, tolerance = Console(terminal), settings.out, TOLERANCE[settings.half]
    saved = _in_fp32(open_run(settings.run, checkpoint=settings.checkpoint, device="cpu"))
    if "bands" in saved.facts:
        message = "reads bands of rasters, and an exported file takes RGB images of 8 bits"
        raise InputError.of(str(settings.run), message)
    predictor = Predictor(saved)
    module = Deployed(saved, predictor).eval()
    images = example_images(settings.images, saved, console)
    examples = _examples(images, predictor, module)
    if settings.half:
        module.halve()
    card = _card(settings, saved, predictor, module, examples)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        partial = Path(folder) / out.name
        with console.working(f"exporting to {settings.to}"):
            examples = _write(module, card, examples, partial)
            difference = largest_difference(partial, card, examples)
        if not difference <= tolerance:
            message = (
                f"a probability differs by {difference:.2g} from the trained model's, expected {tolerance:g} at most"
            )
            raise Hw1Error(f"{message}; nothing was written", "report it, with the recipe")
        card["difference"] = difference
        beside = {out.with_suffix(".md"): model_card(card, saved, out), _script_path(out): script_of(card, out)}
        for path, text in beside.items():
            files.write_text(path, text)
        os.replace(partial, out)  # the last one: where it is, all is there
    count = sum(len(example.images) for example in examples)
    console.say(f"{out}: {out.stat().st_size / 1e6:.1f} MB; beside it {', '.join(path.name for path in beside)}")
    console.say(f"probabilities within {difference:.1g} of the trained model's on {count} images (limit {tolerance:g})")
    height, width = card["size"]
    if not card["any_size"]:
        console.note(f"it takes images of {width}x{height} only; with a Resize in augment.eval it takes any size")
    return {
        "run": str(settings.run),
        "epoch": saved.epoch,
        "files": [str(path) for path in (out, *beside)],
        "bytes": out.stat().st_size,
        "difference": difference,
        "tolerance": tolerance,
        "images": count,
        "sizes": "any" if card["any_size"] else [height, width],
    }


def _write(module: Deployed, card: dict[str, Any], examples: list[Example], path: Path) -> list[Example]:
    """Write the file, and decide in the card whether it takes images of any size; the examples to verify it with."""
    if card["format"] == "safetensors":
        _write_safetensors(module, card, path)
        return examples
    program, card["any_size"] = _program(module, card)
    (_write_onnx if card["format"] == "onnx" else _write_pt2)(program, card, path)
    return examples if card["any_size"] else [examples[0], examples[0].of(3)]


def _script_path(out: Path) -> Path:
    return out.with_name(f"{out.stem}_example.py")


def _in_fp32(saved: SavedRun) -> SavedRun:
    """The run in full precision and the usual memory format: what a file computes in."""
    runtime = open_runtime(replace(saved.plan.runtime, device="cpu"), "fp32", "contiguous", "for export")
    task = saved.task.to(memory_format=torch.contiguous_format)
    preprocess = Preprocessor(saved.preprocess.mean, saved.preprocess.std, torch.device("cpu"))
    return replace(saved, runtime=runtime, task=task, preprocess=preprocess)


def _examples(images: list[np.ndarray], predictor: Predictor, module: Deployed) -> list[Example]:
    """Batches of two sizes, with what the trained model predicts; one batch where it takes one size only."""
    height, width = (min(image.shape[axis] for image in images) for axis in (0, 1))
    seen = [tuple(size) for size in predictor.tiling.seen]
    if module.pads and seen and any(side % 32 for side in seen[-1]):
        # Padding would make another image of the one size that the network has seen without it.
        height, width = seen[-1]
        module.pads = False
        return [Example.of_images(images, (height, width), predictor)]
    first = Example.of_images(images[:2], (height, width), predictor)
    smaller = (max(2, height * 3 // 4 - 1), max(2, width * 2 // 3))
    try:
        with torch.inference_mode():
            module(torch.zeros(1, *smaller, images[0].shape[2], dtype=torch.uint8))
        return [first, Example.of_images(images[2:], smaller, predictor)]
    except (RuntimeError, AssertionError, ValueError, Hw1Error):
        return [Example.of_images(images, (height, width), predictor)]


def _card(
    settings: Settings, saved: SavedRun, predictor: Predictor, module: Deployed, examples: list[Example]
) -> dict[str, Any]:
    """What the file records of itself."""
    facts = plain_facts(saved.facts)
    return {
        "hw1cli": __version__,
        "format": settings.to,
        "half": settings.half,
        "recipe": saved.plan.recipe.root.plain(),
        "run": saved.folder.path.resolve().name,
        "plan": saved.recorded,
        "facts": facts,
        "mean": [float(value) for value in saved.preprocess.mean],
        "std": [float(value) for value in saved.preprocess.std],
        "epoch": saved.epoch,
        "kind": "masks" if module.dense else "labels" if module.threshold is None else "multilabel",
        "threshold": module.threshold,
        "tile": list(predictor.tiling.tile) if module.dense and module.resize is None else None,
        "overlap": predictor.tiling.overlap,
        "classes": [str(name) for name in facts["class_names"]],
        "size": list(examples[0].images.shape[1:3]),
        "any_size": len(examples) > 1,
        "tolerance": TOLERANCE[settings.half],
    }


def _program(module: Deployed, card: Mapping[str, Any]) -> tuple[Any, bool]:
    """The traced program, and whether it takes images of any size; a batch may always be of any.

    Raises:
        Hw1Error: torch.export cannot trace the model.
    """
    free = torch.export.Dim.DYNAMIC
    channels = card["facts"].get("in_channels", 3)
    # torch.export takes a side of 1, in any map, for a constant: sides that are free are traced large.
    attempts = [(_TRACED, {0: free, 1: free, 2: free})] * card["any_size"] + [(card["size"], {0: free})]
    for size, dims in attempts:
        images = torch.zeros(2, *size, channels, dtype=torch.uint8)
        try:
            with torch.no_grad(), _quiet():
                return torch.export.export(module, (images,), dynamic_shapes={"images": dims}), len(dims) == 3
        except Exception as error:  # torch.export has exceptions of many types
            failure = error
    reason = str(failure).strip().partition("\n")[0]
    raise Hw1Error(f"torch.export cannot trace the model: {type(failure).__name__}: {reason}", "--debug shows where")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporters print of their own progress."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _write_onnx(program: Any, card: Mapping[str, Any], path: Path) -> None:
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > _LARGEST_ONNX:
        message = f"an .onnx file holds 2 GB at most, and the weights are {size / 1e9:.1f} GB"
        raise InputError.of("--to onnx", message, "try --half or --to pt2")
    outputs = ["probabilities", {"masks": "mask", "labels": "label", "multilabel": "labels"}[card["kind"]]]
    with _quiet():
        made = torch.onnx.export(program, dynamo=True, input_names=["images"], output_names=outputs, verbose=False)
    assert made is not None
    known = {name: files.to_json(card[name]) for name in ("classes", "threshold") if card[name] is not None}
    made.model.metadata_props.update({CARD: files.to_json(card), **known, "input": contract(card)})
    made.save(path, external_data=False)


def _write_pt2(program: Any, card: Mapping[str, Any], path: Path) -> None:
    torch.export.save(program, path, extra_files={f"{CARD}.json": files.to_json(card)})


def _write_safetensors(module: Deployed, card: Mapping[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    state: dict[str, Tensor] = {name: tensor.contiguous().clone() for name, tensor in module.model.state_dict().items()}
    save_file(state, path, {"format": "pt", CARD: files.to_json(card)})
