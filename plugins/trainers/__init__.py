"""Supervised trainers."""
