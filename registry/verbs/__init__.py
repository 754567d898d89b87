"""Verbs: one module each, one function that the command line calls."""
