"""A convolutional network that learns the training set first, and then tells a new audio tower what it hears.

From some thousand recordings a convolutional network learns to hear far better than a transformer of that size does;
the transformer then learns more from it than from the recordings (Touvron et al. 2021), if it hears the same mixtures
and augmentations (Beyer et al. 2022).
"""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize, relu

from clapsearch.training.features import Features
from clapsearch.training.towers import band_statistics

WIDTH = 24  # channels of the first layer; the others have 2, 4 and 8 times as many
TUTOR_RATE = 2e-3  # learning rate at its highest
TUTOR_DECAY = 0.02
TUTOR_MIX = 0.3  # share of sounds mixed with another
PANEL_SHARE = 0.7  # of the tutor, in a panel
PANEL_LOG_GAIN = 0.1
_DROPOUT = 0.2
_HIDDEN = 512
_LOG_SCALE = 2.66  # cosines times 14, as CLAP begins


class Tutor(nn.Module):
    """A small residual network from log-mels to unit vectors in a frozen text space.

    Parameters
    ----------
    dim : int
    mean, scale : torch.Tensor, shape (n_mels,)
        Of each mel band of the training set, dB.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, dim: int, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.logit_scale_a = nn.Parameter(torch.tensor(_LOG_SCALE))
        self._stem = nn.Sequential(nn.Conv2d(1, WIDTH, 5, 2, 2, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
        widths = [WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH, 8 * WIDTH]
        strides = [2, 2, 2, 1]
        self._body = nn.Sequential(*(_Block(*each) for each in zip(widths, widths[1:], strides, strict=False)))
        self._head = nn.Sequential(
            nn.Dropout(_DROPOUT),
            nn.Linear(2 * widths[-1], _HIDDEN),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, dim),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Embed windows.

        Parameters
        ----------
        inputs : torch.Tensor, shape (batch, channels, n_frames, n_mels), dB
            Of the fused input, the mean over the channels counts.

        Returns
        -------
        torch.Tensor, shape (batch, dim), float32, unit rows
        """
        n, n_channels, *shape = inputs.shape
        images = ((inputs - self.mean) / self.scale).reshape(n * n_channels, 1, *shape)
        heard = self._body(self._stem(images.contiguous(memory_format=torch.channels_last)))
        over_time = heard.mean(dim=3)
        pooled = torch.cat([over_time.mean(dim=2), over_time.amax(dim=2)], dim=1)
        vectors = self._head(pooled).float().reshape(n, n_channels, -1).mean(dim=1)
        return normalize(vectors, dim=-1)

    def get_audio_features(self, input_features: torch.Tensor, **_: torch.Tensor) -> Any:
        """Embed as a ``ClapModel`` does, so that it can be trained and validated as one."""
        return SimpleNamespace(pooler_output=self(input_features))


class Panel:
    """A tutor and a model that has learnt before: the weighted mean of what both hear.

    Two that err differently are right more often than either.
    """

    def __init__(self, tutor: Tutor, model: Any) -> None:
        self._tutor = tutor
        self._model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        # Means are shorter than what they are means of: less sure.
        self.logit_scale_a = (tutor.logit_scale_a.detach() + self._model.logit_scale_a) / 2 + PANEL_LOG_GAIN

    def get_audio_features(self, input_features: torch.Tensor, is_longer: torch.Tensor) -> Any:
        """Embed as a ``ClapModel`` does."""
        other = self._model.get_audio_features(input_features=input_features, is_longer=is_longer).pooler_output
        mean = torch.lerp(other.float(), self._tutor(input_features), PANEL_SHARE)
        return SimpleNamespace(pooler_output=normalize(mean, dim=-1))


def make_tutor(features: Features, dim: int, seed: int) -> Tutor:
    """Make an untaught tutor for a training set."""
    mean, variance = band_statistics(features.log_mel(i, 0) for i in range(len(features)))
    torch.manual_seed(seed)
    return Tutor(dim, torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(variance)).float())


class _Block(nn.Module):
    """Two convolutions around which the input goes, too, weighted by channel (He et al. 2016, Hu et al. 2018)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out))
        self.around = nn.Sequential()
        if stride > 1 or n_in != n_out:
            pool = nn.AvgPool2d(stride, ceil_mode=True)
            self.around = nn.Sequential(pool, nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
        n_hidden = max(8, n_out // 8)
        self.weights = nn.Sequential(nn.Linear(n_out, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out), nn.Sigmoid())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.second(self.first(inputs))
        found = found * self.weights(found.mean(dim=(2, 3)))[:, :, None, None]
        return relu(found + self.around(inputs))
