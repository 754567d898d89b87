"""hw1cli's framework: what plugins import. Nothing heavy is loaded here."""

from . import cache, sources
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
