"""How is the framework used? One module for each command: it reads the options, calls one function below and prints.

Begin at ``hw1cli.py``, which lists the commands. ``options`` holds what several commands take, ``errors`` turns an
exception into a readable block and an exit code, ``tables`` prints for readers, ``completion`` serves the tab key.
"""
