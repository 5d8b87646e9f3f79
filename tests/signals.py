"""Waveforms for tests."""

import numpy as np


def noise(duration_s: float, *, seed: int = 0, sr: int = 48_000, level: float = 0.1) -> np.ndarray:
    """Return seeded noise with a tone in it, shape (n_samples,), float32."""
    n = round(duration_s * sr)
    rng = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * (200 + 150 * (seed % 20)) * np.arange(n) / sr)
    return (level * (0.5 * rng.standard_normal(n).clip(-3, 3) / 3 + 0.5 * tone)).astype(np.float32)
