"""Where a classifier looks: Grad-CAM of images that it gets right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError
from registry.engine import Run, displayed

from .figures import blank, heading, in_short, literal, publish


class GradCam:
    """See the spec ``grad_cam``."""

    def __init__(self, images: int, at: list[int | str], layer: str | None, class_names: Sequence[str]) -> None:
        self.images, self.at, self.layer, self.class_names = images, at, layer, class_names

    def ready(self, run: Run) -> None:
        """Try it on the first evaluation image.

        Raises:
            InputError: labelled evaluation images are missing, or the model lacks a feature map.
        """
        if run.val is None or len(run.val) == 0 or "label" not in run.evaluation_sample(0):
            raise InputError.of("grad_cam", "needs an evaluation split of images with labels", "leave it out")
        self._heat(run, 0, 0)

    def __call__(self, run: Run, epoch: int) -> None:
        outputs = run.outputs()
        best = outputs.logits.softmax(1).max(1)
        right = best.indices == outputs.labels
        shares = [(best.values * mask).argsort(descending=True)[: int(mask.sum())] for mask in (right, ~right)]
        wrong = min(self.images // 2, len(shares[1]))
        chosen = [*shares[0][: self.images - wrong].tolist(), *shares[1][:wrong].tolist()]
        columns = min(len(chosen), 4)
        figure = blank(0.6 + 2.1 * columns, 0.5 + 4.6 * -(-len(chosen) // columns))
        grid = figure.subplots(2 * -(-len(chosen) // columns), columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for place, index in enumerate(chosen):
            row, column = divmod(place, columns)
            predicted, label = int(best.indices[index]), int(outputs.labels[index])
            image, heat = self._heat(run, index, predicted)
            truth, guess = (in_short(str(self.class_names[each]), 14) for each in (label, predicted))
            verdict = f"✓ {guess}" if predicted == label else f"✗ {guess}, is {truth}"
            _draw(grid[2 * row, column], grid[2 * row + 1, column], image, heat)
            grid[2 * row, column].set_title(literal(f"{verdict}\n{float(best.values[index]):.2f}"), fontsize=9)
        text = f"Grad-CAM of the predicted class, epoch {epoch}\nthe most confident right (✓) and wrong (✗) images; "
        text += "bright, above all within the line: speaks for the class"
        figure.suptitle(heading(run, text), fontsize=10, x=0.02, ha="left")
        publish(figure, run, "grad_cam" if self.at == ["last"] else f"grad_cam_epoch_{epoch}", epoch)

    def _heat(self, run: Run, index: int, of_class: int) -> tuple[np.ndarray, np.ndarray]:
        """An evaluation image, uint8 (H, W, 3), and its heat, (H, W) in 0..1."""
        image = np.ascontiguousarray(run.evaluation_sample(index)["image"])
        images = run.preprocess({"image": torch.from_numpy(image).permute(2, 0, 1)[None]})["image"]
        return image, grad_cam(run.task.model, images, of_class, self.layer)[0].cpu().numpy()


def grad_cam(model: nn.Module, images: Tensor, of_class: int, layer: str | None = None) -> Tensor:
    """Heat of each position for a class (Selvaraju et al., 2017): (B, C, H, W) images -> (B, H, W) in 0..1.

    Args:
        model: images to logits (B, classes); unchanged, and used in evaluation mode.
        images: normalised, on the model's device.
        of_class: its index.
        layer: name of the module whose maps are weighted; None for the last one that gives maps.

    Raises:
        InputError: no such module, it gives no maps (B, C, H, W), or the logits do not depend on them by gradients.
    """
    parts = dict(model.named_modules())
    if layer is not None and layer not in parts:
        raise InputError.of("layer", f"{layer!r} is not a module of the model", f"the last are {list(parts)[-6:]}")
    maps: list[Tensor] = []

    def keep(_part: nn.Module, _inputs: Any, output: Any) -> None:
        last = output[-1] if isinstance(output, (list, tuple)) and output else output
        if isinstance(last, Tensor) and last.dim() >= 3 and last.shape[-1] * last.shape[-2] > 1:
            maps.append(last)

    hooks = [part.register_forward_hook(keep) for name, part in parts.items() if name == layer or layer is None]
    modes = [(part, part.training) for part in parts.values()]
    model.eval()
    try:
        with torch.enable_grad():
            logits = model(images.detach().requires_grad_())
            if not maps or maps[-1].dim() != 4:
                hint = "wrap it: model: {use: classifier, backbone: NAME}, whose last map is used; or name a layer"
                raise InputError.of("grad_cam", f"{type(model).__name__} ends in no map (B, C, H, W)", hint)
            if not maps[-1].requires_grad:
                hint = "freeze with trainer.freeze, which keeps gradients, in place of the model's own freeze"
                raise InputError.of("grad_cam", "the maps of the model have no gradient", hint)
            (gradient,) = torch.autograd.grad(logits[:, of_class].sum(), maps[-1])
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes:
            part.training = mode
    heat = (gradient.mean((2, 3), keepdim=True) * maps[-1]).sum(1, keepdim=True).relu().detach().float()
    heat = F.interpolate(heat, images.shape[-2:], mode="bilinear")[:, 0]
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(1e-12)


def _draw(above: Axes, below: Axes, image: np.ndarray, heat: np.ndarray) -> None:
    """The image, and below it the same in grey under its heat."""
    shown = displayed(image)
    above.imshow(shown, interpolation="nearest")
    below.imshow(shown.mean(2), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    below.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.25 + 0.55 * heat)
    for color, width in (("black", 2.2), ("white", 1.0)):  # seen in grey, too
        below.contour(heat, levels=[0.5], colors=color, linewidths=width)
