"""miou and boundary_iou against their formulas, written here with sets of pixels and with erosions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_erosion
from torch.nn import functional as F

from plugins.metrics.specs import boundary_iou, miou
from registry import InputError

NAMES = ["urban", "agriculture", "rangeland", "forest", "water", "barren", "unknown"]
UNKNOWN = 6


def scores_of(metric: Any, truth: np.ndarray, predicted: np.ndarray, batch: int = 2) -> dict[str, float]:
    """The figures of a metric that is given masks (N, H, W) in batches."""
    logits = F.one_hot(torch.tensor(predicted), len(NAMES)).movedim(-1, 1).float()
    for part in range(0, len(truth), batch):
        metric.update(logits[part : part + batch], torch.tensor(truth)[part : part + batch])
    return metric.compute()


def places(masks: np.ndarray, label: int) -> set[int]:
    return set(np.flatnonzero(masks == label).tolist())


def course_miou(truth: np.ndarray, predicted: np.ndarray) -> tuple[dict[str, float], float]:
    """The course's rule, over the classes that occur at all: unknown is not averaged, but c predicted there counts."""
    ious = {}
    for c in range(6):
        p, g = places(predicted, c), places(truth, c)
        if p or g:
            ious[NAMES[c]] = len(p & g) / (len(p) + len(g) - len(p & g))
    return ious, sum(ious.values()) / max(len(ious), 1)


