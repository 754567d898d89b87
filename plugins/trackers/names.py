"""The names of figures in trackers."""

from __future__ import annotations

from registry.engine import EpochRecord

#: Scores to compare with: of the best constant prediction, and before the first step.
_BASELINES = ("constant/", "start/")


def scalars(record: EpochRecord) -> dict[str, float]:
    """Figures of an epoch by their tags, in groups: ``train``, ``val``, ``val_classes`` (one class each), ``run``."""
    found = {f"train/{name}": value for name, value in record.train.items()}
    for name, value in record.val.items():
        of_class = "/" in name and not name.startswith(_BASELINES)
        found[f"{'val_classes' if of_class else 'val'}/{name}"] = value
    return found | {f"run/{name}": value for name, value in record.run.items()}


def main_scalars(record: EpochRecord, monitor: str) -> dict[str, float]:
    """The figures to look at first, in a group whose name comes first: ``main``."""
    found = {"main/train_loss": record.train.get("loss"), "main/val_loss": record.val.get("loss")}
    found[f"main/{'val_loss' if monitor == 'loss' else monitor}"] = record.val.get(monitor)
    return {tag: value for tag, value in found.items() if value is not None}
