"""What a finished run makes of new images: a label each, or a mask each."""

from .predict import Settings, predict

__all__ = ["Settings", "predict"]
