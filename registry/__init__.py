"""hw1cli's framework: what plugins import. Nothing heavy is loaded here."""

from typing import Any

from . import cache, sources
from .admission import API_VERSION
from .kinds import (
    KINDS,
    Augmentation,
    Backbone,
    Count,
    Dataset,
    FromData,
    Kind,
    Loss,
    Metric,
    Model,
    Positive,
    Probability,
    Range,
    Uses,
)
from .problems import Hw1Error, InputError, PluginError, Problem
from .windows import Parameter, Window, Zoo, guessed_by

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "KINDS",
    "Augmentation",
    "Backbone",
    "Count",
    "Dataset",
    "FromData",
    "Hw1Error",
    "InputError",
    "Kind",
    "Loss",
    "Metric",
    "Model",
    "Parameter",
    "PluginError",
    "Positive",
    "Probability",
    "Problem",
    "Range",
    "Uses",
    "Window",
    "Zoo",
    "cache",
    "guessed_by",
    "sources",
]


def __getattr__(name: str) -> Any:
    from .deprecations import moved

    return moved(__name__, name)
