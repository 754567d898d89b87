"""One folder of samples divided into a training and an evaluation split: begin reading in ``divided``."""

from .divided import Divided, Part

__all__ = ["Divided", "Part"]
