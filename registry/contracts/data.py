"""The checks of augmentations, data sets and generators."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..engine.build import compose
from .stubs import image_of
from .subject import Subject
from .violations import ContractViolation

#: Samples of a split that are read.
_SAMPLES: Final = 5


def _transform(subject: Subject) -> Any:
    """The augmentation, applied to every image."""
    built = subject.build()
    if hasattr(built, "p"):
        built.p = 1.0
    return compose([built])


def images(subject: Subject) -> None:
    """An augmentation gives images and masks of the right type and shape, and only labels that the mask had."""
    for height, width in ((64, 64), (64, 96)):
        transform = _transform(subject)
        mask = np.zeros((height, width), np.uint8)
        mask[height // 2 :] = 2
        for number in range(8):
            given = image_of(height, width, number)
            kept = given.copy()
            found = transform(image=given, mask=mask)
            image, marked = found["image"], found["mask"]
            _check_image(subject, image, f"from {given.shape}")
            if not np.array_equal(given, kept):
                raise ContractViolation("image_changed_in_place", f"{subject} writes into the image that it is given")
            if marked.shape != image.shape[:2]:
                raise ContractViolation(
                    "mask_shape_differs", f"{subject} gives an image {image.shape[:2]} and a mask {marked.shape}"
                )
            if not set(np.unique(marked)) <= {0, 2, 255}:
                raise ContractViolation("new_labels_in_mask", f"{subject} makes labels that the mask did not have")


def _check_image(subject: Subject, image: Any, origin: str) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shown = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ContractViolation("image_type", f"{subject} gives an image {shown} {origin}")


def seed(subject: Subject) -> None:
    """The same seed gives the same image."""
    found: list[list[Any]] = []
    for _ in range(2):
        transform = _transform(subject)
        transform.set_random_seed(11)
        np.random.seed(len(found))  # not the run's: workers do not seed it alike
        found.append([transform(image=image_of(64, 64, number))["image"] for number in range(3)])
    if not all(np.array_equal(a, b) for a, b in zip(*found, strict=True)):
        raise ContractViolation("augmentation_seed", f"{subject} gives different images for the same seed")


def facts(subject: Subject) -> None:
    """The facts of a data set agree with each other."""
    given = subject.build().facts
    if not isinstance(given, Mapping):
        raise ContractViolation("facts_type", f"`facts` of {subject} is {type(given).__name__}")
    classes = given.get("num_classes")
    for name in ("class_names", "class_colors"):
        if name in given and (classes is None or len(given[name]) != classes):
            raise ContractViolation(
                "facts_per_class", f"{subject} gives {len(given[name])} {name} and num_classes {classes}"
            )


def splits(subject: Subject) -> None:
    """The training split is not empty, and every sample has a name of its own."""
    data = subject.build()
    train = data.split("train")
    if train is None or not len(train):
        raise ContractViolation("no_training_images", f"{subject} has no training images")
    for split in filter(None, (train, data.split("val"))):
        names = list(getattr(split, "names", ()))
        if len(names) != len(split) or len(set(names)) != len(names):
            raise ContractViolation(
                "sample_names", f"a split of {subject} has {len(split)} samples and {len(set(names))} different names"
            )


def samples(subject: Subject) -> None:
    """Samples have an image, its name and a valid target, and are the same whenever they are read."""
    data = subject.build()
    for split in filter(None, (data.split("train"), data.split("val"))):
        for index in range(min(_SAMPLES, len(split))):
            sample, again = split[index], split[index]
            _check_image(subject, sample["image"], f"at {index}")
            if not np.array_equal(sample["image"], again["image"]):
                raise ContractViolation(
                    "sample_changes", f"{subject} gives another image when sample {index} is read again"
                )
            if sample.get("name") != split.names[index]:
                raise ContractViolation(
                    "sample_name_differs",
                    f"sample {index} of {subject} is called {sample.get('name')!r}, and in `names` "
                    f"{split.names[index]!r}",
                )
            _check_target(subject, sample, data.facts)


def _check_target(subject: Subject, sample: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    classes, ignored = facts.get("num_classes"), facts.get("ignore_index")
    found = list(np.ravel(sample["label"])) if "label" in sample else []
    if "mask" in sample:
        mask = sample["mask"]
        if mask.dtype != np.uint8 or mask.shape != sample["image"].shape[:2]:
            raise ContractViolation(
                "mask_type", f"{subject} gives a mask {mask.dtype} {mask.shape} for an image {sample['image'].shape}"
            )
        found += [int(label) for label in np.unique(mask)]
    wrong = [label for label in found if label != ignored and not 0 <= label < (classes or 0)]
    if wrong:
        raise ContractViolation(
            "label_out_of_range",
            f"{subject} gives the label {wrong[0]} in {sample.get('name')!r} with num_classes {classes}",
        )


def makes(subject: Subject) -> None:
    """A generator writes the same files every time, and returns their facts."""
    hashes = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "new" / "data"
            given = subject.build().make(root)
            files = sorted(path for path in root.rglob("*") if path.is_file())
            contents = b"".join(str(file.relative_to(root)).encode() + file.read_bytes() for file in files)
        if not files:
            raise ContractViolation("no_files", f"{subject} writes no files")
        hashes.append(hashlib.blake2b(contents).digest())
        try:
            json.dumps(dict(given), default=str)
        except (TypeError, ValueError) as error:
            raise ContractViolation(
                "facts_of_generator", f"make of {subject} returns {type(given).__name__}"
            ) from error
    if hashes[0] != hashes[1]:
        raise ContractViolation("data_change", f"{subject} writes different data the second time")
