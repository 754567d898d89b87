"""Ordered classes as a plugin of hw1cli."""
