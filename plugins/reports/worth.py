"""Numbers for what a map of the features seems to show.

scikit-learn is imported when the first is computed: with scipy.stats and pandas it takes seconds.
"""

from __future__ import annotations

import numpy as np

#: Neighbours that vote in ``knn_accuracy``, and neighbours that ``kept_neighbours`` looks at.
VOTERS, NEIGHBOURS = 10, 12


def knn_accuracy(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The share of vectors (N, D) whose class most of the nearest ten others have; a tie goes to the lower label."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(VOTERS, len(vectors) - 1)).fit(vectors).kneighbors(return_distance=False)
    votes = [np.bincount(one).argmax() for one in labels[near]]  # a vector is not its own neighbour
    return float(np.mean(np.array(votes) == labels))


def silhouette(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette of the classes (Rousseeuw, 1987), -1..1; NaN where it is not defined."""
    if not 2 <= len(np.unique(labels)) < len(labels):
        return float("nan")
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(vectors, labels))


def kept_neighbours(vectors: np.ndarray, places: np.ndarray) -> float:
    """Trustworthiness (Venna and Kaski, 2001), 0..1: how far neighbours on the map are neighbours among the vectors."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(vectors, places, n_neighbors=min(NEIGHBOURS, (len(vectors) - 1) // 2)))
