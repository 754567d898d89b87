"""What a run writes and reads back: its folder and lock, checkpoints, epoch records and metrics files.

Begin with ``run_folder``.
"""
