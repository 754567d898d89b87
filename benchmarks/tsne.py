"""t-SNE as the report computes it beside scikit-learn's default: seconds, divergence, trustworthiness.

    python benchmarks/tsne.py --json tsne.json

Both embed the same vectors with perplexity 30: 1,797 handwritten digits of 64 pixels (real), and 2,500 generated
features of 512 numbers, as a penultimate layer gives them. The divergence is computed exactly, for both from the
original vectors, and the trustworthiness with 12 neighbours. The ratio is of processor time, which other programs
disturb less than the clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, trustworthiness
from sklearn.manifold._t_sne import _joint_probabilities

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from plugins.reports.tsne import NeighbourEmbedding

PERPLEXITY = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2500, help="generated features")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    report = NeighbourEmbedding(PERPLEXITY, ["last"], 10**6, [], [], 0)
    run: Any = SimpleNamespace(add_caveat=print)
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "scikit-learn": lambda x: TSNE(perplexity=PERPLEXITY, random_state=0).fit_transform(x),
        "hw1cli": lambda x: report.map(x, run)[0],
    }
    data = {"digits": load_digits().data.astype(np.float32), "features": features(arguments.images)}
    rows: list[dict[str, Any]] = []
    print(f"{'data':10} {'t-SNE by':14} {'seconds':>8} {'processor':>9} {'ratio':>6} {'KL':>7} {'trustworthiness':>15}")
    for name, vectors in data.items():
        first = None
        for way, embed in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            places = embed(vectors)
            clock, processor = time.perf_counter() - clock, time.process_time() - processor
            first = first or processor
            row = {
                "data": name,
                "by": way,
                "seconds": clock,
                "processor": processor,
                "ratio": processor / first,
                "kl_divergence": divergence(vectors, places),
                "trustworthiness": float(trustworthiness(vectors, places, n_neighbors=12)),
            }
            rows.append(row)
            scores = f"{row['kl_divergence']:7.4f} {row['trustworthiness']:15.4f}"
            print(f"{name:10} {way:14} {clock:8.1f} {processor:9.1f} {row['ratio']:6.2f} {scores}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def features(number: int) -> np.ndarray:
    """(N, 512) float32: ten clusters in 32 dimensions through a random layer with a ReLU."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(10, 32))[generator.integers(0, 10, number)]
    hidden += 0.7 * generator.normal(size=(number, 32))
    outputs = hidden @ generator.normal(size=(32, 512)) / np.sqrt(32) + 0.15 * generator.normal(size=(number, 512))
    return np.maximum(outputs, 0).astype(np.float32)


def divergence(vectors: np.ndarray, places: np.ndarray) -> float:
    """The Kullback-Leibler divergence that t-SNE minimises, over all pairs (van der Maaten and Hinton, 2008)."""
    wanted = _joint_probabilities(squareform(pdist(vectors, "sqeuclidean")).astype(np.float32), PERPLEXITY, 0)
    found = 1 / (1 + pdist(places.astype(np.float64), "sqeuclidean"))
    found /= 2 * found.sum()
    return float(2 * (wanted * np.log(np.maximum(wanted, 1e-12) / found)).sum())


if __name__ == "__main__":
    main()
