"""How does a model leave the framework? ``export.py`` writes one file; what is in it is ``network.py``."""

from .export import Settings, export

__all__ = ["Settings", "export"]
