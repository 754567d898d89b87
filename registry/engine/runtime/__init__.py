"""Where is it computed? Device, precision and memory format, and the allocator.

Begin with ``device``; ``autotune`` chooses what a recipe leaves to ``auto``.
"""
