"""Figures for everyone: classes and runs differ in grey, too, and legends are complete."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from plugins.reports.curves import _coinciding
from plugins.trainers.segmentation import legend
from registry.engine.data.classes import Classes
from registry.engine.data.drawing import HATCHES, hatched, score_title
from registry.engine.evaluate.confusion import Confusion
from registry.engine.evaluate.figures import Example, draw_confusion, draw_examples


@pytest.mark.parametrize("one", range(len(HATCHES)))
def test_classes_of_one_grey_differ_by_their_hatches(one: int) -> None:
    colors = [(120, 120, 120)] * len(HATCHES)
    pictures = [hatched(np.full((30, 30), label), colors) for label in range(len(HATCHES))]
    assert pictures[one].shape == (360, 360, 3)
    others = [picture for label, picture in enumerate(pictures) if label != one]
    assert min(np.mean(pictures[one] != other) for other in others) > 0.05
    assert np.mean(pictures[one] == 120) > 0.5, "the colour stays the larger part"


def test_the_matrix_has_counts_per_cent_and_recall() -> None:
    counts = np.array([[30, 10], [0, 1_500_000]])
    figure = draw_confusion(Confusion(counts, Classes.of(["rare", "common"])), "run", "pixels")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["75 %\n30", "25 %\n10", "100 %\n1.5M"]
    (recall,) = axis.child_axes
    assert [label.get_text() for label in recall.get_yticklabels()] == ["75 % of 40", "100 % of 1.5M"]


@pytest.mark.parametrize("names", [["0", "1", "2"], [f"a class of a long name {number}" for number in range(3)]])
def test_the_matrix_cuts_no_text(names: list[str]) -> None:
    confusion = Confusion(np.array([[30, 10, 0], [0, 15, 2], [1, 0, 9]]), Classes.of(names))
    figure = draw_confusion(confusion, "cls_resnet18: epoch 100, accuracy 0.9815 (demo data)", "evaluation images")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    width, height = canvas.get_width_height()
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text.get_text()
    assert "true class" in [text.get_text() for text in texts]


def test_right_and_wrong_are_marked_among_the_worst_images() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    examples = [Example(str(right), "", image, right=right) for right in (True, False)]
    figure = draw_examples(examples, Classes.of(["a", "b"]), "run")
    edges = [axis.patches[0].get_linestyle() for axis in figure.axes if axis.patches]
    assert edges == [":", "-"] and "✗ wrong" in figure.get_suptitle()


def test_curves_that_coincide_are_named() -> None:
    rows = [{"epoch": 1, "a": 0.5, "b": 0.5004, "c": 0.9}, {"epoch": 2, "a": 0.6, "b": 0.6, "c": 0.6}]
    names = ["a", "b", "c"]
    assert [_coinciding(rows, names, name) for name in names] == ["", " (coincides with a, evaluation)", ""]


def test_a_pictures_legend_breaks_its_lines() -> None:
    entries = [((255, 0, 0), "urban"), ((0, 255, 0), "agriculture"), ((0, 0, 255), "water")]
    narrow, wide = legend(90, entries), legend(600, entries)
    assert narrow.shape[1] == 90 and narrow.shape[0] > wide.shape[0] and wide.shape[1] == 600
    assert Image.fromarray(wide).getcolors(10_000) is not None and [255, 0, 0] in wide.reshape(-1, 3).tolist()


def test_scores_are_written_as_the_field_writes_them() -> None:
    assert [score_title(name) for name in ("miou", "balanced_accuracy", "top5")] == [
        *("mIoU", "balanced accuracy", "top-5 accuracy")
    ]
