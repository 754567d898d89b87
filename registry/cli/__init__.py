"""How is the framework used? ``commands`` holds one module for each command; ``hw1cli.py`` lists them.

``options`` holds what several commands take, ``errors`` turns an exception into a readable block and an exit code,
``tables`` prints for readers, ``completion`` serves the tab key.
"""
