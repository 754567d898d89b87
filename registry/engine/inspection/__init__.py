"""What is in the data? The part of ``data inspect`` that reads it: begin with ``inspect``."""
