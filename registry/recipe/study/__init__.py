"""One recipe, several runs: begin reading in ``expand``."""

from .expand import Member, expand

__all__ = ["Member", "expand"]
