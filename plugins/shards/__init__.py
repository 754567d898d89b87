"""Data sets packed into tar shards: written by ``data pack``, read at random from a disk or over HTTP."""
