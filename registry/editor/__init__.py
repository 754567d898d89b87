"""What may be written in a recipe? For editors a JSON schema, for the command line the keys and values at a path.

Begin with ``schema``; ``keys`` serves completion. Planning a run needs neither.
"""
