"""Distillation: the loss against its formula, and students of a teacher that is another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from runs import train, weights
from torch import nn
from torch.nn import functional as F

from plugins.trainers import specs
from plugins.trainers.distillation import Distillation, soft_loss
from registry.catalog.registry import Registry
from registry.engine.train.saved_run import open_run
from registry.errors import InputError
from registry.recipe.request import Request, planned


def test_soft_loss_is_hintons_formula() -> None:
    logits, taught = torch.randn(5, 7, requires_grad=True), torch.randn(5, 7)
    p, q = (taught / 3).softmax(1), (logits / 3).softmax(1)
    assert torch.allclose(soft_loss(logits, taught, 3.0), 9 * (p * (p / q).log()).sum(1), atol=1e-5)
    soft_loss(taught.clone().requires_grad_(), taught, 3.0).sum().backward()
    # At a high temperature the gradient of a pair is that of half the squared difference of centred logits, over N.
    (gradient,) = torch.autograd.grad(soft_loss(logits, taught, 1e3).sum(), logits)
    centred = (logits - logits.mean(1, keepdim=True)) - (taught - taught.mean(1, keepdim=True))
    assert torch.allclose(gradient, centred / 7, atol=1e-3)


class Seen(nn.Module):
    """Keeps the images that it gets, normalised by statistics of its own."""

    mean, std = (0.5, 0.5, 0.5), (0.25, 0.5, 1.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.images = images
        return images.mean((2, 3))


def test_teacher_gets_images_normalised_as_its_own_and_is_in_no_checkpoint() -> None:
    student = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))  # with ImageNet's statistics
    teacher = Seen()
    teacher.bias = nn.Parameter(torch.zeros(3))
    task = Distillation(student, nn.CrossEntropyLoss(), [], teacher, 2.0, 0.5)
    pixels = torch.rand(2, 3, 4, 4)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    figures = task({"image": (pixels - mean) / std, "label": torch.tensor([0, 2])})
    expected = (pixels - 0.5) / torch.tensor(teacher.std).view(1, 3, 1, 1)
    assert torch.allclose(teacher.images, expected, atol=1e-5)
    assert torch.allclose(figures["loss"], 0.5 * figures["hard_loss"] + 0.5 * figures["soft_loss"])
    assert set(task.state_dict()) == {"model.1.weight", "model.1.bias"} and not teacher.bias.requires_grad
    assert task.double() and teacher.bias.dtype == torch.float64  # moved along


@pytest.mark.parametrize("spec", [specs.distillation, specs.segmentation_distillation])
def test_teacher_gets_images_unchanged_where_the_data_have_statistics_of_their_own(spec: Any) -> None:
    teacher = Seen()
    task = spec(model=nn.Conv2d(3, 3, 1), teacher=teacher, loss=nn.CrossEntropyLoss(), metrics=[], mean=[900.0] * 3)
    images = torch.rand(2, 3, 4, 4)
    task._taught(images, torch.zeros(2, 3))
    assert teacher.images is images


def test_student_of_a_run_learns_from_it_alone(stranger: None, shapes: Path, tmp_path: Path) -> None:
    plain = ("trainer={use: classification, epochs: 8, batch_size: 8}", "augment={}", "optimizer.lr=1e-2")
    assert train(shapes, tmp_path / "teacher", *plain)["best"]["accuracy"] == 1
    taught = (
        "trainer={use: distillation, epochs: 8, batch_size: 8, teacher_weight: 1}",
        f"teacher={{use: classifier, backbone: stranger_net, weights: {tmp_path / 'teacher'}}}",
        "model.backbone={use: stranger_net, width: 4}",
    )
    summary = train(shapes, tmp_path / "student", *plain, *taught)
    assert summary["best"]["accuracy"] > 0.9 and summary["last"]["train_soft_loss"] < 1
    assert not any("teacher" in name for name in weights(tmp_path / "student"))
    saved = open_run(tmp_path / "student", device="cpu")
    assert saved.task.model.backbone.channels == (4, 8, 16)  # type: ignore[union-attr]


def test_student_of_a_segmentation_run(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "teacher", "trainer.epochs=1")
    summary = train(
        recipe,
        tmp_path / "student",
        "trainer={use: segmentation_distillation, epochs: 1, batch_size: 4}",
        f"teacher={{use: smp/unet, backbone: stranger_net, weights: {tmp_path / 'teacher'}}}",
        "model.backbone={use: stranger_net, width: 4}",
    )
    assert summary["last"]["train_soft_loss"] > 0 and 0 <= summary["last"]["miou"] <= 1


def test_ignored_pixels_are_not_learned_from_the_teacher() -> None:
    logits, taught = torch.randn(1, 3, 2, 2), torch.randn(1, 3, 2, 2)
    target = torch.tensor([[[0, 255], [255, 2]]])
    kept = soft_loss(logits, taught, 1.0)[target != 255]
    by_hand = F.kl_div(logits.log_softmax(1), taught.softmax(1), reduction="none").sum(1)
    assert torch.allclose(kept, torch.stack([by_hand[0, 0, 0], by_hand[0, 1, 1]]), atol=1e-5)


def test_teacher_without_weights_is_a_problem_before_the_run(stranger: None, shapes: Path) -> None:
    sets = ("trainer={use: distillation}", "teacher={use: classifier, backbone: stranger_net}")
    plan = planned(Request(shapes, sets=sets), Registry())
    with pytest.raises(InputError, match="would teach noise"):
        plan.trainer.preflight()
