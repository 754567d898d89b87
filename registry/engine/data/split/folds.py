"""The folds of a split: parts of about equal size, with equal shares of the classes, that keep groups together."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....recipe.grammar import SplitSettings
from ..labels import IMAGE_COLUMNS, read_label_table
from ..samples import Samples

#: The class of images that have none, and that of images whose set of classes is rare.
_UNLABELLED, _RARE = "unlabelled", "rare"


def held_out(samples: Samples, settings: SplitSettings, class_names: Sequence[str] = ()) -> list[int]:
    """The images of one fold, by their positions: a function of the seed, the sorted names, their classes and groups.

    Args:
        samples: a training split.
        settings: with ``folds`` and ``fold``.
        class_names: for messages.

    Raises:
        InputError: there are fewer images, groups, or images of a class than folds; or an image has no group.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds, fold = settings.folds or 0, settings.fold or 0
    names = [str(name) for name in samples.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    if len(names) < folds:
        raise InputError.of("split.folds", f"{folds} folds need as many images, and there are {len(names)}")
    classes, groups = _classes(samples, order, folds, class_names), _groups([names[at] for at in order], settings)
    kind: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
    chosen = kind(folds, shuffle=True, random_state=settings.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unlabelled images that are fewer than the folds
        parts = [part for _, part in chosen.split(order, classes, groups)]
    if empty := [number for number, part in enumerate(parts, 1) if not len(part)]:
        message = f"the groups cannot be divided into {folds} folds: fold {empty[0]} would be empty"
        raise InputError.of("split.folds", message, "fewer folds")
    return [order[at] for at in parts[fold - 1]]


def _classes(samples: Samples, order: Sequence[int], folds: int, names: Sequence[str]) -> list[str]:
    """The class of each image, in order; the same of all where the samples have no labels."""
    labels = getattr(samples, "labels", None)
    if labels is None:
        return [_UNLABELLED] * len(order)
    known = dict(enumerate(names))
    classes = [_UNLABELLED if labels[at] is None else str(known.get(labels[at], labels[at])) for at in order]
    counts = Counter(classes)
    rare = {name for name, count in counts.items() if count < folds}
    if any(isinstance(label, tuple) for label in labels):  # a flag of each class: many sets of classes are rare
        return [_RARE if name in rare else name for name in classes]
    if rare := rare - {_UNLABELLED}:
        few = sorted(rare, key=lambda name: (counts[name], name))
        some = ", ".join(f"{name} has {counts[name]}" for name in few[:5]) + ", ..." * (len(few) > 5)
        message = f"{folds} folds need as many images of each class: class {some}"
        raise InputError.of("split.folds", message, f"at most {min(counts[name] for name in rare)} folds")
    return classes


def _groups(names: Sequence[str], settings: SplitSettings) -> list[str] | None:
    """The group of each name; None where images are on their own.

    Raises:
        InputError: a name has none, or there are fewer groups than folds.
    """
    if settings.group_file is not None:
        key, known = "group_file", _group_table(settings.group_file, settings.group_column)
        found = [known.get(name, known.get(Path(name).stem)) for name in names]
    elif settings.group is not None:
        key, pattern = "group", re.compile(settings.group)
        matches = [pattern.match(name) for name in names]
        found = [match and match[1 if pattern.groups else 0] for match in matches]
    else:
        return None
    if lacking := [name for name, group in zip(names, found, strict=True) if group is None]:
        some = ", ".join(lacking[:3]) + ", ..." * (len(lacking) > 3)
        raise InputError.of(f"split.{key}", f"gives {len(lacking)} of {len(names)} images no group: {some}")
    groups = [str(group) for group in found]
    if len(set(groups)) < (settings.folds or 0):
        message = f"{settings.folds} folds need as many groups, and there are {len(set(groups))}"
        raise InputError.of(f"split.{key}", message, "fewer folds")
    return groups


def _group_table(path: Path, column: str) -> dict[str, str]:
    """The groups of a csv file, by the images' names with and without their ending."""
    table = read_label_table(path)
    image, group = table.column(IMAGE_COLUMNS), table.column((), column)
    found = {cells[image]: cells[group] for _, cells in table.rows if cells[group]}
    return {Path(name).stem: group for name, group in found.items()} | found
