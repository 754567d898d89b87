"""What is asked: a recipe file becomes a checked plan, and nothing heavy is imported on the way.

Begin with ``load`` (file -> tree, with everything applied), then ``planner`` (tree -> plan); ``grammar`` is the table
of what a recipe can hold, and ``types`` and ``convert`` check each value against a parameter's annotation.
"""
