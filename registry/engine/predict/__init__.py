"""How does a finished run predict new images? ``predict.py`` is the pipeline; read on in ``tiles.py``."""

from .inputs import Settings
from .predict import predict

__all__ = ["Settings", "predict"]
