"""SMP's losses made to keep the contract of a loss: logits and labels, ignored pixels left out, always finite."""

from __future__ import annotations

import inspect
from typing import Any, Final

import segmentation_models_pytorch.losses as smp_losses
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError

#: Losses of SMP that know two classes only, and take probabilities.
_OF_TWO_CLASSES: Final = ("MCCLoss",)
#: Losses of SMP that want a yes or no for each class.
_OF_YES_AND_NO: Final = ("SoftBCEWithLogitsLoss",)
#: Losses of SMP that compare classes with each other.
_OF_SEVERAL_CLASSES: Final = ("SoftCrossEntropyLoss",)


class SegmentationLoss(nn.Module):
    """An SMP loss: logits (B, classes, ...) and labels (B, ...) -> scalar.

    Ignored pixels are taken out before the loss sees them, whichever way it would treat them itself: SMP's
    cross-entropies count them in the mean, and its focal loss spends most of its time on them. A batch of nothing
    but ignored pixels gives 0, with a gradient of 0.

    With one class the labels are 0 and 1 and the loss is the binary one. Soft BCE of several classes is the mean over
    one-against-rest decisions. MCC exists for two classes, as one logit or two.

    Args:
        kind: SMP's class.
        num_classes: channels of the logits.
        ignore_index: label to leave out.
        **arguments: SMP's own.

    Raises:
        InputError: the loss does not exist for so many classes, or SMP refuses the arguments.
    """

    def __init__(self, kind: str, *, num_classes: int, ignore_index: int | None = None, **arguments: Any) -> None:
        super().__init__()
        self.kind = kind
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        if kind in _OF_TWO_CLASSES and num_classes > 2:
            message = f"{kind} exists for two classes, and there are {num_classes}"
            raise InputError.of("loss", message, "for several classes use smp/dice, smp/jaccard or smp/lovasz")
        if kind in _OF_SEVERAL_CLASSES:
            if num_classes < 2:
                raise InputError.of("loss", f"{kind} compares classes, and there is one", "use smp/soft_bce")
            # SMP's own default, None, makes it fail.
            arguments["smooth_factor"] = arguments.get("smooth_factor") or 0.0
        target = getattr(smp_losses, kind)
        known = inspect.signature(target.__init__).parameters
        if "mode" in known:
            arguments["mode"] = "binary" if num_classes == 1 else "multiclass"
        if "ignore_index" in known:
            arguments["ignore_index"] = None
        for name in ("weight", "pos_weight", "class_weights"):
            self._check_length(name, arguments.get(name))
        for name in ("weight", "pos_weight"):
            if arguments.get(name) is not None:
                arguments[name] = torch.tensor(arguments[name], dtype=torch.float32).view(-1, 1, 1)
        try:
            self.criterion: nn.Module = target(**arguments)
        except (ValueError, TypeError, AssertionError) as error:
            raise InputError.of("loss", f"SMP refuses this {kind}: {error}") from error

    def _check_length(self, name: str, values: Any) -> None:
        if values is not None and len(values) != self.num_classes:
            message = f"{len(values)} numbers for {self.num_classes} classes"
            raise InputError.of(f"loss.{name}", message, "give one for each class, in the order of the classes")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        logits = logits.float()
        if getattr(self.criterion, "per_image", False):
            images = [self._of(*pair) for pair in zip(torch.split(logits, 1), torch.split(target, 1), strict=True)]
            found = [loss for loss in images if loss is not None]
            loss = torch.stack(found).mean() if found else None
        else:
            loss = self._of(logits, target)
        # The sum of no element is a zero that still hangs in the graph, even where logits are infinite.
        return logits.flatten()[:0].sum() if loss is None else loss

    def _of(self, logits: Tensor, target: Tensor) -> Tensor | None:
        """The loss over the pixels that count; None when there are none."""
        if self.ignore_index is not None:
            counts = target != self.ignore_index
            # As one image, one pixel wide: SMP's losses sum over images and places alike.
            logits = logits.movedim(1, -1)[counts].T[None, :, :, None]
            target = target[counts][None, :, None]
        if not target.numel():
            return None
        self._check_labels(target)
        if self.kind in _OF_TWO_CLASSES:
            yes = logits.sigmoid() if self.num_classes == 1 else logits.softmax(1)[:, 1:]
            return self._call(yes, target.float())
        if self.kind in _OF_YES_AND_NO:
            one_hot = target[:, None] if self.num_classes == 1 else F.one_hot(target, self.num_classes).movedim(-1, 1)
            return self._call(logits, one_hot.float())
        return self._call(logits, target)

    def _check_labels(self, target: Tensor) -> None:
        # SMP's focal loss takes any label without a word.
        least, most = (int(value) for value in target.aminmax())
        if least < 0 or most >= max(self.num_classes, 2):
            wrong = least if least < 0 else most
            message = f"the masks hold label {wrong}, but there are {self.num_classes} classes"
            raise InputError.of("data", message, f"if {wrong} means unlabelled, set `ignore_index: {wrong}`")

    def _call(self, logits: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.criterion(logits, target)
        return loss
