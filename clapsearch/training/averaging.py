"""Averaged weights: the mean over the last steps generalises better than the last step."""

from collections.abc import Iterable

import torch

Weights = dict[str, torch.Tensor]


class Average:
    """An exponential moving average of trained weights.

    Parameters
    ----------
    named : iterable of (name, parameter)
        What is trained.
    decay : float
        At most; early on it is smaller, so that the random start is soon forgotten.
    """

    def __init__(self, named: Iterable[tuple[str, torch.Tensor]], decay: float) -> None:
        self._named = list(named)
        self._decay = decay
        self.weights: Weights = {name: value.detach().clone() for name, value in self._named}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take up the weights after a step, from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._named:
            self.weights[name].lerp_(value.detach(), 1 - decay)

    def swap(self) -> None:
        """Exchange average and weights in place; twice is as before."""
        with torch.no_grad():
            for name, value in self._named:
                kept = value.detach().clone()
                value.copy_(self.weights[name])
                self.weights[name].copy_(kept)
