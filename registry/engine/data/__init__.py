"""How does a file become a sample, and samples a batch? Images, masks and label tables are read in ``images.py``,
``masks.py`` and ``labels.py``; ``loader.py`` decides order and augmentation. ``inspect.py`` looks at a whole data set.
"""
