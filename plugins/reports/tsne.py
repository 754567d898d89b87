"""t-SNE of the penultimate layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from registry.engine import Run

from .feature_map import FeatureMap
from .worth import kept_neighbours

#: Components to which features are reduced first, as van der Maaten and Hinton (2008, section 4.2) do with 30: it
#: spares time and noise. Figures are computed from all features.
_COMPONENTS = 50
#: Larger steps (Belkina et al., 2019) and less exaggeration than scikit-learn's defaults (N / 48 and 12) reach the same
#: divergence, within 1 %, in 570 instead of 1,000 iterations; ``benchmarks/tsne.py`` measures both.
_EXAGGERATION, _ITERATIONS = 4.0, 570


class NeighbourEmbedding(FeatureMap):
    """See the spec ``tsne``."""

    name, title = "tsne", "t-SNE of the penultimate layer"

    def __init__(
        self,
        perplexity: float,
        at: Sequence[int | str],
        max_images: int,
        class_names: Sequence[str],
        class_colors: Any,
        seed: int,
    ) -> None:
        super().__init__(at, max_images, class_names, class_colors, seed)
        self.perplexity = perplexity

    def map(self, features: np.ndarray, run: Run) -> tuple[np.ndarray, dict[str, float]]:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE

        perplexity = min(self.perplexity, (len(features) - 1) / 3)
        if perplexity < self.perplexity:
            reason = f"{len(features)} images are too few for {self.perplexity:g}"
            run.add_caveat(f"tsne: perplexity {perplexity:.1f}; {reason}")
        reduced = features
        if min(features.shape) > _COMPONENTS:
            reduced = PCA(_COMPONENTS, random_state=self.seed).fit_transform(features)
        method = TSNE(
            perplexity=perplexity,
            init="pca",
            early_exaggeration=_EXAGGERATION,
            learning_rate=max(len(features) / 2, 50),
            max_iter=_ITERATIONS,
            random_state=self.seed,
        )
        places = method.fit_transform(reduced).astype(np.float64)
        figures = {"trustworthiness": kept_neighbours(features, places), "kl_divergence": float(method.kl_divergence_)}
        return places - places.mean(0), {**figures, "perplexity": perplexity}

    def aligned(self, places: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Turned and mirrored, not scaled: the orthogonal Procrustes solution (Schönemann, 1966)."""
        left, _, right = np.linalg.svd(places.T @ (earlier - earlier.mean(0)))
        return np.asarray(places @ left @ right)

    def axes(self, figures: Mapping[str, float]) -> tuple[str, str]:
        return "t-SNE 1", "t-SNE 2"

    def claims(self, figures: Mapping[str, float]) -> str:
        shape = f"trustworthiness {figures['trustworthiness']:.2f}, silhouette {figures['silhouette_map']:.2f}"
        return f"{shape}\nkNN accuracy {figures['knn_map']:.2f} (all features {figures['knn_features']:.2f})"
