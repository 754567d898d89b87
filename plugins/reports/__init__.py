"""Figures drawn along the way."""
