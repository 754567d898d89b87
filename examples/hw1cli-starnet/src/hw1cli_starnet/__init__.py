"""StarNet as a plugin of hw1cli."""
