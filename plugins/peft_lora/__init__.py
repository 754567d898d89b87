"""Low-rank adapters of the library peft; begin with ``specs.py``."""
