"""What must a plugin satisfy? The checks of every kind's contract, for ``hw1cli plugin check`` and authors' tests.

Begin with ``runner``: it lists the checks; ``rules.yaml`` explains the rules. ``static`` reads metadata, imports and
specs without torch; ``subject`` builds a component and passes it to the module of its kind: ``networks``, ``data``,
``scores``, ``steps``, ``runs``.
"""
