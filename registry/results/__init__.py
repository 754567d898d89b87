"""What came out: finished run folders read back, compared, and their differences tested for noise; no torch.

Begin with ``runs.compare_runs``: ``diff`` finds the settings in which runs differ, ``statistics`` their scores' errors.
"""
