"""Where is it computed? Device, precision and memory format, the allocator, and several processes.

Begin with ``device``; ``autotune`` chooses what a recipe leaves to ``auto``; ``processes`` is what the loop knows of
others that train with it.
"""
