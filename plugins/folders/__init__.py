"""Data sets that are plain folders of files."""
