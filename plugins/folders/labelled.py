"""Images with a class each: what the classification data sets of plain folders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from registry import InputError, Problem, did_you_mean
from registry.engine import in_class_order, read_image

#: Problems of a data set that are shown; the others are counted.
_SHOWN: Final = 10


@dataclass(frozen=True)
class Labelled:
    """Files with a label each; read when asked for, as dicts of ``image`` (H, W, 3) uint8, ``label`` and ``name``.

    Args:
        files: the images.
        labels: the index of each one's class; None where it is not known: that sample has no ``label``.
        names: what each one is called.
    """

    files: Sequence[Path]
    labels: Sequence[int | None]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        sample = {"image": read_image(self.files[index]), "name": self.names[index]}
        label = self.labels[index]
        return sample if label is None else {**sample, "label": label}


class Found(NamedTuple):
    """A file as it was found, before the classes have indices.

    Args:
        file: the image.
        name: what the sample is called.
        class_name: None where it is not known.
        table: the file with the class, where there is one.
        line: 1-based line in the table.
    """

    file: Path
    name: str
    class_name: str | None
    table: Path | None = None
    line: int | None = None


class LabelledFiles:
    """Classification data of files whose classes are known by name.

    Args:
        train: the training split.
        val: the evaluation split; None when there is none.
        problems: problems in finding them.
        classes: the classes where they are known without the files; else those that occur in the training split.

    Raises:
        InputError: there are problems, or the evaluation split has a class that the training split lacks.
    """

    def __init__(
        self,
        train: Sequence[Found],
        val: Sequence[Found] | None,
        problems: Sequence[Problem],
        classes: Iterable[str] | None = None,
    ) -> None:
        names = in_class_order(_classes_of(train) if classes is None else classes)
        # Where nothing was found to learn from, every other class would be a stranger.
        raise_all([*problems, *_strangers(val or () if train else (), names)])
        self.facts: dict[str, Any] = {"in_channels": 3}
        if names:
            self.facts |= {"num_classes": len(names), "class_names": names}
        labels = {name: label for label, name in enumerate(names)}
        self._splits = {"train": _numbered(train, labels), "val": None if val is None else _numbered(val, labels)}

    def split(self, name: str) -> Labelled | None:
        """The split called ``train`` or ``val``; None when the data have no such split.

        Raises:
            InputError: another name.
        """
        if name not in self._splits:
            raise InputError.of(name, "is not a split of this data", f"the splits are {', '.join(self._splits)}")
        return self._splits[name]


def split_folder(root: Path, name: str, problems: list[Problem]) -> Path | None:
    """The folder of a split; None, and a problem, where it does not exist."""
    folder = root / name
    if folder.is_dir():
        return folder
    there = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    hint = did_you_mean(folder.name, there, f"folders there: {', '.join(there[:8])}" if there else None)
    problems.append(Problem(str(folder), "does not exist", hint))
    return None


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise an ``InputError`` of the first ten problems, and of how many more there are."""
    if problems:
        more = len(problems) - _SHOWN
        rest = [Problem("...", f"and {more} more problem{'s' * (more > 1)} of the same data")] if more > 0 else []
        raise InputError([*problems[:_SHOWN], *rest])


def _classes_of(found: Iterable[Found]) -> set[str]:
    return {one.class_name for one in found if one.class_name is not None}


def _strangers(found: Iterable[Found], names: Sequence[str]) -> list[Problem]:
    """A problem for each class that is not among the names, with the first file of it."""
    first: dict[str, Found] = {}
    for one in found:
        if one.class_name is not None:
            first.setdefault(one.class_name, one)
    strange = [(name, first[name]) for name in sorted(first.keys() - set(names))]
    return [
        Problem(
            str(one.file),
            f"is of class {name!r}, which the training split does not have",
            did_you_mean(name, names) if number < _SHOWN else None,
            one.line,
            None if one.table is None else str(one.table),
        )
        for number, (name, one) in enumerate(strange)
    ]


def _numbered(found: Sequence[Found], labels: Mapping[str, int]) -> Labelled:
    numbers = [None if one.class_name is None else labels[one.class_name] for one in found]
    return Labelled([one.file for one in found], numbers, [one.name for one in found])
