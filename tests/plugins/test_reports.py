"""The reports: colours, their numbers, and what real runs leave behind, resumed ones included."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from color_difference import color_difference, lab
from google.protobuf import text_format
from PIL import Image
from runs import events, same, train, weights
from sklearn.datasets import load_digits
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from plugins.reports.class_marks import ClassMarks
from plugins.reports.curves import Curves, _points
from plugins.reports.figures import literal
from plugins.reports.pca import PrincipalComponents
from plugins.reports.scatter import apart, limits_of
from plugins.reports.stages import Stage, stages_before, stratified
from plugins.reports.tsne import NeighbourEmbedding
from plugins.reports.worth import kept_neighbours, knn_accuracy, silhouette
from plugins.trackers.projector import fitting
from plugins.trackers.tensorboard import TensorBoard
from registry import InputError
from registry.engine import Run, distinct_colors
from registry.engine.records.epoch import EpochRecord
from registry.engine.records.trackers import TrackedRun


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        # Sharma, Wu and Dalal (2005), table 1: pairs 1, 7, 9, 13, 17, 19 and 25.
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
        ((50.0, -0.0010, 2.4900), (50.0, 0.0009, -2.4900), 4.8045),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_color_difference_is_ciede2000(one: tuple, other: tuple, difference: float) -> None:
    for first, second in ((one, other), (other, one)):
        assert float(color_difference(np.array(first), np.array(second))) == pytest.approx(difference, abs=6e-5)


def test_colours_stay_apart() -> None:
    colors = distinct_colors(256)
    assert len(set(colors)) == 256
    assert distinct_colors(5) == colors[:5], "a further class does not recolour the others"
    many = distinct_colors(1000)
    assert len(set(many)) == 1000 and many[:256] == colors
    assert min(max(color) - min(color) for color in many[256:]) > 60
    seen = lab(np.array(colors, np.uint8))
    apart = color_difference(seen[:, None], seen[None]) + 999 * np.eye(256)
    assert apart[:10, :10].min() > 18 and apart[:50, :50].min() > 12
    paper = lab(np.array([(255, 255, 255), (0, 0, 0), (110, 110, 110), (128, 128, 128)], np.uint8))
    assert color_difference(seen[:50, None], paper[None]).min() > 10


def test_classes_of_like_colours_have_unlike_shapes() -> None:
    marks = ClassMarks([f"class {i}" for i in range(50)], distinct_colors(50))
    seen = lab(np.array(distinct_colors(50), np.uint8))
    order = (color_difference(seen[:, None], seen[None]) + 999 * np.eye(50)).argsort(1)
    assert not [i for i in range(50) if marks.shapes[i] == marks.shapes[order[i, 0]]]
    assert len({(shape, color) for shape, color in zip(marks.shapes, distinct_colors(50), strict=True)}) == 50
    assert [entry.get_label() for entry in marks.legend()][7] == "7  class 7"


def test_names_are_shown_letter_by_letter() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    for name in ("_back$ground$", "$\\frac$"):
        axes.plot([], [], label=literal(name))
    shown = [text.get_text() for text in axes.legend().get_texts()]
    assert len(shown) == 2 and shown[0].endswith("_back\\$ground\\$")
    figure.canvas.draw()


def test_a_choice_holds_every_class_with_its_share() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    chosen = stratified(labels, 100, seed=3)
    assert list(np.bincount(labels[chosen])) == pytest.approx([60, 30, 10], abs=1) and len(chosen) == 100
    assert list(chosen) == sorted(set(chosen)) and list(chosen) == list(stratified(labels, 100, seed=3))
    assert list(chosen) != list(stratified(labels, 100, seed=4))
    assert list(stratified(labels, 1000, seed=3)) == list(range(1000))


def test_the_numbers_of_a_map() -> None:
    digits = load_digits()
    vectors, labels = digits.data[:200], digits.target[:200]
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1) + 1e9 * np.eye(200)
    votes = [np.bincount(labels[row.argsort(kind="stable")[:10]]).argmax() for row in distance]
    assert knn_accuracy(vectors, labels) == pytest.approx(np.mean(votes == labels))
    assert kept_neighbours(vectors, vectors) == pytest.approx(1, abs=1e-4)  # digits have a few ties
    assert kept_neighbours(vectors, np.random.default_rng(0).normal(size=(200, 2))) < 0.65
    assert math.isnan(silhouette(vectors, np.zeros(200)))


def stage(epoch: int, places: np.ndarray) -> Stage:
    zeros = np.zeros(len(places), int)
    return Stage(epoch, [str(i) for i in range(len(places))], zeros, zeros, places, {"worth": math.nan, "share": 0.25})


def test_stages_are_kept_and_share_their_axes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    first, second = stage(2, generator.normal(size=(30, 2))), stage(10, generator.normal(3, 5, size=(30, 2)))
    for one in (second, first):
        one.save(tmp_path, ["all"])
    kept = stages_before(tmp_path, 11)
    assert [one.epoch for one in kept] == [2, 10] and [one.epoch for one in stages_before(tmp_path, 10)] == [2]
    assert np.allclose(kept[0].places, first.places, rtol=1e-5) and kept[0].names == first.names
    assert kept[0].figures["share"] == 0.25 and math.isnan(kept[0].figures["worth"])
    x, y, half = limits_of([first, second])
    assert (np.abs(np.vstack([first.places, second.places]) - (x, y)) < half).all()
    assert limits_of([first, second, first]) == (x, y, half)


def test_numbers_on_a_map_do_not_overlap() -> None:
    moved = apart(np.zeros((50, 2)), 1.0)
    distance = np.linalg.norm(moved[:, None] - moved[None], axis=-1) + 999 * np.eye(50)
    assert distance.min() > 0.8 and np.abs(moved).max() < 8


def test_later_stages_are_turned_onto_earlier_ones() -> None:
    generator = np.random.default_rng(0)
    places = generator.normal(size=(40, 2)) * (3, 1)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])  # a rotation and a mirror
    tsne = NeighbourEmbedding(30, ["last"], 100, ["a"], [(0, 0, 0)], 0)
    moved = tsne.aligned((places - places.mean(0)) @ turn, places + 5)
    assert np.allclose(moved, places - places.mean(0))
    pca = PrincipalComponents(["last"], 100, ["a"], [(0, 0, 0)], 0)
    assert np.allclose(pca.aligned(places * (-1, 1), places), places)


def test_pca_reports_the_variance_of_its_axes() -> None:
    features = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32) @ np.diag(np.arange(9) ** 2 + 1)
    pca = PrincipalComponents(["last"], 100, ["a"], [(0, 0, 0)], 0)
    places, figures = pca.map(features, cast(Run, None))
    shares = np.linalg.eigvalsh(np.cov(features.T))[::-1]
    shares = shares / shares.sum()
    assert [figures["variance_1"], figures["variance_2"]] == pytest.approx(list(shares[:2]), rel=1e-4)
    assert figures["variance"] == pytest.approx(float((places**2).sum(1).mean()), rel=1e-4)


def test_thumbnails_are_reduced_until_all_fit() -> None:
    many = np.full((300, 32, 32, 3), 7, np.uint8)
    reduced = fitting(many, limit=400)
    assert reduced.shape == (300, 22, 22, 3) and (reduced == 7).all()
    assert fitting(many).shape == many.shape and fitting(many[:, :, :20]).shape == many.shape


def listed(folder: Path) -> list[str]:
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    return [entry.tensor_name for entry in config.embeddings]


def test_the_projectors_list_holds_each_stage_once_also_after_a_resumed_run(tmp_path: Path) -> None:
    features, thumbnails = np.eye(6, 4, dtype=np.float32), np.zeros((6, 8, 8, 3), np.uint8)

    def write(after: int, *epochs: int) -> None:
        tracker = TensorBoard()
        tracker.start(TrackedRun("run", tmp_path, after=after))
        for epoch in epochs:
            for _ in range(2):  # two reports with the same features
                tracker.embedding("features", features, [("a\tb", "c")] * 6, ("name", "class"), thumbnails, epoch)
        tracker.finish({"best": {}, "monitor": "accuracy", "epochs": 5})

    write(0, 1, 2, 3)
    write(2)
    assert listed(tmp_path / "tensorboard") == ["features:00001", "features:00002"]
    write(2, 3, 5)
    assert listed(tmp_path / "tensorboard") == [f"features:0000{epoch}" for epoch in (1, 2, 3, 5)]
    table = (tmp_path / "tensorboard" / "00003" / "features" / "metadata.tsv").read_text().splitlines()
    assert table[0] == "name\tclass" and table[1:] == ["a b\tc"] * 6


def test_curves_leave_out_what_was_not_measured() -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": 1, "loss": 2.0},
        {"epoch": 2, "loss": math.nan},
        {"epoch": 3},
        {"epoch": 4, "loss": 1.0},
    ]
    assert _points(rows, "loss") == [(1, 2.0), (4, 1.0)]


def test_counts_do_not_press_scores_flat_in_the_curves() -> None:
    scores = [{"knn": 0.3 + epoch / 10, "spread": 1.1, "rank": 8.0 + epoch} for epoch in (1, 2)]
    records = [EpochRecord(epoch, val=val) for epoch, val in enumerate(scores, 1)]
    run = SimpleNamespace(
        name="byol",
        epochs=2,
        monitored="knn",
        trackers=SimpleNamespace(records=records),
        position=SimpleNamespace(best_epoch=2),
        plan=SimpleNamespace(demo=False),
    )
    panels = Curves([]).figure(cast(Run, run)).axes
    drawn = [
        [str(line.get_label()).split(",")[0] for line in panel.lines if "," in str(line.get_label())]
        for panel in panels
    ]
    assert drawn == [["kNN accuracy", "spread"], ["rank"]]
    assert panels[0].get_ylim()[1] < 2 < panels[1].get_ylim()[0]


@pytest.fixture
def colours(tmp_path: Path, colored_images: Path) -> Path:
    """A recipe over images of three colours, every report, and a figure for every epoch."""
    for split in ("train", "val"):
        for name, plain in (("red", "red"), ("gr$en", "green"), ("_blue", "blue")):
            shutil.copytree(colored_images / split / plain, tmp_path / "colours" / split / name)
    path = tmp_path / "colours.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 8, evaluate_every: 2}}
        data: {{use: image_folders, root: {tmp_path / "colours"}}}
        model: {{use: classifier, backbone: stranger_net}}
        loss: cross_entropy
        reports:
          - curves
          - {{use: confusion_matrix, at: [every 1]}}
          - {{use: pca, at: [every 1]}}
          - {{use: tsne, at: [every 1], max_images: 9}}
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    return path


def test_a_resumed_run_has_every_figure(stranger: None, colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(colours, out, "trainer.epochs=2")
    low = Image.open(out / "figures" / "pca.png").height  # the third stage begins a second row
    summary = train(colours, out, resume=True)
    assert not summary["failures"]
    train(colours, tmp_path / "bare", "reports=[]")
    assert same(weights(tmp_path / "bare"), weights(out)), "drawing changes nothing that is learned"
    assert any("9 of 12" in text for text in summary["caveats"])
    assert any("perplexity 2.7" in text for text in summary["caveats"])

    figures = out / "figures"
    for name, images in (("pca", 12), ("tsne", 9)):
        for epoch in (1, 2, 3):
            rows = list(csv.DictReader((figures / name / f"epoch_{epoch:04d}.csv").open()))
            assert len(rows) == images and {row["class"] for row in rows} == {"red", "gr$en", "_blue"}
            assert Image.open(figures / name / f"epoch_{epoch:04d}.png").width > 600
        figures_of = json.loads((figures / name / "epoch_0003.json").read_text())
        assert 0 <= figures_of["knn_map"] <= 1 and -1 <= figures_of["silhouette_features"] <= 1
    assert 0 < figures_of["trustworthiness"] <= 1 and Image.open(figures / "pca.png").height > low

    table = list(csv.reader((figures / "confusion_matrix" / "epoch_0003.csv").open()))
    counts = np.array([row[1:] for row in table[1:]], int)
    assert table[0][1:] == [row[0] for row in table[1:]] and counts.sum(1).tolist() == [4, 4, 4]
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert counts.trace() / 12 == pytest.approx(last["accuracy"])
    pairs = list(csv.DictReader((figures / "confusion_matrix" / "most_confused.csv").open()))
    assert sum(int(row["images"]) for row in pairs) == 12 - counts.trace()

    assert listed(out / "tensorboard") == [f"features:0000{epoch}" for epoch in (1, 2, 3)]
    vectors = np.loadtxt(out / "tensorboard" / "00003" / "features" / "tensors.tsv")
    assert vectors.shape == (12, 32) and Image.open(out / "tensorboard/00003/features/sprite.png").size == (128, 128)
    scalars, pictures = events(out)
    assert set(pictures) >= {"reports/pca", "reports/tsne", "reports/confusion_matrix", "reports/curves"}
    assert scalars["reports/tsne/trustworthiness"][-1] == 3 and scalars["reports/pca/variance"][-1] == 3


@pytest.mark.parametrize("report", ["pca", "tsne", "confusion_matrix"])
def test_a_report_that_cannot_be_drawn_is_refused_first(
    stranger: None, recipe: Path, tmp_path: Path, report: str
) -> None:
    with pytest.raises(InputError, match=rf"{report}: needs images with a class each"):
        train(recipe, tmp_path / "run", f"reports=[{report}]")
    assert not (tmp_path / "run").exists()


def test_a_map_needs_a_model_with_features(install: Callable[..., None], colours: Path, tmp_path: Path) -> None:
    spec = """
        def plain() -> "object":
            \"\"\"A model without features.\"\"\"
            from torch import nn
            return nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
        """
    install("plain-nets", {"models/plain": "plain_nets:plain"}, {"plain_nets.py": spec})
    with pytest.raises(InputError, match=r"pca: needs a model with features\(x\).*Sequential has none"):
        train(colours, tmp_path / "run", "model=plain")
    assert not (tmp_path / "run").exists()
