"""Components that break their contract when they are built, each found by its check."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checking import failures

from registry.testing import ContractViolation, Inconclusive, checks

Install = Callable[..., None]

#: Components that are built and break their contract: kind/name -> the check that finds it.
FAULTY = {
    "backbones/raises": "builds",
    "backbones/needs_module": "builds",
    "backbones/needs_name": "builds",
    "backbones/loses_blocks": "builds",
    "backbones/fetches": "builds",
    "backbones/wrong_strides": "maps",
    "backbones/unused": "learns",
    "backbones/own_seed": "seed",
    "backbones/forgets": "state",
    "backbones/batchwise": "one by one",
    "backbones/rgb_only": "in channels",
    "backbones/holds_lambda": "pickles",
    "losses/upside_down": "order",
    "losses/learns_ignored": "ignored",
    "metrics/batch_means": "pooled",
    "metrics/remembers": "reset",
    "schedules/counts": "pure",
    "optimizers/deaf": "rate",
    "augmentations/floats": "images",
    "augmentations/own_random": "seed",
    "datasets/off_by_one": "samples",
    "generators/differs": "makes",
    "reports/draws_nothing": "draws",
    "trackers/loses_its_run": "records",
    "trackers/draws_numbers": "records",
    "trainers/hides_its_loss": "trains",
    "trainers/hides_its_model": "trains",
}

SPECS = '''
from registry import FromData, Loss, Model

def _of(kind, name):
    def factory(**given):
        import faulty_parts
        return getattr(faulty_parts, name)(**given)
    return factory

def raises(*, in_channels: FromData[int] = 3):
    """x."""
    raise RuntimeError("no such luck")

def fetches(*, in_channels: FromData[int] = 3):
    """x."""
    from faulty_parts import Net
    import urllib.request
    try:
        urllib.request.urlopen("http://example.invalid/weights.pth")
    except OSError:
        pass
    return Net(3)
'''
for _subject in FAULTY:
    _kind, _name = _subject.split("/")
    _facts = {
        "losses": "ignore_index: FromData[int | None] = None",
        "metrics": "num_classes: FromData[int]",
        "optimizers": "params: FromData[list]",
        "schedules": "total_steps: FromData[int]",
        "backbones": "in_channels: FromData[int] = 3",
        "trainers": "model: Model, loss: Loss",
    }.get(_kind, "")
    if _name not in ("raises", "fetches"):
        _given = ", ".join(part.partition(":")[0] for part in _facts.split(", "))
        SPECS += f'''
def {_name}({"*, " + _facts if _facts else ""}):
    """x."""
    from faulty_parts import {_name}
    return {_name}({_given})
'''

PARTS = """
import random, time
import numpy as np
import torch
from torch import nn
from torchmetrics import Metric
from albumentations import ImageOnlyTransform
from registry.engine import Task, Tracker

class Net(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.channels, self.strides = (4, 8), (2, 4)
        self.a, self.b = nn.Conv2d(in_channels, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)
    def forward(self, x):
        a = self.a(x)
        return [a, self.b(a.relu())]

class wrong_strides(Net):
    def __init__(self, i):
        super().__init__(i)
        self.strides = (2, 8)

class unused(Net):
    def __init__(self, i):
        super().__init__(i)
        self.head = nn.Linear(8, 10)

class own_seed(Net):
    def __init__(self, i):
        super().__init__(i)
        nn.init.normal_(self.a.weight, generator=torch.Generator().manual_seed(time.time_ns() % 2**31))

class forgets(Net):
    def __init__(self, i):
        super().__init__(i)
        self.scale = torch.rand(())
    def forward(self, x):
        return [self.scale * each for each in super().forward(x)]

class batchwise(Net):
    def forward(self, x):
        return super().forward(x - x.mean(0) / 2)

class rgb_only(Net):
    def __init__(self, i):
        super().__init__(3)

class holds_lambda(Net):
    def __init__(self, i):
        super().__init__(i)
        self.act = lambda x: x

class needs_module(Net):
    def __init__(self, i):
        super().__init__(i)
        import not_installed_anywhere

class needs_name(Net):
    def __init__(self, i):
        super().__init__(i)
        self.rest = nm.linspace(0, 1)

class PlainViT(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.patches = nn.Conv2d(i, 32, 8, 8)
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(32, 2, 64, batch_first=True) for _ in range(2)))
        self.head = nn.Linear(32, 3)
    def forward(self, x):
        return self.head(self.blocks(self.patches(x).flatten(2).transpose(1, 2)).mean(1))

def loses_blocks(i):
    from registry.engine import as_backbone
    return as_backbone(PlainViT(i), i)

class upside_down(nn.Module):
    def __init__(self, ignore):
        super().__init__()
        self.ce = nn.CrossEntropyLoss(ignore_index=ignore, reduction="sum")
    def forward(self, x, y):
        return -self.ce(x, y) / max(1, y.numel())

class learns_ignored(nn.Module):
    def __init__(self, ignore): super().__init__()
    def forward(self, x, y):
        return nn.functional.cross_entropy(x, y.clamp(max=2))

class batch_means(Metric):
    def __init__(self, n):
        super().__init__()
        self.add_state("seen", [], dist_reduce_fx="cat")
    def update(self, x, y): self.seen.append((x.argmax(1) == y).float().mean())
    def compute(self): return sum(self.seen) / max(1, len(self.seen))

