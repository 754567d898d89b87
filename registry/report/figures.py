"""What the reports of a training and ``evaluate`` left in a run folder, as plain data: see docs/how-to/report.md."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..results import per_image
from .calibration import calibration
from .pictures import Room

#: The maps of the penultimate layer that a page shows.
_MAPS: Final = {"pca": "PCA", "tsne": "t-SNE"}
#: Where ``evaluate`` writes by default, and where the report ``confusion_matrix`` does.
_EVALUATION, _CONFUSION = Path("evaluation/val"), Path("figures/confusion_matrix")


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _epochs(folder: Path, suffix: str = ".csv") -> dict[int, Path]:
    found = {int(path.stem.rpartition("_")[2]): path for path in folder.glob(f"epoch_*{suffix}")}
    return dict(sorted(found.items()))


def confusion(run: Path) -> dict[str, Any] | None:
    """``names``, ``counts`` (rows the truth, columns the prediction), ``unit`` and ``source``; None without."""
    path, unit, source = run / _EVALUATION / "confusion_matrix.csv", "image", "evaluate"
    if path.is_file():
        scores = json.loads((path.parent / "scores.json").read_text(encoding="utf-8"))
        unit = "pixel" if scores["kind"] == "masks" else "image"
        source = f"evaluate, epoch {scores['epoch']}"
    elif epochs := _epochs(run / _CONFUSION):
        epoch, path = max(epochs.items())
        source = f"epoch {epoch}"
    else:
        return None
    with open(path, encoding="utf-8", newline="") as file:
        (_, *names), *rows = csv.reader(file)
    counts = [[int(value) for value in row[1:]] for row in rows]
    if any(len(row) != len(names) for row in counts) or len(counts) != len(names):
        raise ValueError("the confusion matrix is not square")
    return {"names": names, "counts": counts, "unit": unit, "source": source}


def classes(run: Path, best: Mapping[str, float]) -> dict[str, Any] | None:
    """``names``, and ``columns`` (heading -> a value a class): of ``evaluate``, else of the best epoch's scores."""
    path = run / _EVALUATION / "scores.json"
    if path.is_file():
        scores = json.loads(path.read_text(encoding="utf-8"))
        if scores.get("classes"):
            masks, own = scores["kind"] == "masks", scores["classes"]
            own = {name: each for name, each in own.items() if each["in_mean"]}
            keys = {"IoU": "iou", "Dice": "dice"} if masks else {"F1": "dice"}
            keys |= {"precision": "precision", "recall": "recall", "true pixels" if masks else "images": "truth"}
            columns = {heading: [each[key] for each in own.values()] for heading, key in keys.items()}
            return {"names": list(own), "columns": columns, "source": f"evaluate, epoch {scores['epoch']}"}
    of: dict[str, dict[str, float]] = {}
    names: list[str] = []
    for name, value in best.items():
        score, slash, label = name.partition("/")
        if slash and score not in ("constant", "start"):
            of.setdefault(score, {})[label] = value
            names += [label] if label not in names else []
    if not names:
        return None
    filled = {score: [values.get(name) for name in names] for score, values in of.items()}
    return {"names": names, "columns": filled, "source": "best epoch"}


def architecture(run: Path) -> dict[str, Any] | None:
    """``facts`` of the network, and ``rows`` of its modules; None without."""
    folder = run / "figures" / "architecture"
    if not (folder / "modules.csv").is_file():
        return None
    facts = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {"facts": facts, "rows": _rows(folder / "modules.csv")}


def maps(run: Path, room: Room) -> list[dict[str, Any]]:
    """The maps of the penultimate layer: images with class and name, and their places at each epoch."""
    found = []
    for name, title in _MAPS.items():
        stages, folder = [], run / "figures" / name
        for epoch, path in _epochs(folder).items():
            rows = _rows(path)
            places = {axis: [float(f"{float(row[axis]):.4g}") for row in rows] for axis in ("x", "y")}
            figures = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            predicted = [row["predicted_class"] for row in rows]
            stages.append({"epoch": epoch, **places, "predicted": predicted, "figures": figures})
            images = [row["name"] for row in rows]
            labels = [row["class"] for row in rows]
        if stages and room.take(len(json.dumps(stages)) + len(json.dumps(images)), f"{title} of {run.name}"):
            sheet = room.embed(folder / "thumbnails.jpg", f"thumbnails of {title} of {run.name}")
            found.append({"title": title, "images": images, "classes": labels, "stages": stages, "sheet": sheet})
    return found


def masks(run: Path, room: Room) -> list[dict[str, Any]]:
    """The images of ``mask_stages``: picture, true mask, and the predicted mask and IoU at each epoch."""
    folder = run / "figures" / "mask_stages"
    found: dict[str, dict[str, Any]] = {}
    if not (folder / "stages.csv").is_file():
        return []
    for row in _rows(folder / "stages.csv"):
        name, epoch = row["name"], int(row["epoch"])
        if name not in found:
            what = f"masks of {name} of {run.name}"
            parts = {part: room.embed(folder / f"{name}_{part}{end}", what) for part, end in _PARTS.items()}
            found[name] = {"name": name, **parts, "stages": []}
        mask = room.embed(folder / f"{name}_epoch_{epoch:04d}.png", f"mask of {name} of {run.name}, epoch {epoch}")
        if mask is not None:
            iou = float(row["iou"]) if row["iou"] not in ("", "nan") else None
            found[name]["stages"].append({"epoch": epoch, "iou": iou, "mask": mask})
    return [each for each in found.values() if each["image"] and each["stages"]]


_PARTS: Final = {"image": ".jpg", "truth": ".png"}


def worst(run: Path, room: Room) -> dict[str, Any] | None:
    """The worst predictions: a sheet of ``evaluate``, or a sheet of thumbnails with a row for each."""
    if sheet := room.embed(run / _EVALUATION / "worst.png", f"worst images of {run.name}"):
        return {"sheet": sheet, "rows": []}
    if not (run / _CONFUSION / "worst.csv").is_file():
        return None
    sheet = room.embed(run / _CONFUSION / "worst.jpg", f"worst images of {run.name}")
    return {"sheet": sheet, "rows": _rows(run / _CONFUSION / "worst.csv")}


def probabilities(run: Path) -> dict[str, Any] | None:
    """``calibration`` of the images that have a probability; None without."""
    rows = [row for row in per_image.rows(run) if row.get("probability")]
    if not rows:
        return None
    return calibration([float(row["probability"]) for row in rows], [row["right"] == "1" for row in rows])
