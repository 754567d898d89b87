"""What is asked: a recipe file becomes a checked plan, and nothing heavy is imported on the way.

Begin with ``request``, which follows a command to its plan: ``load`` (file -> tree, with everything applied), then
``planner`` (tree -> plan). ``grammar`` is the table of what a recipe can hold, ``types`` what a parameter accepts.
"""
