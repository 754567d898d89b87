# A module in a file of its own cannot carry py.typed: this is what type checkers read in its place (PEP 561).
from registry import Hw1Error as Hw1Error
from registry import InputError as InputError
from registry import PluginError as PluginError
from registry import Problem as Problem
from registry import __version__ as __version__
from registry.api import Table as Table
from registry.api import TrainedRun as TrainedRun
from registry.api import build as build
from registry.api import check as check
from registry.api import compare as compare
from registry.api import components as components
from registry.api import load as load
from registry.api import train as train
from registry.cli.main import main as main
