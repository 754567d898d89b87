"""How does a finished run predict new images? ``predict.py`` is the pipeline; read on in ``tiles.py``."""

from .predict import Settings, predict

__all__ = ["Settings", "predict"]
