"""Scores of classification and segmentation, over the confusion matrix."""
