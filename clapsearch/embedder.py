"""What an embedder is: its protocol, and the identity of the checkpoint behind it. No torch here."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd, LogMel

# Measured: pairwise text cosines of a dead tower are .9993, of random weights .94.
DEAD_TEXT_COSINE = 0.998
# So many texts are questions; more are a list of labels, for which it pays to have the model's threads, or its GPU.
FEW_TEXTS = 8
_UNLIKE_TEXTS = ("a dog barking", "rain on a tin roof", "a siren in the distance", "glass breaking", "soft piano music")


@dataclass(frozen=True)
class Checkpoint:
    """The identity of an embedding: equal identities give equal vectors.

    Attributes
    ----------
    name : str
        Hub id, absolute folder, or ``mini``.
    revision : str or None
        Commit on the hub; None for folders.
    weights_hash : str
        Hex digest of the safetensors files.
    front_end, resampler : str
        `FrontEnd.identity` and `audio.RESAMPLER`.
    backend, precision : str
        Such as ``torch-cpu`` and ``float32``.
    dim : int
        Embedding width.
    window_s : float
        Length of a moment, and of the longest sound that is embedded whole, in seconds.
    """

    name: str
    revision: str | None
    weights_hash: str
    front_end: str
    resampler: str
    backend: str
    precision: str
    dim: int
    window_s: float

    @property
    def space(self) -> tuple[str, str, str]:
        """What two embeddings must share to be compared; backends and precisions mix (cosine .9999 and up)."""
        return self.weights_hash, self.front_end, self.resampler


class TextEmbedder(Protocol):
    """Turns texts into unit vectors; the same text always gives the same vector."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Whose vectors these are."""

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, learnt with the weights."""

    def embed_text(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts; shape (n_texts, dim), unit rows."""


class Embedder(TextEmbedder, Protocol):
    """Turns log-mels into unit vectors, too; the same input always gives the same vector."""

    @property
    def front_end(self) -> FrontEnd:
        """How log-mels for this embedder are made."""

    @property
    def batch_size(self) -> int:
        """How many windows one forward pass takes."""

    def embed_audio(self, log_mels: Sequence[LogMel]) -> list[npt.NDArray[np.float32]]:
        """Embed sounds from their log-mels, each (n_frames, n_mels), dB.

        Returns one array a sound, shape (n, dim), unit rows: the whole first, then, for sounds longer than one
        window, every moment.
        """


class DeferredEmbedder:
    """An embedder that loads its model when a vector is first asked for; its front end is known at once.

    Parameters
    ----------
    front_end : FrontEnd
    load : callable
        Makes the real embedder; called at most once.
    load_texts : callable, optional
        Makes what answers for `FEW_TEXTS` instead, whether the model is loaded or not; called at most once.
    """

    def __init__(
        self, front_end: FrontEnd, load: Callable[[], Embedder], load_texts: Callable[[], TextEmbedder] | None = None
    ) -> None:
        self.front_end = front_end
        self._load = load
        self._load_texts = load_texts

    @functools.cached_property
    def _embedder(self) -> Embedder:
        return self._load()

    @functools.cached_property
    def _texts(self) -> TextEmbedder:
        return self._load_texts() if self._load_texts else self._embedder

    @property
    def checkpoint(self) -> Checkpoint:
        """As `Embedder`."""
        return self._embedder.checkpoint

    @property
    def batch_size(self) -> int:
        """As `Embedder`."""
        return self._embedder.batch_size

    @property
    def logit_scale(self) -> float:
        """As `Embedder`."""
        return self._texts.logit_scale

    def embed_text(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """As `Embedder`."""
        return (self._texts if len(texts) <= FEW_TEXTS else self._embedder).embed_text(texts)

    def embed_audio(self, log_mels: Sequence[LogMel]) -> list[npt.NDArray[np.float32]]:
        """As `Embedder`."""
        return self._embedder.embed_audio(log_mels)


def check_finite(vectors: npt.NDArray[np.float32], checkpoint: Checkpoint) -> None:
    """Refuse vectors of texts that are none.

    Raises
    ------
    CheckpointError
        If a number in them is not finite.
    """
    if not np.isfinite(vectors).all():
        raise CheckpointError(
            f"checkpoint {checkpoint.name} gives no finite vector for a text; "
            "try --device cpu, or choose another with --checkpoint"
        )


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors, shape (..., dim), divided by their lengths; a zero vector becomes NaN, which callers look for."""
    with np.errstate(invalid="ignore"):
        scaled: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


def check_same_space(embedder: TextEmbedder, library: Checkpoint) -> None:
    """Refuse an embedder whose vectors cannot be compared with those of a library.

    Raises
    ------
    CheckpointError
        If weights, front end or resampler differ.
    """
    names = ("weights", "front end", "resampler")
    ours = embedder.checkpoint
    differing = [name for name, a, b in zip(names, ours.space, library.space, strict=True) if a != b]
    if differing:
        raise CheckpointError(
            f"checkpoint {ours.name} is not what this library was made with "
            f"({library.name}; other {', '.join(differing)}); "
            f"to embed everything again with it: clapsearch reembed --checkpoint {ours.name}"
        )


def check_text_tower(embedder: TextEmbedder) -> None:
    """Refuse a checkpoint that gives all texts the same vector.

    Raises
    ------
    CheckpointError
        If the mean cosine between unlike texts is above `DEAD_TEXT_COSINE`.
    """
    vectors = embedder.embed_text(_UNLIKE_TEXTS)
    n = len(vectors)
    mean_cosine = float((vectors @ vectors.T)[~np.eye(n, dtype=bool)].mean())
    if not mean_cosine <= DEAD_TEXT_COSINE:  # NaN is dead too
        raise CheckpointError(
            f"checkpoint {embedder.checkpoint.name} gives unlike texts the same vector "
            f"(cosine {mean_cosine:.4f}, limit {DEAD_TEXT_COSINE}): "
            "it cannot answer questions in words; choose another with --checkpoint"
        )
