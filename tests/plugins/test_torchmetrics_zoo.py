"""Every torchmetrics score of the zoo gives one number for images or for pixels, the one torchmetrics gives itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score

from plugins.torchmetrics_zoo.specs import metrics
from registry import InputError
from registry.catalog.spec import REQUIRED
from registry.engine import Scores

IMAGES = (40,)
PIXELS = (6, 8, 8)


def pair(shape: tuple[int, ...], ignored: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(0, 4, shape, generator=generator)
    logits = torch.randn(shape[0], 4, *shape[1:], generator=generator)
    if ignored is not None:
        target.flatten()[::5] = ignored
    return logits, target


def built(name: str, **arguments: Any) -> Any:
    spec = metrics.spec(name)
    defaults = {p.name: p.default for p in spec.parameters if not p.supplied and p.default is not REQUIRED}
    return spec(num_classes=4, **defaults | arguments)


@pytest.mark.parametrize("name", sorted(metrics.names()))
def test_every_metric_gives_one_number(name: str) -> None:
    arguments = {"beta": 2.0} if name == "MulticlassFBetaScore" else {}
    for shape in (IMAGES, PIXELS):
        if (name in ("MulticlassExactMatch",) or not name.startswith("Multiclass")) and shape is IMAGES:
            continue
        scores = Scores([built(name, **arguments)])
        scores.update(*pair(shape))
        ((key, value),) = scores.compute().items()
        assert key == scores.monitor and isinstance(value, float) and value == value


def test_the_number_is_the_librarys_with_ignored_labels_left_out() -> None:
    logits, target = pair(PIXELS, 255)
    scores = Scores([built("MulticlassF1Score", ignore_index=255)])
    scores.update(logits, target)
    kept = target != 255
    expected = f1_score(target[kept], logits.argmax(1)[kept], average="macro")
    assert scores.compute()["MulticlassF1Score"] == pytest.approx(expected)


def test_two_scores_of_one_name_stay_apart() -> None:
    scores = Scores([built("MulticlassF1Score"), built("MulticlassF1Score", average="micro")])
    scores.update(*pair(IMAGES))
    assert list(scores.compute()) == ["MulticlassF1Score", "MulticlassF1Score_2"]


def test_a_score_where_less_is_better_is_marked() -> None:
    assert not Scores([built("MulticlassCalibrationError")]).higher_is_better
    assert Scores([built("MulticlassAccuracy")]).higher_is_better


def test_segmentation_scores_take_logits() -> None:
    logits, target = pair(PIXELS)
    scores = Scores([built("MeanIoU")])
    scores.update(logits, target)
    from torchmetrics.segmentation import MeanIoU

    theirs = MeanIoU(num_classes=4, input_format="index")
    assert scores.compute()["MeanIoU"] == pytest.approx(float(theirs(logits.argmax(1), target)))
    with pytest.raises(InputError, match="measures masks"):
        scores.update(*pair(IMAGES))


def test_ignored_pixels_that_cannot_be_left_out_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot leave out ignored pixels.*255"):
        built("MeanIoU", ignore_index=255)