def masks(labels: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Truth and prediction of a few small images, with a few of the classes each."""
    few = st.lists(labels, min_size=1, max_size=3).flatmap(st.sampled_from)
    shapes = array_shapes(min_dims=3, max_dims=3, max_side=6)
    return shapes.flatmap(lambda shape: st.tuples(*(arrays(np.int64, shape, elements=few) for _ in range(2))))


@settings(max_examples=40, deadline=None)
@given(masks(st.integers(0, 6)))
def test_the_course_miou(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = pair
    metric = miou(num_classes=7, class_names=NAMES, ignore_index=UNKNOWN, ignored_pixels="count_against")
    figures = scores_of(metric, truth, predicted)
    ious, mean = course_miou(truth, predicted)
    assert figures["miou"] == pytest.approx(mean, abs=1e-6)
    assert {name[4:]: value for name, value in figures.items() if name[:4] == "iou/"} == pytest.approx(ious, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(masks(st.integers(0, 6)), st.sampled_from([UNKNOWN, 255]), st.sampled_from([None, ["water", "unknown"]]))
def test_the_usual_miou_dice_and_pixel_accuracy(
    pair: tuple[np.ndarray, np.ndarray], ignored: int, left_out: list[str] | None
) -> None:
    truth, predicted = np.where(pair[0] == UNKNOWN, ignored, pair[0]), pair[1]
    metric = miou(num_classes=7, class_names=NAMES, ignore_index=ignored, left_out=left_out, per_class=["iou", "dice"])
    figures = scores_of(metric, truth, predicted)
    hidden = places(truth, ignored)
    ious, dices, right = {}, {}, 0
    for c, name in enumerate(NAMES):
        p, g = places(predicted, c) - hidden, places(truth, c) - hidden
        right += len(p & g)
        if (p | g) and not (name in left_out if left_out else c == ignored):
            ious[f"iou/{name}"] = len(p & g) / len(p | g)
            dices[f"dice/{name}"] = 2 * len(p & g) / (len(p) + len(g))
    shown = {name: value for name, value in figures.items() if "/" in name and not name.startswith("constant")}
    assert shown == pytest.approx(ious | dices, abs=1e-6)
    assert figures["miou"] == pytest.approx(sum(ious.values()) / max(len(ious), 1), abs=1e-6)
    assert figures["dice"] == pytest.approx(sum(dices.values()) / max(len(dices), 1), abs=1e-6)
    assert figures["pixel_accuracy"] == pytest.approx(right / max(truth.size - len(hidden), 1), abs=1e-6)


def blobs(seed: int, count: int = 5, size: tuple[int, int] = (40, 56)) -> tuple[np.ndarray, np.ndarray]:
    """Truth of broad regions, and a prediction that errs along their borders."""
    rng = np.random.default_rng(seed)
    fields = torch.tensor(rng.normal(size=(count, 6, 5, 6)))  # class 6 is added below, another one is absent
    fields[:, seed % 6] = -9
    smooth = F.interpolate(fields, size, mode="bicubic")
    truth = smooth.argmax(1).numpy()
    predicted = (smooth + 0.4 * F.interpolate(torch.randn(count, 6, 9, 9), size, mode="bilinear")).argmax(1).numpy()
    truth[:, 5:20, 30:45] = UNKNOWN
    predicted[:, 12:16, 10:44] = UNKNOWN
    return truth, predicted


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ratio", [0.001, 0.02, 0.1])
def test_boundary_iou_is_that_of_what_erosions_take_away(seed: int, ratio: float) -> None:
    truth, predicted = blobs(seed)
    metric = boundary_iou(num_classes=7, class_names=NAMES, ignore_index=UNKNOWN, dilation_ratio=ratio)
    figures = scores_of(metric, truth, predicted)
    steps = max(1, round(ratio * np.hypot(40, 56)))
    shared, either = np.zeros(6), np.zeros(6)
    for one, other in zip(truth, predicted, strict=True):
        hidden = one == UNKNOWN
        for c in range(6):
            bands = []
            for mask in (one, other):
                core = binary_erosion((mask == c) | hidden, np.ones((3, 3)), steps)  # beyond the border is outside
                bands.append((mask == c) & ~hidden & ~core)
            shared[c] += (bands[0] & bands[1]).sum()
            either[c] += (bands[0] | bands[1]).sum()
    expected = {f"boundary_iou/{NAMES[c]}": shared[c] / either[c] for c in range(6) if either[c]}
    assert {name: value for name, value in figures.items() if "/" in name} == pytest.approx(expected, abs=1e-6)
    assert figures["boundary_iou"] == pytest.approx(np.mean(list(expected.values())), abs=1e-6)
    assert 0 < figures["boundary_iou"] < 1
    metric.reset()
    assert scores_of(metric, truth, np.where(truth == UNKNOWN, predicted, truth))["boundary_iou"] == 1.0


@pytest.mark.parametrize("spec", [miou, boundary_iou])
def test_notes_name_exactly_the_absent_classes(spec: Any) -> None:
    truth, predicted = blobs(0)
    metric = spec(num_classes=7, class_names=NAMES, ignore_index=UNKNOWN)
    scores_of(metric, truth, predicted)
    (note,) = metric.notes()
    assert "urban" in note and "left out of the means" in note
    metric.reset()
    scores_of(metric, np.arange(6).repeat(6).reshape(1, 6, 6), np.zeros((1, 6, 6), int))
    assert metric.notes() == []


def test_unknown_can_be_made_a_class_like_any_other() -> None:
    truth, predicted = blobs(1)
    settled: dict[str, Any] = {
        "num_classes": 7,
        "class_names": NAMES,
        "ignored_pixels": "count_against",
        "left_out": [],
    }
    figures = scores_of(miou(**settled, ignore_index=UNKNOWN), truth, predicted)
    plain = scores_of(miou(**settled, ignore_index=None), truth, predicted)
    assert figures["iou/unknown"] > 0 and figures["miou"] == plain["miou"]


def test_what_a_constant_prediction_reaches() -> None:
    truth = np.array([[[0, 0, 0, 1], [2, 2, UNKNOWN, UNKNOWN]]])
    pixels: Literal["leave_out", "count_against"]
    for pixels, expected in (("leave_out", 3 / 6 / 3), ("count_against", 3 / 8 / 3)):
        metric = miou(num_classes=7, ignore_index=UNKNOWN, ignored_pixels=pixels)
        assert scores_of(metric, truth, np.zeros_like(truth))["miou"] == pytest.approx(expected)
        assert metric.compute()["constant/miou"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spec", "left_out", "message"),
    [
        (miou, ["watr"], r"'watr' is not a class[\s\S]*'water'"),
        (miou, NAMES, "leaves no class"),
        (miou, ["water"], "'unknown' is the class that is ignored"),
        (boundary_iou, [], "'unknown' is the class that is ignored"),
    ],
)
def test_classes_that_cannot_be_left_out(spec: Any, left_out: list[str], message: str) -> None:
    with pytest.raises(InputError, match=f"left_out: .*{message}"):
        spec(num_classes=7, class_names=NAMES, ignore_index=UNKNOWN, left_out=left_out)


@pytest.mark.parametrize("spec", [miou, boundary_iou])
def test_labels_of_images_are_refused(spec: Any) -> None:
    with pytest.raises(InputError, match=f"{spec.__name__} counts pixels"):
        spec(num_classes=7).update(torch.zeros(2, 7), torch.zeros(2, dtype=torch.long))
