"""NaN and infinity in a run: which batch they came from, a file to compute it again, and that computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from .... import files
from ....errors import Hw1Error
from ...data.loader import batches
from ...data.preprocess import Preprocessor, checked, collate
from ...network.contract import normalization_of
from ...runtime.sharding import local
from ..run import Learning, Run
from ..saved_run import open_task

#: The folder, in the run folder, of the batches whose steps failed; and how many are kept.
FOLDER: Final = "failed_steps"
_KEPT: Final = 3
_LISTED: Final = 8
_HINT: Final = "lower optimizer.lr or set trainer.clip_norm; trainer.on_nan: skip leaves such steps out"


class Diverged(Hw1Error):
    """The loss or a gradient became NaN or infinite."""


def names_of(group: Sequence[Mapping[str, Any]]) -> str:
    """The samples of some batches, for a message."""
    names = [str(name) for batch in group for name in batch["name"]]
    return ", ".join(names[:_LISTED]) + (f", ... ({len(names)} in all)" if len(names) > _LISTED else "")


def group_at(learning: Learning, epoch: int, first: int, size: int) -> list[dict[str, Any]]:
    """``size`` training batches of an epoch, read once more: order and augmentation depend on no state."""
    order, data = learning.train_order, learning.train_loader.dataset
    indices, step = order.order(epoch), order.batch_size
    batches_of_keys = [indices[place * step : (place + 1) * step] for place in range(first, first + size)]
    return [checked(collate([data[epoch, index] for index in keys])) for keys in batches_of_keys if keys]


def what_is_not_finite(run: Run, group: Sequence[Mapping[str, Any]], in_loss: bool) -> str:
    """The first of input, loss and gradients that is NaN or infinite, in words."""
    for batch in group:
        for name, value in run.preprocess(batch).items():
            for tensor in value if isinstance(value, list) else [value]:
                if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
                    return f"the input ({name}) is"
    if in_loss:
        return "the loss is"
    graded = ((name, each.grad) for name, each in run.task.named_parameters() if each.grad is not None)
    bad = [name for name, gradient in graded if not bool(torch.isfinite(local(gradient)).all())]
    of = f" of {', '.join(bad[:3])}{', ...' * (len(bad) > 3)}" if bad else ""
    return f"the gradients{of} are"


def keep(run: Run, step: int, group: Sequence[Mapping[str, Any]], state: Mapping[str, Any]) -> Path | None:
    """Write the batches of a failed step, and the ``state`` to compute it from; None where enough are kept already."""
    path = run.folder.path / FOLDER / f"step_{step}.pt"
    path.parent.mkdir(exist_ok=True)
    if len(list(path.parent.glob("*.pt"))) >= _KEPT:
        return None
    kept = {"epoch": run.position.epoch, "step": step, "batches": [dict(batch) for batch in group], **state}
    with files.atomic_write(path, "wb") as file:
        torch.save(kept, file)
    return path


def diverged(run: Run, what: str, step: int, group: Sequence[Mapping[str, Any]], path: Path | None) -> Diverged:
    """The error of a step whose loss or gradients are not finite."""
    where = f"epoch {run.position.epoch}, step {step}"
    hint = f"{_HINT}; {path} holds the batch" if path is not None else _HINT
    return Diverged(f"{what} NaN or infinite in {where}, for the batch of {names_of(group)}", hint)


def replay(path: str | Path) -> dict[str, Any]:
    """Compute a failed step again, on the CPU in full precision.

    Args:
        path: ``RUN/failed_steps/step_N.pt``, in its run folder.

    Returns:
        ``figures``, the task's, of each batch; ``module``, the first one whose output is NaN or infinite, None where
        all are finite; ``gradients``, the names of the parameters whose gradients are not finite.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    _, task, facts = open_task(Path(path).parent.parent)
    preprocess = Preprocessor.of(facts, normalization_of(task), torch.device("cpu"))
    if "task" in state:
        task.load_state_dict(state["task"])
        torch.set_rng_state(state["random"]["cpu"])
    found: list[str] = []
    for name, module in task.named_modules():
        module.register_forward_hook(_noting(found, name or type(task).__name__))
    figures = []
    for batch in state["batches"]:
        computed = task.train()(preprocess(batch))
        computed["loss"].backward()
        figures.append({name: float(figure.detach()) for name, figure in computed.items()})
    graded = ((name, each.grad) for name, each in task.named_parameters() if each.grad is not None)
    bad = [name for name, gradient in graded if not bool(torch.isfinite(gradient).all())]
    return {"figures": figures, "module": found[0] if found else None, "gradients": bad}


def _noting(found: list[str], name: str) -> Any:
    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
            found.append(name)

    return note


def first_bad_output(run: Run) -> str | None:
    """The samples of the first evaluation batch for which the model's output is not finite; None where it always is.

    Walks over the evaluation once more: only for scores that are NaN already.
    """
    outputs: list[Any] = []
    hook = run.task.model.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        with torch.inference_mode(), run.runtime.autocast():
            for split, loader in run.loaders.items():
                for batch in batches(loader):
                    outputs.clear()
                    run.task.evaluate({**run.preprocess(batch), "split": split})
                    if any(isinstance(each, Tensor) and not bool(torch.isfinite(each).all()) for each in outputs):
                        return names_of([batch])
    finally:
        hook.remove()
    return None


def about_score(run: Run, score: float) -> str:
    """A caveat about a monitored score that is NaN or infinite."""
    position, monitor = run.position, run.task.monitor
    rule = f"an evaluation whose {monitor} is NaN or infinite is never the best, nor counted by patience"
    start = f"epoch {position.epoch}, step {position.step}: {monitor} is {score}"
    if any("NaN or infinite is never" in caveat for caveat in run.caveats):
        return f"{start}; {rule}"
    names = first_bad_output(run) if isinstance(getattr(run.task, "model", None), nn.Module) else None
    source = "every output of the model is finite" if names is None else f"the model's output first is for {names}"
    return f"{start}; {source}; {rule}"
