"""Specs of the self-supervised methods, and of the optimizer made for their large batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from registry import Augmentation, Backbone, Count, Dataset, FromData, Positive, Probability, Range

if TYPE_CHECKING:
    from registry.engine import Task

    from .ssl import Common

_VIEWS = ["byol_view_1", "byol_view_2"]
_DINO_VIEWS = ["byol_view_1", "byol_view_2", *([{"use": "byol_view_2", "size": 96, "min_scale": 0.05}] * 4)]
Buffers = Literal["average", "copy", "own"]


def _common(
    backbone: Any, views: list[Any], probe: Any, num_classes: int | None, knn_k: int, knn_temperature: float
) -> Common:
    from .ssl import Common

    labelled = num_classes is not None or probe is not None
    return Common(backbone, views, probe, labelled, knn_k, knn_temperature)


def byol(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    hidden_dim: Count = 4096,
    output_dim: Count = 256,
    momentum: Probability = 0.996,
    target_buffers: Buffers = "average",
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """BYOL: each view predicts the output of a momentum target network for the other (Grill et al., 2020).

    The loss is the sum over both directions. Leaves its backbone for other runs; a kNN vote over labelled images
    scores it in each evaluation, and the spread of its features shows whether it collapses.

    Args:
        backbone: what learns.
        views: two augmentations, one for each view.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        hidden_dim: width of the hidden layer of projector and predictor.
        output_dim: width of the projection.
        momentum: of the target at the start; rises to 1 along a cosine.
        target_buffers: what becomes of the target's batch-norm statistics: average follows the online network's as the
            weights do, copy takes them, own keeps those that the target gathers itself.
        knn_k: neighbours that vote.
        knn_temperature: of the vote; a low one lets the nearest decide.
        num_classes: whether there are labels.
    """
    from .byol import BYOL

    common = _common(backbone, views, probe, num_classes, knn_k, knn_temperature)
    return BYOL(common, hidden_dim, output_dim, momentum, target_buffers)


def simsiam(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    hidden_dim: Count = 512,
    output_dim: Count = 2048,
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """SimSiam: BYOL without a target network (Chen and He, 2021).

    Args:
        backbone: what learns.
        views: two augmentations, one for each view.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        hidden_dim: width of the predictor's hidden layer.
        output_dim: width of the projection.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .simsiam import SimSiam

    return SimSiam(_common(backbone, views, probe, num_classes, knn_k, knn_temperature), hidden_dim, output_dim)


def simclr(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    hidden_dim: Count = 2048,
    output_dim: Count = 128,
    temperature: Positive = 0.5,
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """SimCLR: a view finds its other one among all of the batch (Chen et al., 2020).

    Args:
        backbone: what learns.
        views: two augmentations, one for each view.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        hidden_dim: width of the projector's hidden layer.
        output_dim: width of the projection.
        temperature: of the similarities.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .simclr import SimCLR

    common = _common(backbone, views, probe, num_classes, knn_k, knn_temperature)
    return SimCLR(common, hidden_dim, output_dim, temperature)


def barlow_twins(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    output_dim: Count = 8192,
    off_diagonal: Positive = 0.005,
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """Barlow Twins: the correlations between two views' dimensions become the identity (Zbontar et al., 2021).

    Args:
        backbone: what learns.
        views: two augmentations, one for each view.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        output_dim: width of the projector, hidden and last layers.
        off_diagonal: weight of the correlations between different dimensions.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .decorrelation import BarlowTwins

    return BarlowTwins(_common(backbone, views, probe, num_classes, knn_k, knn_temperature), output_dim, off_diagonal)


def vicreg(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    output_dim: Count = 8192,
    invariance: Positive = 25.0,
    variance: Positive = 25.0,
    covariance: Positive = 1.0,
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """VICReg: two views agree, their dimensions vary and do not covary (Bardes et al., 2022).

    Args:
        backbone: what learns.
        views: two augmentations, one for each view.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        output_dim: width of the projector, hidden and last layers.
        invariance: weight of the distance between the views.
        variance: weight of the hinge on each dimension's standard deviation.
        covariance: weight of the covariances.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .decorrelation import VICReg

    common = _common(backbone, views, probe, num_classes, knn_k, knn_temperature)
    return VICReg(common, output_dim, invariance, variance, covariance)


def moco(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _VIEWS,
    probe: Dataset | None = None,
    hidden_dim: Count = 2048,
    output_dim: Count = 128,
    temperature: Positive = 0.2,
    queue: Count = 4096,
    momentum: Probability = 0.999,
    target_buffers: Buffers = "own",
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """MoCo v2: a view finds its key among a queue of others (He et al., 2020; Chen et al., 2020).

    Args:
        backbone: what learns.
        views: two augmentations: the query's and the key's.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        hidden_dim: width of the projector's hidden layer.
        output_dim: width of the projection.
        temperature: of the similarities.
        queue: keys of earlier batches that a query is held against.
        momentum: of the key encoder.
        target_buffers: what becomes of the key encoder's batch-norm statistics; see byol.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .moco import MoCo

    common = _common(backbone, views, probe, num_classes, knn_k, knn_temperature)
    return MoCo(common, hidden_dim, output_dim, temperature, queue, momentum, target_buffers)


def dino(
    *,
    backbone: Backbone,
    views: list[Augmentation] = _DINO_VIEWS,
    probe: Dataset | None = None,
    hidden_dim: Count = 2048,
    bottleneck_dim: Count = 256,
    output_dim: Count = 4096,
    student_temperature: Positive = 0.1,
    teacher_temperature: Positive = 0.04,
    momentum: Probability = 0.996,
    target_buffers: Buffers = "own",
    knn_k: Count = 20,
    knn_temperature: Positive = 0.07,
    num_classes: FromData[int | None] = None,
) -> Task:
    """DINO: a student predicts the output that a momentum teacher gives another view (Caron et al., 2021).

    Args:
        backbone: what learns.
        views: the first two are global ones, which the teacher sees; further ones are small and the student's.
        probe: labelled data for the kNN score, where the data themselves have no labels.
        hidden_dim: width of the projector's hidden layers.
        bottleneck_dim: width before the last layer.
        output_dim: size of the output of teacher and student.
        student_temperature: of the student's softmax.
        teacher_temperature: of the teacher's; a lower one makes it surer.
        momentum: of the teacher at the start; rises to 1 along a cosine.
        target_buffers: what becomes of the teacher's batch-norm statistics; see byol.
        knn_k: neighbours that vote.
        knn_temperature: of the vote.
        num_classes: whether there are labels.
    """
    from .dino import DINO

    common = _common(backbone, views, probe, num_classes, knn_k, knn_temperature)
    temperatures = (student_temperature, teacher_temperature)
    return DINO(common, hidden_dim, bottleneck_dim, output_dim, *temperatures, momentum, target_buffers)


def lars(
    *,
    params: FromData[list[Any]],
    lr: Positive = 0.2,
    momentum: Probability = 0.9,
    weight_decay: Annotated[float, Range(0)] = 1.5e-6,
    trust: Positive = 0.001,
) -> Any:
    """LARS: SGD whose rate is scaled for each layer by the norms of weights and gradient (You et al., 2017).

    Parameters without weight decay are not scaled: `trainer: {decay: weights}` spares biases and norms, as BYOL does.

    Args:
        lr: learning rate, before the schedule.
        momentum: share of the last step that goes on.
        weight_decay: L2 penalty, added to the gradient.
        trust: factor of the layer's own rate.
    """
    from lightly.utils.lars import LARS

    return LARS(params, lr=lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust)
