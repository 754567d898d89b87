"""How good are predictions, of a run or in files?

Everything follows from one confusion matrix: begin with ``confusion``. ``run`` evaluates a finished run, ``files``
compares predictions in files with the truth; both give a ``report.Evaluation``, which writes tables and ``figures``.
"""
