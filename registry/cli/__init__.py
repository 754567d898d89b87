"""How the framework is asked: one module a command, which reads its options, calls one function below and prints.

Begin at ``hw1cli.py``, which lists the commands. ``options`` holds what several commands take, ``errors`` turns an
exception into a readable block and an exit code, ``tables`` prints for readers, ``completion`` serves the tab key.
"""
