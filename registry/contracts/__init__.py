"""What must a plugin keep? The checks of every kind's contract, for ``hw1cli plugin check`` and for authors' tests.

Begin with ``runner``: it lists the checks. ``static`` reads metadata, imports and specs without torch; ``subject``
builds a component and hands it to the module of its kind: ``networks``, ``data``, ``scores``, ``steps``, ``runs``.
"""
