"""What training asks for: audio near the words that fit it, far from those that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import log_softmax, softmax

# Cosines of a frozen text space over this make neighbours of a text share its probability.
TEXT_TEMPERATURE = 0.05


def contrastive_loss(
    audio: torch.Tensor, text: torch.Tensor, logit_scale: torch.Tensor, captions: Sequence[str]
) -> torch.Tensor:
    """Return the symmetric contrastive loss of a batch (InfoNCE; Radford et al. 2021, Wu et al. 2023).

    Parameters
    ----------
    audio, text : torch.Tensor, shape (batch, dim), unit rows
    logit_scale : torch.Tensor, scalar
        Factor from cosine to logit.
    captions : sequence of str
        One a row; rows of one caption are no negatives of each other.
    """
    logits = logit_scale * audio @ text.T
    same = torch.tensor([[a == b for b in captions] for a in captions], device=logits.device)
    others = same & ~torch.eye(len(captions), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(others, -torch.inf)
    return -(log_softmax(logits, dim=1).diagonal() + log_softmax(logits, dim=0).diagonal()).mean() / 2


@dataclass(frozen=True)
class Bank:
    """Texts in a frozen text space: every one is a candidate in every step.

    Attributes
    ----------
    vectors : torch.Tensor, shape (n_candidates, dim), unit rows
    targets : np.ndarray, shape (n_clips, n_candidates), float16
        How well each text fits each clip; rows sum to 1.
    """

    vectors: torch.Tensor
    targets: npt.NDArray[np.float16]

    def loss(self, audio: torch.Tensor, logit_scale: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of a batch against its targets, shape (batch, n_candidates), rows that sum to 1."""
        return -(targets * log_softmax(self._logits(audio, logit_scale), dim=1)).sum(dim=1).mean()

    def opinion(self, audio: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
        """Return how well each text fits a batch to a model's ear, shape (batch, n_candidates); rows sum to 1."""
        return softmax(self._logits(audio, logit_scale), dim=1)

    def _logits(self, audio: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
        return logit_scale * audio @ self.vectors.to(audio.device).T


def make_bank(
    clip_texts: Sequence[Sequence[str]],
    texts: Sequence[str],
    vectors: npt.NDArray[np.float32],
    teacher: npt.NDArray[np.float32] | None = None,
    *,
    teacher_share: float = 0.5,
) -> Bank:
    """Make the bank of a training set.

    Parameters
    ----------
    clip_texts : sequence of sequence of str
        Captions and labels of each clip; at least one each, all of them in `texts`.
    texts : sequence of str
        All that any clip is called, by captions, labels or the teacher.
    vectors : np.ndarray, shape (n_candidates, dim), float32, unit rows
        Of the texts, and after them of what else is a candidate: what no clip is called, but somebody may ask for.
    teacher : np.ndarray, shape (n_clips, n_texts), float32, optional
        A teacher's opinion; rows sum to 1, or to 0 where it has none.
    teacher_share : float
        Its part of the target where it has an opinion.
    """
    row = {text: i for i, text in enumerate(texts)}
    near = np.exp((vectors[: len(texts)] @ vectors.T - 1) / TEXT_TEMPERATURE)
    near /= near.sum(axis=1, keepdims=True)
    own = np.stack([near[[row[text] for text in some]].mean(axis=0) for some in clip_texts]).astype(np.float32)
    if teacher is not None:
        share = teacher_share * (teacher.sum(axis=1, keepdims=True) > 0)
        own = (1 - share) * own + share * (teacher @ near)  # what is called like a class is no negative of it
    return Bank(torch.from_numpy(vectors), own.astype(np.float16))
