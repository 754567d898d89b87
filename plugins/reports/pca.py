"""Principal components of the penultimate layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from registry.engine import Run

from .feature_map import FeatureMap


class PrincipalComponents(FeatureMap):
    """See the spec ``pca``.

    Places are in units of the features' root mean square distance from their mean. A classifier does not care how large
    its features are, and training changes it: without this, one of two stages on the same axes would be a dot.
    """

    name, title = "pca", "PCA of the penultimate layer"

    def map(self, features: np.ndarray, run: Run) -> tuple[np.ndarray, dict[str, float]]:
        from sklearn.decomposition import PCA

        centred = (features - features.mean(0)).astype(np.float64)
        spread = np.sqrt((centred**2).sum(1).mean())
        method = PCA(2, random_state=self.seed)
        places = method.fit_transform(centred / spread)
        first, second = (float(share) for share in method.explained_variance_ratio_)
        return places, {"variance_1": first, "variance_2": second, "variance": first + second, "spread": float(spread)}

    def aligned(self, places: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Each axis mirrored where that brings it nearer; turning would mix the components."""
        return np.where((places * (earlier - earlier.mean(0))).sum(0) < 0, -places, places)

    def axes(self, figures: Mapping[str, float]) -> tuple[str, str]:
        return f"PC 1 ({figures['variance_1']:.0%} of variance)", f"PC 2 ({figures['variance_2']:.0%} of variance)"

    def claims(self, figures: Mapping[str, float]) -> str:
        variance = f"{figures['variance']:.0%} of variance, silhouette {figures['silhouette_map']:.2f}"
        return f"{variance}\nkNN accuracy {figures['knn_map']:.2f} (all features {figures['knn_features']:.2f})"
