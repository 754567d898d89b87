"""Specs of the reports."""

from __future__ import annotations

from typing import Annotated, Any

from registry import Count, FromData, Range

_STAGES: list[int | str] = ["first", "middle", "last"]
_LAST: list[int | str] = ["last"]
_ALWAYS: list[int | str] = ["every 1"]


def mask_stages(
    *,
    images: list[str] | Count = 3,
    at: list[int | str] = _STAGES,
    class_names: FromData[list[str]],
    class_colors: FromData[list[tuple[int, int, int]]],
    ignore_index: FromData[int | None] = None,
) -> Any:
    """Predicted masks of a few evaluation images at several epochs: image, truth and stages side by side.

    Args:
        images: names of evaluation images, or how many, spread over the split.
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        class_names: for the legend.
        class_colors: of masks and legend.
        ignore_index: the label that is not counted in an image's IoU.
    """
    from .mask_stages import MaskStages

    return MaskStages(images, at, class_names, class_colors, ignore_index)


def pca(
    *,
    at: list[int | str] = _STAGES,
    max_images: Annotated[int, Range(5)] = 5000,
    class_names: FromData[list[str]],
    class_colors: FromData[list[tuple[int, int, int]]],
    seed: FromData[int],
) -> Any:
    """Principal components of the penultimate layer over the evaluation images: figures, coordinates, projector.

    Shows the variance along the two axes, and kNN accuracy and silhouette on the map and among all features.

    Args:
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        max_images: of more, a stratified sample is drawn.
        class_names: for the legend.
        class_colors: of points and legend.
        seed: of the choice.
    """
    from .pca import PrincipalComponents

    return PrincipalComponents(at, max_images, class_names, class_colors, seed)


def tsne(
    *,
    perplexity: Annotated[float, Range(above=1)] = 30.0,
    at: list[int | str] = _STAGES,
    max_images: Annotated[int, Range(5)] = 5000,
    class_names: FromData[list[str]],
    class_colors: FromData[list[tuple[int, int, int]]],
    seed: FromData[int],
) -> Any:
    """t-SNE of the penultimate layer over the evaluation images: figures, coordinates, projector.

    Shows trustworthiness, and kNN accuracy and silhouette on the map and among all features. Each stage is turned onto
    the one before it, since its orientation is arbitrary. More than 50 features are first reduced to 50 by PCA.

    Args:
        perplexity: about how many neighbours count; at most a third of the images, with a caveat in the run.
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        max_images: of more, a stratified sample is drawn.
        class_names: for the legend.
        class_colors: of points and legend.
        seed: of the choice and of t-SNE.
    """
    from .tsne import NeighbourEmbedding

    return NeighbourEmbedding(perplexity, at, max_images, class_names, class_colors, seed)


def curves(*, at: list[int | str] = _ALWAYS) -> Any:
    """Losses, scores and learning rate over the epochs, the best one marked; drawn again after each.

    Args:
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
    """
    from .curves import Curves

    return Curves(at)


def architecture() -> Any:
    """What the network consists of, for the page: modules with output sizes and parameters, operations for an image."""
    from .architecture import Architecture

    return Architecture()


def confusion_matrix(*, at: list[int | str] = _LAST, class_names: FromData[list[str]]) -> Any:
    """Which classes are confused with which: a figure with every class's recall, the counts, the most confused pairs.

    Args:
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        class_names: at the axes.
    """
    from .confusion_matrix import ConfusionMatrix

    return ConfusionMatrix(at, class_names)


def grad_cam(
    *,
    images: Annotated[int, Range(2, 32)] = 8,
    at: list[int | str] = _LAST,
    layer: str | None = None,
    class_names: FromData[list[str]],
) -> Any:
    """Where a classifier looks (Selvaraju et al., 2017): heat over images that it gets right and wrong.

    Args:
        images: how many: the most confident wrong ones, at most half, and the most confident right ones.
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        layer: name of the model's module whose maps are used, such as backbone.net.layer3; the last one when null.
        class_names: for the captions.
    """
    from .grad_cam import GradCam

    return GradCam(images, at, layer, class_names)
