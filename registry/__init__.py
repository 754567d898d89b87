"""hw1cli's framework: what plugins import. Nothing heavy is loaded here."""

from . import files
from .catalog import introspect
from .catalog.kinds import (
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
    SuppliedByRun,
    Uses,
)
from .catalog.policy import API_VERSION
from .catalog.spec import ComponentSpec, Parameter, Zoo, guessed_by, packed_by, preflighted_by
from .errors import Hw1Error, InputError, PluginError, Problem, did_you_mean

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "KINDS",
    "Augmentation",
    "Backbone",
    "ComponentSpec",
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
    "SuppliedByRun",
    "Uses",
    "Zoo",
    "did_you_mean",
    "files",
    "guessed_by",
    "introspect",
    "packed_by",
    "preflighted_by",
]
