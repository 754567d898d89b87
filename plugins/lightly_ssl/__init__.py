"""Self-supervised learning with Lightly's heads and losses, over any backbone."""
