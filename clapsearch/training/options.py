"""How to train: the numbers of one run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """Everything but the data that decides a run; equal options and data give equal weights on one machine.

    Attributes
    ----------
    n_steps : int
        Optimiser steps.
    batch_size : int
        Sounds, or texts, in one forward pass.
    n_accumulate : int
        Forward passes in one optimiser step.
    learning_rate : float
        At its highest, after `warm_up`; it falls to nothing along a cosine.
    warm_up : float
        Share of the steps over which it rises.
    weight_decay : float
    clip_norm : float
        Longest gradient.
    average : float
        Decay of the averaged weights, which are what is kept.
    validate_every : int
        Steps from one look at what is held out to the next.
    patience : int
        Looks without a better score before the run ends.
    save_every_s : float
        Seconds from one saved state to the next.
    seed : int
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    half : bool
        Compute in bfloat16 (CPU) or float16 (GPU) where that is safe.
    """

    n_steps: int = 2_000
    batch_size: int = 24
    n_accumulate: int = 1
    learning_rate: float = 1e-4
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average: float = 0.999
    validate_every: int = 200
    patience: int = 10
    save_every_s: float = 60.0
    seed: int = 0
    device: str = "cpu"
    half: bool = True
