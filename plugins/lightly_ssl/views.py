"""Random views of an image in uint8: all steps of one view are one albumentations transform.

A composition of albumentations' own six transforms takes two to three times as long: it seeds six generators for every
image, and its colour jitter and blur go through float tables and colour conversions that OpenCV's matrix transform does
without.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

# Set before the import, which would otherwise ask the package index for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A

#: An RGB image (H, W, 3), uint8.
Image = NDArray[np.uint8]

# Matrices (3, 4) from (red, green, blue, 1) to the same colour, and to its grey value (ITU-R BT.601, as in PIL).
_IDENTITY: Final = np.eye(3, 4)
_GRAY: Final = np.array([(0.299, 0.587, 0.114, 0.0)] * 3)
_SOLARIZED: Final = np.array([value if value < 128 else 255 - value for value in range(256)], np.uint8)


class View(A.DualTransform):  # type: ignore[misc]
    """A random crop, flip, jitter of colours, greyness, blur and solarisation, in this order.

    Args:
        size: side of the result in pixels.
        min_scale: least share of the image's area in the crop.
        jitter: probability of the jitter.
        strengths: of brightness, contrast, saturation (factors 1 - s .. 1 + s) and hue (shift -s .. s of its circle).
        gray, blur, solarize, flip: their probabilities.
        sigma: range of the blur's standard deviation in pixels.
    """

    def __init__(
        self,
        size: int,
        *,
        min_scale: float,
        jitter: float,
        strengths: tuple[float, float, float, float],
        gray: float,
        blur: float,
        sigma: tuple[float, float],
        solarize: float,
        flip: float,
    ) -> None:
        super().__init__(p=1.0)
        self.size, self.min_scale = size, min_scale
        self.jitter, self.strengths = jitter, strengths
        self.gray, self.blur, self.sigma, self.solarize, self.flip = gray, blur, sigma, solarize, flip

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Everything that is random about one view."""
        random = self.py_random
        height, width = params["shape"][:2]
        box = _crop(random, height, width, self.min_scale)
        flip = random.random() < self.flip
        colours: list[tuple[Callable[[Image, float], Image], float]] = []
        if random.random() < self.jitter:
            for step, strength in zip((_brighten, _contrast, _saturate), self.strengths[:3], strict=True):
                colours.append((step, random.uniform(max(0.0, 1 - strength), 1 + strength)))
            colours.append((_shift_hue, random.uniform(-self.strengths[3], self.strengths[3])))
            random.shuffle(colours)
        return {
            "box": box,
            "mirrored": flip,
            "colours": colours,
            "grayed": random.random() < self.gray,
            "deviation": random.uniform(*self.sigma) if random.random() < self.blur else 0.0,
            "solarized": random.random() < self.solarize,
        }

    def apply(
        self,
        img: Image,
        box: tuple[int, int, int, int],
        mirrored: bool,
        colours: list[tuple[Callable[[Image, float], Image], float]],
        grayed: bool,
        deviation: float,
        solarized: bool,
        **_: Any,
    ) -> Image:
        """The view (size, size, 3) with these random choices.

        Raises:
            ValueError: not three channels.
        """
        if img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(f"expected an RGB image (H, W, 3), got shape {img.shape}")
        view = self._cropped(img, box, mirrored, cv2.INTER_LINEAR)
        for step, amount in colours:
            view = step(view, amount)
        if grayed:  # before the blur, which then has one channel to do
            view = np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), np.uint8)
        if deviation:
            kernel = cv2.getGaussianKernel(2 * math.ceil(3 * deviation) + 1, deviation, cv2.CV_32F)
            view = np.asarray(cv2.sepFilter2D(view, -1, kernel, kernel), np.uint8)
        if grayed:
            view = np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB), np.uint8)
        return np.asarray(cv2.LUT(view, _SOLARIZED), np.uint8) if solarized else view

    def apply_to_mask(self, mask: Image, box: tuple[int, int, int, int], mirrored: bool, **_: Any) -> Image:
        """The mask (size, size) of the view."""
        return self._cropped(mask, box, mirrored, cv2.INTER_NEAREST)

    def _cropped(self, image: Image, box: tuple[int, int, int, int], mirrored: bool, interpolation: int) -> Image:
        top, left, height, width = box
        crop = image[top : top + height, left : left + width]
        view = np.asarray(cv2.resize(crop, (self.size, self.size), interpolation=interpolation), np.uint8)
        return np.asarray(cv2.flip(view, 1), np.uint8) if mirrored else view


def _crop(random: Any, height: int, width: int, min_scale: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop with sides of 3:4 to 4:3; drawn as torchvision does."""
    for _ in range(10):
        area = height * width * random.uniform(min_scale, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        high, wide = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < high <= height and 0 < wide <= width:
            return random.randint(0, height - high), random.randint(0, width - wide), high, wide
    # No such crop fits, often: then the largest in the middle that keeps to the ratios.
    wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - high) // 2, (width - wide) // 2, high, wide


def _brighten(image: Image, factor: float) -> Image:
    return _transformed(image, factor * _IDENTITY)


def _contrast(image: Image, factor: float) -> Image:
    matrix = factor * _IDENTITY
    matrix[:, 3] = (1 - factor) * (_GRAY[0] @ cv2.mean(image))
    return _transformed(image, matrix)


def _saturate(image: Image, factor: float) -> Image:
    return _transformed(image, factor * _IDENTITY + (1 - factor) * _GRAY)


def _shift_hue(image: Image, shift: float) -> Image:
    hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), np.uint8)
    hsv[..., 0] += np.uint8(round(shift * 256) % 256)  # 256 steps to the circle, so that the sum wraps around
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)


def _transformed(image: Image, matrix: NDArray[np.float64]) -> Image:
    # Rounded and clipped to 0..255 after every step, as PIL does.
    return np.asarray(cv2.transform(image, matrix), np.uint8)