class remembers(Metric):
    def __init__(self, n):
        super().__init__()
        self.right = self.all = 0
    def update(self, x, y):
        self.right += int((x.argmax(1) == y).sum()); self.all += y.numel()
    def compute(self): return {"a": self.right / max(1, self.all)}

class counts:
    def __init__(self, steps): self.n = 0
    def __call__(self, step):
        self.n += 1
        return 1 / self.n

class deaf(torch.optim.SGD):
    def __init__(self, params):
        super().__init__(params, lr=0.05)
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-0.05)

class floats(ImageOnlyTransform):
    def apply(self, img, **params): return img / 255

class own_random(ImageOnlyTransform):
    def apply(self, img, **params): return np.roll(img, np.random.randint(1, 60), 0)

class Split(list):
    names = ["a", "b"]

class off_by_one:
    facts = {"num_classes": 2}
    def split(self, name):
        image = np.zeros((8, 8, 3), np.uint8)
        return Split({"image": image, "label": n, "name": "ab"[n - 1]} for n in (1, 2)) if name == "train" else None

class differs:
    def make(self, folder):
        folder.mkdir(parents=True)
        (folder / "a").write_text(str(time.time_ns()))
        return {"train": 1}

class draws_nothing:
    at = ["last"]
    def __call__(self, run, epoch): pass

class loses_its_run(Tracker):
    def start(self, run):
        if run.after:
            self.run = run.state["id"]

class draws_numbers(Tracker):
    def epoch(self, record):
        record.val["accuracy"] = random.random()

class hides_its_loss(Task):
    def __init__(self, model, loss):
        super().__init__()
        self.model, self.criterion = model, loss
    def forward(self, batch): return {"cost": self.criterion(self.model(batch["image"]), batch["label"])}

class hides_its_model(Task):
    monitor = "score"
    def __init__(self, model, loss):
        super().__init__()
        self.hidden = [model]
    def forward(self, batch): return {"loss": self.hidden[0](batch["image"]).mean()}
    def scores(self): return {"score": 1.0}
"""


@pytest.mark.parametrize("subject", FAULTY)
def test_a_fault_is_found_by_running(subject: str, install: Install) -> None:
    names = {each: f"faulty_specs:{each.partition('/')[2]}" for each in FAULTY}
    install("faulty", names, {"faulty_specs.py": SPECS, "faulty_parts.py": PARTS})
    (check,) = (each for each in checks("faulty") if str(each) == f"{subject}: {FAULTY[subject]}")
    with pytest.raises(ContractViolation, match="why it matters") as caught:
        try:
            check()
        except Inconclusive as reason:
            pytest.fail(str(reason))  # pytest would take it as a skip
    if subject.endswith("fetches"):
        assert "connects to example.invalid" in caught.value.what
    advice = {
        "needs_module": ("not_installed_anywhere", "add its distribution to `dependencies`"),
        "needs_name": ("'nm'", "import or define it at the top of that file"),
    }.get(subject.partition("/")[2])
    if advice is not None:
        line = next(n for n, text in enumerate(PARTS.splitlines(), 1) if advice[0].strip("'") in text)
        assert f"faulty_parts.py:{line} " in caught.value.instead
        assert all(words in caught.value.instead for words in advice)
    if subject.endswith("loses_blocks"):
        assert "of its parameters would be unused" in caught.value.what
    if subject.endswith("raises"):
        assert "no such luck" in caught.value.what
    if subject.endswith("hides_its_model"):
        assert "none of its parameters learns" in caught.value.what


@pytest.mark.parametrize(
    ("only", "name"),
    [
        ("knn", "trainers/knn: trains"),  # learns nothing, and reports scores alone
        ("linear_probe", "trainers/linear_probe: trains"),
        ("tensorboard", "trackers/tensorboard: records"),
        ("byol_view_1", "augmentations/byol_view_1: images"),  # a mask beside the image is cropped like it
        ("classifier", "models/classifier: seed"),  # its backbone is a stand-in, which the seed initialises too
    ],
)
def test_components_of_hw1cli_pass(only: str, name: str) -> None:
    (check,) = (each for each in checks("hw1cli", only=only) if str(each) == name)
    check()


def test_a_learning_trainer_must_report_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from one that learns nothing, whose summary has no training speed."""
    (check,) = (each for each in checks("hw1cli", only="linear_probe") if each.name == "trains")
    from registry.engine.train.session import execute

    def without_loss(*arguments: object, **options: object) -> dict[str, object]:
        summary = execute(*arguments, **options)  # type: ignore[arg-type]
        assert summary["last"].pop("train_loss") > 0
        return summary

    monkeypatch.setattr("registry.contracts.runs.execute", without_loss)
    with pytest.raises(ContractViolation, match="reports no train_loss"):
        check()


@pytest.mark.parametrize("only", ["*", "letters/*"])
def test_a_whole_zoo_is_checked_by_its_example(only: str, install: Install) -> None:
    text = """
        from registry import ComponentSpec, Zoo

        def a():
            "Too large to build."
            raise MemoryError

        def b():
            "A mean."
            from torch.nn import CrossEntropyLoss
            return CrossEntropyLoss()

        zoo = Zoo(lambda: ["a", "b"], lambda name: ComponentSpec.of(globals()[name]), "Letters.", example="b")
        """
    install("letters", {"losses/letters/*": "letters:zoo"}, {"letters.py": text})
    assert "builds" not in failures("letters", run=True, only=only)
    assert "builds" in failures("letters", run=True, only="letters/a")
