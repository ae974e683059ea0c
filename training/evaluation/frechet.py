"""The Fréchet distance of two sets of features (Heusel et al., eq. 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def frechet_distance(one: Features, other: Features) -> float:
    """Squared Wasserstein distance of the normal distributions of two sets; 0 for equal ones.

    Args:
        one, other: `[N,D]`, each of two rows or more.
    """
    means = [features.mean(0) for features in (one, other)]
    covariances = [
        np.atleast_2d(np.cov(features.astype(np.float64), rowvar=False))
        for features in (one, other)
    ]
    apart = float(((means[0] - means[1]) ** 2).sum())
    spread = float(np.trace(covariances[0]) + np.trace(covariances[1]))
    return max(0.0, apart + spread - 2.0 * _trace_of_root(*covariances))


def _trace_of_root(one: Features, other: Features) -> float:
    """tr √(A B) of two covariances: A B has the eigenvalues of the symmetric √A B √A."""
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ other @ root)
    return float(np.sqrt(inner.clip(min=0.0)).sum())
