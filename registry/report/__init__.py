"""How is it shown? Run folders become one self-contained HTML page; no torch.

Begin with ``page.render``: ``gather`` reads the folders, ``figures`` what the reports of the training wrote,
``verdicts`` puts the outcome into sentences, and ``page/`` holds the template with its style and scripts.
"""
