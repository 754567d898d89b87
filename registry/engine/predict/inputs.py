"""What is predicted, and how: folders, files, patterns and csv tables -> images with the names of their results."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, NamedTuple

from ...catalog.registry import Registry
from ...errors import InputError, Problem
from ...recipe.planner import plan_component
from ...recipe.yaml import as_node
from ..build import build
from ..data.images import IMAGE_SUFFIXES, images_in, require_utf8
from ..data.labels import IMAGE_COLUMNS, LabelTable, read_label_table

#: What the stems of the files that a prediction writes end in.
_WRITTEN: Final = ("_mask", "_overlay")
_ACCEPTED: Final = f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to predict.

    Attributes:
        inputs: folders, files, patterns such as ``shots/*.png``, or one csv.
        out: the folder of the results, or a csv for labels; files in it are not inputs of a folder around it.
        images: the folder to which a csv's files are relative; the csv's own when None.
        recursive: look into the folders' folders too.
        batch_size: images, or tiles, that the model gets at once; that of the run's evaluation when None.
        tile: side of a tile in pixels; None for the size that the run has seen.
        overlap: least share of a tile that the next one covers too, 0..0.9.
        flips, scales: see ``Views``.
        mask_format: ``colors`` as RGB, or ``index``, a grey image of the labels.
        scores: also write probabilities: a column for each class, or ``NAME_scores.npy``, float16 (classes, H, W).
        overlays: also write ``NAME_overlay.jpg``, the mask over its image.
        resume: take over what an earlier prediction of many inputs has done.
    """

    inputs: Sequence[str]
    out: Path
    images: Path | None = None
    recursive: bool = False
    batch_size: int | None = None
    tile: int | None = None
    overlap: float = 0.25
    flips: Sequence[str] = ()
    scales: Sequence[float] = (1.0,)
    mask_format: Literal["colors", "index"] = "colors"
    scores: bool = False
    overlays: bool = False
    resume: bool = False


class InputImage(NamedTuple):
    """An image to predict.

    Attributes:
        path: the file.
        name: its path below the input, with ``/``; results are named after it.
        sample: the split of a packed data set, and the place in it, which the image is read from; None for a file.
    """

    path: Path
    name: str
    sample: tuple[Any, int] | None = None


@dataclass
class Inputs:
    """Everything to predict.

    Attributes:
        images: in the order of the inputs, those of a folder sorted by path.
        table: the csv that named them, one a row, where a csv did.
        notes: what was skipped, as text.
    """

    images: list[InputImage] = field(default_factory=list)
    table: LabelTable | None = None
    notes: list[str] = field(default_factory=list)


def find(settings: Settings, suffix: str = "") -> Inputs:
    """Look up every input.

    Args:
        settings: its inputs.
        suffix: what the stems of the data set's images end in, the fact ``image_suffix``; in a folder that holds such
            files, the others (their masks) are left out.

    Raises:
        InputError: an input does not exist or has no images; every such problem at once.
    """
    found, problems = Inputs(), list[Problem]()
    tables = [text for text in settings.inputs if Path(text).suffix.lower() == ".csv"]
    if settings.images is not None and not tables:
        hint = "name the folder itself as the input"
        problems.append(Problem("--images", "goes with a csv, and none of the inputs is a csv", hint))
    for text in settings.inputs:
        path = Path(text)
        if path.is_dir() and (splits := _packed(path)):
            found.images += [
                InputImage(path, f"{split}/{name}", (samples, index))
                for split, samples in splits.items()
                for index, name in enumerate(samples.names)
            ]
        elif path.is_dir():
            _folder(path, settings, suffix, found, problems)
        elif text in tables and path.is_file():
            if len(settings.inputs) > 1:
                problems.append(Problem(text, "is a csv among other inputs", "predict it separately"))
            else:
                _csv(path, settings.images, found, problems)
        elif path.is_file():
            found.images.append(InputImage(path, path.name))
        elif glob.has_magic(text):
            _pattern(text, found, problems)
        else:
            problems.append(Problem(text, "does not exist", "name a folder, a file, a quoted pattern or a csv"))
    if problems:
        raise InputError(problems)
    require_utf8(image.path for image in found.images)
    return found


def _packed(folder: Path) -> dict[str, Any]:
    """The splits of a data set that ``data pack`` wrote; none for another folder."""
    if not (folder / "index.json").is_file():
        return {}
    for component in Registry().components("datasets"):
        spec = component.spec()
        if spec.pack is not None and (guessed := spec.guess(folder)) is not None:
            block = as_node({"use": component.name, **guessed})
            data = build(plan_component(block, "datasets", Registry()), {"seed": 0})
            return {name: samples for name in ("train", "val") if (samples := data.split(name)) is not None}
    return {}


def _folder(folder: Path, settings: Settings, suffix: str, found: Inputs, problems: list[Problem]) -> None:
    files = [path for path in images_in(folder, deep=settings.recursive) if path.is_file()]
    results = settings.out.resolve()
    if results != folder.resolve():
        files = [path for path in files if results not in path.resolve().parents]
    if not files:
        deeper = not settings.recursive and images_in(folder, deep=True)
        hint = "--recursive searches its subfolders" if deeper else _ACCEPTED
        problems.append(Problem(str(folder), "has no images", hint))
        return
    written = {(path.parent, path.stem.removesuffix(suffix) + end) for path in files for end in _WRITTEN}
    kept = [path for path in files if (path.parent, path.stem) not in written]
    kept = [path for path in kept if suffix and path.stem.endswith(suffix)] or kept
    if len(kept) < len(files):
        others = sorted(set(files) - set(kept))
        some = ", ".join(path.name for path in others[:3]) + ", ..." * (len(others) > 3)
        found.notes.append(
            f"skipped {len(others)} file{'s' * (len(others) > 1)} in {folder}, named as masks or overlays: {some}"
        )
    found.images += [InputImage(path, path.relative_to(folder).as_posix()) for path in kept]


def _pattern(text: str, found: Inputs, problems: list[Problem]) -> None:
    parts = Path(text).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    matches = sorted(path for path in root.glob(str(Path(*parts[fixed:]))) if path.is_file())
    files = [path for path in matches if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    if not files:
        problems.append(Problem(text, "matches no images", _ACCEPTED))
    found.images += [InputImage(path, path.relative_to(root).as_posix()) for path in files]


def _csv(path: Path, images: Path | None, found: Inputs, problems: list[Problem]) -> None:
    if images is not None and not images.is_dir():
        problems.append(Problem(str(images), "is not a directory"))
        return
    folder = path.parent if images is None else images
    try:
        table = read_label_table(path)
        column = table.column(IMAGE_COLUMNS)
    except InputError as error:
        problems += error.problems
        return
    for line, cells in table.rows:
        if len(cells) > len(table.columns) or not cells[column] or "\0" in cells[column]:
            reason = "has more cells than the header" if len(cells) > len(table.columns) else "names no file"
            problems.append(Problem("row", reason, line=line, file=str(path)))
        else:
            name = Path(cells[column])
            # A result stays in its folder, wherever the image comes from.
            inside = name.name if name.is_absolute() or ".." in name.parts else name.as_posix()
            found.images.append(InputImage(folder / name, str(PurePosixPath(inside))))
    if found.images and not any(image.path.is_file() for image in found.images):
        first, hint = found.images[0].path, "--images names the folder of the files"
        message = f"names {len(table.rows)} file{'s' * (len(table.rows) > 1)}, and none exists; the first is {first}"
        problems.append(Problem(str(path), message, hint))
    elif not table.rows:
        problems.append(Problem(str(path), "has no rows below its header"))
    found.table = table
