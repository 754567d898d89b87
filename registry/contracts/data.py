"""What augmentations, data sets and generators are asked."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..catalog.registry import Registry
from ..engine.build import compose
from .pickling import survives_spawn
from .stubs import image_of
from .subject import Subject, keeps_shape
from .violations import ContractViolation, Inconclusive

#: Samples of a split that are looked at.
_LOOKED_AT: Final = 5


def images(subject: Subject) -> None:
    """An augmentation keeps images and masks what they are, whatever the image's shape."""
    for height, width in ((64, 64), (64, 96)):
        transform = compose([_always(subject.build())])
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
                    "they would not lie on each other",
                    "albumentations.DualTransform, with apply and apply_to_mask",
                )
            if not set(np.unique(marked)) <= {0, 2, 255}:
                raise ContractViolation(
                    f"{subject} makes labels that the mask did not have",
                    "classes would be learned that are not there",
                    "masks are resampled with the nearest neighbour, and colours of masks are left alone",
                )


def _always(transform: Any) -> Any:
    if hasattr(transform, "p"):
        transform.p = 1.0
    return transform


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
        transform = compose([_always(subject.build())])
        transform.set_random_seed(11)
        np.random.seed(len(found))  # not the run's: workers do not seed it alike
        found.append([transform(image=image_of(64, 64, number))["image"] for number in range(3)])
    if not all(np.array_equal(a, b) for a, b in zip(*found, strict=True)):
        raise ContractViolation(
            f"{subject} draws otherwise though the seed is the same",
            "augmentations are functions of seed, epoch and index, so that a run can be repeated and resumed",
            "draw from self.py_random or self.random_generator, never from random or np.random",
        )


@contextmanager
def _opened(subject: Subject) -> Iterator[Any]:
    """The data set, over data that a generator of the same distribution makes, where it needs a folder."""
    needs_root = "root" in {each.name for each in subject.component.spec().parameters if each.required}
    if not needs_root or "root" in subject.given:
        yield subject.build()
        return
    component = subject.component
    generators = Registry().components("generators")
    named = [each for each in generators if (each.name, each.distribution) == (component.name, component.distribution)]
    if not named:
        raise Inconclusive(
            f"{subject} reads a folder: offer a generator of the same name, or give one in the test: "
            f'checks("{subject.component.distribution}", arguments={{"{subject}": {{"root": "tests/data"}}}})'
        )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        Subject(named[0]).build().make(root)
        yield replace(subject, given={**subject.given, "root": str(root)}).build()


def datasets_builds(subject: Subject) -> None:
    """It is built over its data, and has what its contract names."""
    with _opened(subject) as data:
        keeps_shape(subject, data)


def facts(subject: Subject) -> None:
    """What the data tell of themselves agrees with itself."""
    with _opened(subject) as data:
        given = data.facts
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
    """A training split that is not empty, and names that tell its samples apart."""
    with _opened(subject) as data:
        train = data.split("train")
        if train is None or not len(train):
            raise ContractViolation(
                f"{subject} has no training images", "there is nothing to learn", "look at the folder"
            )
        data.split("val")
        for split in filter(None, (train, data.split("val"))):
            names = list(getattr(split, "names", ()))
            if len(names) != len(split) or len(set(names)) != len(names):
                raise ContractViolation(
                    f"a split of {subject} has {len(split)} samples and {len(set(names))} different names",
                    "predictions, figures and held-out files are called after them",
                    "`names`: one string for each sample, in their order, such as the file's name without suffix",
                )


def samples(subject: Subject) -> None:
    """Samples are what a trainer needs, and the same whenever they are read."""
    with _opened(subject) as data:
        classes, ignored = data.facts.get("num_classes"), data.facts.get("ignore_index")
        for split in filter(None, (data.split("train"), data.split("val"))):
            for index in range(min(_LOOKED_AT, len(split))):
                sample, again = split[index], split[index]
                _check_image(subject, sample["image"], f"at {index}")
                if not np.array_equal(sample["image"], again["image"]):
                    raise ContractViolation(
                        f"{subject} gives another image when it is asked again",
                        "a run could not be repeated",
                        "leave what is drawn to augmentations",
                    )
                if sample.get("name") != split.names[index]:
                    raise ContractViolation(
                        f"sample {index} of {subject} is called {sample.get('name')!r}, and in `names` "
                        f"{split.names[index]!r}",
                        "predictions are written under these names",
                        "use the same string",
                    )
                _check_target(subject, sample, classes, ignored)


def _check_target(subject: Subject, sample: Mapping[str, Any], classes: int | None, ignored: int | None) -> None:
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


def datasets_pickles(subject: Subject) -> None:
    """Its training split can be sent to loader workers."""
    with _opened(subject) as data:
        survives_spawn(data.split("train"), str(subject))


def makes(subject: Subject) -> None:
    """The same data every time, and something to tell of them."""
    hashes = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "new" / "data"
            given = subject.build().make(root)
            files = sorted(path for path in root.rglob("*") if path.is_file())
            if not files:
                raise ContractViolation(
                    f"{subject} writes no files", "a data set reads them", "make(folder) writes into the folder"
                )
            hashes.append(
                hashlib.blake2b(b"".join(str(f.relative_to(root)).encode() + f.read_bytes() for f in files)).digest()
            )
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
            f"{subject} writes other data when it is asked again",
            "a demo's scores could not be repeated",
            "draw from np.random.default_rng(seed), with seed an argument",
        )
