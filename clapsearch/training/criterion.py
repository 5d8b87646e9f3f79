"""The loss of one forward pass: a batch made, embedded and compared with its texts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from clapsearch.evaluation.clips import Clip
from clapsearch.training.batches import Batch, BatchOptions, stream
from clapsearch.training.features import Features
from clapsearch.training.objective import Bank, contrastive_loss
from clapsearch.training.precision import autocast
from clapsearch.training.texts import captions_of, targets_of, text_vectors

MAX_LOGIT_SCALE = 100.0
# Of a target is the tutor's opinion; the rest is what the sound is called.
TUTOR_SHARE = 0.7
_CAPTIONS = 2  # which random numbers a generator is for; 0 and 1 are the batches'


class Criterion:
    """Computes losses by step and pass.

    Parameters
    ----------
    model : ClapModel
    features : Features
    batches : BatchOptions
    bank : Bank or None
        All texts, where the text tower is frozen: then every one of them is a candidate. Otherwise the texts of the
        batch are.
    tutor : Tutor or None
        With a bank: a taught model, whose opinion on the same input is most of the target.
    tokenizer : callable
        Texts to the text tower's input.
    n_accumulate : int
        Passes in one step.
    device : str
    half : bool
    """

    def __init__(
        self,
        model: Any,
        features: Features,
        batches: BatchOptions,
        *,
        bank: Bank | None,
        tokenizer: Callable[..., dict[str, torch.Tensor]],
        n_accumulate: int,
        device: str,
        half: bool,
        tutor: Any = None,
    ) -> None:
        self._model, self._features, self._batches, self._bank = model, features, batches, bank
        self._tutor = tutor
        self._tokenizer, self._n_accumulate, self._device, self._half = tokenizer, n_accumulate, device, half
        self._stream: Iterator[Batch] | None = None
        self._next = 0

    def __call__(self, step: int, part: int) -> torch.Tensor:
        """Return the loss of one pass, with gradients."""
        number = step * self._n_accumulate + part
        batch = self._batch(number)
        audio = self._hear(self._model, batch)
        return self._compare(audio, batch, number)

    def _hear(self, model: Any, batch: Batch) -> torch.Tensor:
        """Embed a batch, shape (batch_size, dim), float32."""
        with autocast(self._device, half=self._half):
            audio: torch.Tensor = model.get_audio_features(
                input_features=torch.from_numpy(batch.inputs).to(self._device),
                is_longer=torch.from_numpy(batch.is_longer[:, None]).to(self._device),
            ).pooler_output
        return audio.float()

    def _compare(self, audio: torch.Tensor, batch: Batch, number: int) -> torch.Tensor:
        scale = _scale(self._model)
        if self._bank is not None:
            return self._bank.loss(audio, scale, self._targets(self._bank, batch))
        clips: Sequence[Clip] = self._features.clips
        captions = captions_of(batch, clips, np.random.default_rng([self._batches.seed, _CAPTIONS, number]))
        with autocast(self._device, half=self._half):
            text = text_vectors(self._model, self._tokenizer, captions)
        return contrastive_loss(audio, text.float(), scale, captions)

    def _targets(self, bank: Bank, batch: Batch) -> torch.Tensor:
        """Return how well every text fits each sound of a batch, shape (batch_size, n_candidates)."""
        targets = torch.from_numpy(targets_of(batch, bank.targets)).to(self._device)
        if self._tutor is None:
            return targets
        with torch.no_grad():
            opinion = bank.opinion(self._hear(self._tutor, batch), _scale(self._tutor))
        return torch.lerp(targets, opinion, TUTOR_SHARE)

    def _batch(self, number: int) -> Batch:
        """Return a batch; in order they are made ahead, while the model computes."""
        if self._stream is None or number != self._next:
            self._stream = stream(self._features, self._batches, start=number)
        self._next = number + 1
        return next(self._stream)


def _scale(model: Any) -> torch.Tensor:
    """Return the factor from cosine to logit."""
    scale: torch.Tensor = model.logit_scale_a.exp().clamp(max=MAX_LOGIT_SCALE)
    return scale
