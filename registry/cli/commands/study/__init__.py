"""``run`` of a recipe with several runs: begin reading in ``runs``."""
