"""How is a plugin started? ``plugin new``: a complete package from templates, or around a class of the user's.

Begin with ``new``; ``from_class`` reads a torch class without running its file and writes its spec.
"""
