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
                raise ContractViolation(
                    f"{subject} writes into the image that it is given",
                    "decoded images are kept, and would be changed more with every epoch",
                    "work on a copy: img = img.copy()",
                )
            if marked.shape != image.shape[:2]:
                raise ContractViolation(
                    f"{subject} gives an image {image.shape[:2]} and a mask {marked.shape}",
                    "every pixel of the image needs its label",
                    "albumentations.DualTransform, with apply and apply_to_mask",
                )
            if not set(np.unique(marked)) <= {0, 2, 255}:
                raise ContractViolation(
                    f"{subject} makes labels that the mask did not have",
                    "the network would learn classes that are not there",
                    "resample masks with the nearest neighbour, and leave their values alone",
                )


def _check_image(subject: Subject, image: Any, origin: str) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shown = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ContractViolation(
            f"{subject} gives an image {shown} {origin}",
            "images stay uint8 (H, W, 3) until they are normalised on the device",
            "return np.clip(x, 0, 255).astype(np.uint8); no Normalize and no ToTensor",
        )


def seed(subject: Subject) -> None:
    """The same seed gives the same image."""
    found: list[list[Any]] = []
    for _ in range(2):
        transform = _transform(subject)
        transform.set_random_seed(11)
        np.random.seed(len(found))  # not the run's: workers do not seed it alike
        found.append([transform(image=image_of(64, 64, number))["image"] for number in range(3)])
    if not all(np.array_equal(a, b) for a, b in zip(*found, strict=True)):
        raise ContractViolation(
            f"{subject} gives different images for the same seed",
            "augmentations are functions of seed, epoch and index, so that a run can be repeated and resumed",
            "draw from self.py_random or self.random_generator, never from random or np.random",
        )


def facts(subject: Subject) -> None:
    """The facts of a data set agree with each other."""
    given = subject.build().facts
    if not isinstance(given, Mapping):
        raise ContractViolation(
            f"`facts` of {subject} is {type(given).__name__}", "it is read as a mapping", "a dict, as an attribute"
        )
    classes = given.get("num_classes")
    for name in ("class_names", "class_colors"):
        if name in given and (classes is None or len(given[name]) != classes):
            raise ContractViolation(
                f"{subject} gives {len(given[name])} {name} and num_classes {classes}",
                "legends, scores and the last layer would not fit each other",
                "one for each class, in the order of their labels",
            )


def splits(subject: Subject) -> None:
    """The training split is not empty, and every sample has a name of its own."""
    data = subject.build()
    train = data.split("train")
    if train is None or not len(train):
        raise ContractViolation(f"{subject} has no training images", "there is nothing to learn", "check the folder")
    for split in filter(None, (train, data.split("val"))):
        names = list(getattr(split, "names", ()))
        if len(names) != len(split) or len(set(names)) != len(names):
            raise ContractViolation(
                f"a split of {subject} has {len(split)} samples and {len(set(names))} different names",
                "predictions, figures and held-out files are called after them",
                "`names`: one string for each sample, in their order, such as the file's name without suffix",
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
                    f"{subject} gives another image when sample {index} is read again",
                    "a run could not be repeated",
                    "leave everything random to augmentations",
                )
            if sample.get("name") != split.names[index]:
                raise ContractViolation(
                    f"sample {index} of {subject} is called {sample.get('name')!r}, and in `names` "
                    f"{split.names[index]!r}",
                    "predictions are written under these names",
                    "use the same string",
                )
            _check_target(subject, sample, data.facts)


def _check_target(subject: Subject, sample: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    classes, ignored = facts.get("num_classes"), facts.get("ignore_index")
    found = [sample["label"]] if "label" in sample else []
    if "mask" in sample:
        mask = sample["mask"]
        if mask.dtype != np.uint8 or mask.shape != sample["image"].shape[:2]:
            raise ContractViolation(
                f"{subject} gives a mask {mask.dtype} {mask.shape} for an image {sample['image'].shape}",
                "every pixel has a label",
                "uint8 (H, W), as large as the image",
            )
        found += [int(label) for label in np.unique(mask)]
    wrong = [label for label in found if label != ignored and not 0 <= label < (classes or 0)]
    if wrong:
        raise ContractViolation(
            f"{subject} gives the label {wrong[0]} in {sample.get('name')!r} with num_classes {classes}",
            "the loss fails, on a GPU without saying where",
            "labels are 0 .. num_classes - 1, and ignore_index; name both in `facts`",
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
            raise ContractViolation(
                f"{subject} writes no files", "a data set reads them", "make(folder) writes into the folder"
            )
        hashes.append(hashlib.blake2b(contents).digest())
        try:
            json.dumps(dict(given), default=str)
        except (TypeError, ValueError) as error:
            raise ContractViolation(
                f"make of {subject} returns {type(given).__name__}",
                "'hw1cli data make' shows it",
                'return a dict of what was made, such as {"train": 64, "val": 16, "size": 32}',
            ) from error
    if hashes[0] != hashes[1]:
        raise ContractViolation(
            f"{subject} writes different data the second time",
            "a demo's scores could not be repeated",
            "draw from np.random.default_rng(seed), with seed an argument",
        )
