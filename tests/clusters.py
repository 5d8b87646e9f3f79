"""Seeded unit vectors around class centres."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of norm 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clusters(
    n_classes: int, n_each: int, *, dim: int = 32, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Return vectors of shape (n_classes * n_each, dim), one class after the other, and a label each."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(n_classes), n_each)
    centres = rng.standard_normal((n_classes, dim))
    vectors = centres[number] + noise * rng.standard_normal((len(number), dim))
    return unit(vectors), [(f"class {i:02}",) for i in number]
