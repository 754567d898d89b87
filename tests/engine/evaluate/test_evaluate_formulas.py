"""Scores by hand, by scikit-learn and by the confusion matrix agree; figures stay readable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from scoring import by_hand
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

from plugins.metrics.miou import MeanIoU
from registry.engine.data.classes import Classes
from registry.engine.data.drawing import save
from registry.engine.evaluate.confusion import Confusion
from registry.engine.evaluate.figures import Example, draw_confusion, draw_examples
from registry.engine.evaluate.metrics import count_images

QUIET = Console(quiet=True)


@pytest.mark.parametrize("count_against", [False, True])
@pytest.mark.parametrize("ignored", [None, 2, 255])
def test_scores_are_the_formulas_and_the_trainings(ignored: int | None, count_against: bool) -> None:
    generator = np.random.default_rng(1)
    truth = generator.choice([0, 1, 2, 3, 5, *([ignored] if ignored else [])], (3, 20, 30))
    predicted = generator.choice(
        [0, 1, 2, 3, 4, 6], (3, 20, 30)
    )  # 5 never predicted, 4 and 6 nowhere true, 7 in neither
    names = list("abcdefgh")
    classes = Classes.of(names, ignore_index=ignored, count_against=count_against)
    indices = np.where(truth == 255, 8, truth)
    confusion = Confusion.of(indices, predicted, classes)
    expected = by_hand(truth, predicted, ignored, count_against)
    scores, own = confusion.mask_scores(), confusion.by_class
    assert {names.index(name): each.iou for name, each in own.items() if each.in_mean and each.iou is not None} == {
        label: pytest.approx(value) for label, value in expected.items()
    }
    assert scores["miou"] == pytest.approx(np.mean(list(expected.values())))
    assert confusion.nowhere_true() == (["e", "g"], ["h"])

    metric = MeanIoU(8, names, ignored, count_against, per_class=("iou", "dice"))
    metric.update(torch.nn.functional.one_hot(torch.tensor(predicted), 8).movedim(3, 1).float(), torch.tensor(truth))
    computed = metric.compute()
    assert all(scores[name] == computed[name] for name in ("miou", "dice", "pixel_accuracy"))
    assert confusion.of_classes("iou") == {name: computed[f"iou/{name}"] for name in names if f"iou/{name}" in computed}

    known = truth != ignored
    matrices = np.stack([Confusion.of(*pair, classes).counts for pair in zip(truth, predicted, strict=True)])
    literal = [
        jaccard_score(t[k], p[k], labels=np.unique(t[k]), average="macro")
        for t, p, k in zip(truth, predicted, known, strict=True)
    ]
    assert [Confusion(each, classes).image_iou for each in matrices] == pytest.approx(literal)
    assert (count_images(torch.tensor(predicted), torch.tensor(truth), classes).numpy() == matrices).all()


def test_label_scores_are_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 5, 80), generator.integers(0, 6, 80)
    scores = Confusion.of(truth, predicted, Classes.of(list("abcdefg"))).label_scores()
    with pytest.warns(UserWarning, match="not in y_true"):
        assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores["accuracy"] == pytest.approx((truth == predicted).mean())
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))


@pytest.mark.parametrize("number", [2, 50])
def test_figures_of_few_and_many_classes_stay_readable(number: int, tmp_path: Path) -> None:
    names = [f"a_$rather$_long_name_of_class_{label}" for label in range(number)]
    classes = Classes.of(names, ignore_index=0)
    counts = np.random.default_rng(0).integers(0, 9, (number, number))
    save(draw_confusion(Confusion(counts, classes), "title", "pixels"), tmp_path / "matrix.png")
    mask = np.arange(number, dtype=np.uint8).repeat(2)[None].repeat(30, 0)
    save(draw_examples([Example(name, "0.1", None, mask, mask) for name in "abcde"], classes, "t"), tmp_path / "w.png")
    width, height = Image.open(tmp_path / "matrix.png").size
    assert 350 < width < 2500 and 350 < height < 2500
    assert Image.open(tmp_path / "w.png").size[0] < 2000
