"""Which components are installed, and what arguments does each take?

Begin with ``registry``, which turns entry points into components found by name; ``spec`` reads a component's arguments
from its factory's signature, and ``kinds`` defines the contract of each kind. Nothing here imports a plugin unasked.
"""
