"""How a recipe is trained: ``session`` runs a plan from the first check to the summary, ``loop`` is the training loop.

Begin with ``loop``; ``task`` is the contract between the loop and a trainer.
"""
