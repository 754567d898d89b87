"""Features of a task whose backbone stays frozen: every image passes through it once, in this run and in later ones."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ... import files
from ...errors import Hw1Error
from ...signals import StopRequest
from ..data.augmented import Augmented
from ..data.decoded import file_stamps
from ..data.loader import EpochOrder, batches, close, make_loader
from ..data.preprocess import checked, collate
from ..records import checkpoints
from .features import extract
from .run import Learning, Run

#: Bytes that the kept features of all networks and data sets may take together.
_LIMIT: Final = 4e9
#: Images whose features are part of the key under which the features of all are kept.
_PROBED: Final = 8


class Encoded(Dataset[dict[str, Any]]):
    """A split as features, addressed by ``(epoch, index)`` as images are.

    Args:
        features: (N, D) float32.
        labels: (N,) int64; None without labels.
        names: of the N samples.
    """

    def __init__(self, features: Tensor, labels: Tensor | None, names: list[str]) -> None:
        self.features, self.labels, self.names = features, labels, names

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        index = key[1]
        sample = {"feature": self.features[index], "index": index, "name": self.names[index]}
        return sample if self.labels is None else {**sample, "label": int(self.labels[index])}


def encode_once(run: Run, learning: Learning, stop: StopRequest) -> None:
    """Replace the loaders of images by loaders of the features that the run's task encodes them into.

    Returns early when asked to stop: the loop then saves the state. Features of finished splits are kept.
    """
    start, size = time.monotonic(), run.plan.loop.eval_batch_size or run.plan.loop.batch_size
    loaders = {"learn": learning.train_loader} if learning.optimizer is not None else {}
    loaders |= run.loaders
    total = sum(len(loader.dataset) for loader in loaders.values())  # type: ignore[arg-type, misc]
    reused = 0
    with run.console.progress(total, "images") as bar:

        def shown(walk: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
            for batch in stop.until_requested(walk):
                yield batch
                bar.advance(len(batch["name"]), "extracting features")

        for name, loader in loaders.items():
            split: Any = loader.dataset
            in_order = EpochOrder(len(split), size, seed=None, share=learning.train_order.share)
            path = _path(run, split, stop)
            if stop:
                return
            found = _kept(path)
            if found is not None:
                reused += len(split)
                bar.advance(len(split), "extracting features")
            else:
                walk = make_loader(split, in_order, workers=loader.num_workers, pin_memory=False)
                names, columns = extract(
                    run.task, shown(batches(walk)), run.preprocess, run.runtime, lambda *each: _columns(run, *each)
                )
                close(walk)
                if stop:
                    return
                found = {**columns, "names": names}
                _keep(path, found)
            close(loader)
            features = Encoded(found["features"], found.get("labels"), found["names"])
            # Fewer than the split has, where some were skipped.
            order = learning.train_order if name == "learn" else EpochOrder(len(features), size, seed=None)
            loaders[name] = make_loader(features, order, workers=0, pin_memory=False)
    learning.train_loader = loaders.pop("learn", learning.train_loader)
    run.loaders = loaders
    from_cache = f", {reused} of them kept from an earlier run" if reused else ""
    run.console.say(f"features of {total} images in {time.monotonic() - start:.0f} s{from_cache}")


def _columns(run: Run, batch: dict[str, Any], prepared: dict[str, Any]) -> Mapping[str, Tensor | None]:
    return {"features": run.task.encode(prepared).float(), "labels": batch.get("label")}


# --- features kept on disk ----------------------------------------------------------------------


def _path(run: Run, split: Augmented, stop: StopRequest) -> Path | None:
    """Where the features of a split are kept; None where they are not, or where its files are not known.

    The key holds what determines them: the frozen weights, the images' files and labels, the augmentations, and the
    features of a few images, which depend on everything else, such as the network's code and the precision.
    """
    cache, paths = run.plan.runtime.cache, getattr(split.samples, "files", None)
    if split.skipped is not None:  # a later run has to record what was skipped
        return None
    labels = getattr(split.samples, "labels", None)
    samples = list(stop.until_requested(split[0, index] for index in range(min(_PROBED, len(split)))))
    if stop:
        return None
    probe = checked(collate(samples))
    if cache == "off" or paths is None or ("label" in probe and labels is None):
        return None
    augment = [each.as_json(provenance=True) for each in run.plan.augment.get("eval", [])]
    text = json.dumps([file_stamps(paths), labels, augment], default=str)
    key = hashlib.blake2b(text.encode(), digest_size=12)
    _, first = extract(run.task, iter([probe]), run.preprocess, run.runtime, lambda *each: _columns(run, *each))
    frozen = (each for each in run.task.state_dict(keep_vars=True).values() if not each.requires_grad)
    for tensor in (first["features"], *frozen):
        key.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return (files.folder() if cache == "auto" else Path(cache)) / "features" / f"{key.hexdigest()}.pt"


def _kept(path: Path | None) -> dict[str, Any] | None:
    """What ``_keep`` has written; None where it is missing or damaged."""
    if path is None:
        return None
    with suppress(checkpoints.BrokenCheckpoint, OSError):
        found: dict[str, Any] = checkpoints.read(path)
        os.utime(path)  # the least recently used are removed first
        return found
    return None


def _keep(path: Path | None, found: Mapping[str, Any]) -> None:
    """Keep features, and remove those of others beyond the limit; a disk without room is not an error."""
    if path is None:
        return
    with suppress(Hw1Error, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoints.save(path, found)
        kept = sorted(path.parent.glob("*.pt"), key=lambda each: each.stat().st_mtime)
        while len(kept) > 1 and sum(each.stat().st_size for each in kept) > _LIMIT:
            kept.pop(0).unlink()
