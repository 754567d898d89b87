"""What a recipe sees of StarNet. Nothing heavy is imported here: listing and checking read this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from registry import FromData, Probability

if TYPE_CHECKING:
    from .network import StarNet


def starnet(
    *,
    size: Literal["s050", "s1", "s2", "s3", "s4"] = "s1",
    drop_path_rate: Probability = 0.0,
    in_channels: FromData[int] = 3,
) -> StarNet:
    """StarNet: two branches multiplied element by element, in place of attention (Ma et al., CVPR 2024).

    Five maps, of strides 2 to 32, from random weights. Without its classifier s050 has 0.4, s1 2.7, s2 3.4, s3 5.5 and
    s4 7.2 million parameters.

    Args:
        size: width and depth, as the paper names them.
        drop_path_rate: stochastic depth (Huang et al., 2016) of the last block; it rises linearly up to there.
        in_channels: channels of an image.
    """
    from .network import StarNet

    return StarNet(size, drop_path_rate=drop_path_rate, in_channels=in_channels)
