"""How are good values found? Begin with ``run``: it starts workers, which take their trials from ``trials``."""
