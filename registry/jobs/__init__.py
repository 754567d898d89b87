"""Commands in processes of their own: begin reading in ``loop``."""

from .loop import Executor, Job, Outcome, State, carry_out
from .processes import Processes
from .submitted import executor_of
from .view import Look, View

__all__ = ["Executor", "Job", "Look", "Outcome", "Processes", "State", "View", "carry_out", "executor_of"]
