"""The embedding stage: log-mels gathered into batches, through the model, to vectors."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapsearch.audio import AudioInfo
from clapsearch.embedder import Embedder
from clapsearch.mel import moment_starts
from indexer.decode import Decoded, Outcome, Skipped, Unwanted


@dataclass(frozen=True)
class Embedded:
    """A sound with its vectors, shape (n, dim), float32, the whole first; `seconds` is its share of the batch.

    `metadata` is as in `Decoded`.
    """

    path: bytes
    content_hash: bytes
    info: AudioInfo
    vectors: npt.NDArray[np.float32]
    decode_seconds: float
    seconds: float
    metadata: str | None = None


def embed(outcomes: Iterable[Outcome], embedder: Embedder) -> Iterator[Embedded | Skipped | Unwanted]:
    """Embed what was decoded, as many windows at a time as the embedder batches; pass the rest on at once."""
    batch: list[Decoded] = []
    n_windows = 0
    for outcome in outcomes:
        if not isinstance(outcome, Decoded):
            yield outcome
            continue
        batch.append(outcome)
        n_windows += len(moment_starts(len(outcome.log_mel), embedder.front_end))
        if n_windows >= embedder.batch_size:
            yield from _embed_batch(batch, embedder)
            batch, n_windows = [], 0
    if batch:
        yield from _embed_batch(batch, embedder)


def _embed_batch(batch: list[Decoded], embedder: Embedder) -> Iterator[Embedded | Skipped]:
    started = time.monotonic()
    vectors = embedder.embed_audio([sound.log_mel for sound in batch])
    seconds = (time.monotonic() - started) / len(batch)
    for sound, rows in zip(batch, vectors, strict=True):
        if np.isfinite(rows).all():
            yield Embedded(sound.path, sound.content_hash, sound.info, rows, sound.seconds, seconds, sound.metadata)
        else:
            reason = "the model gave no finite vector for it; try --device cpu"
            yield Skipped(sound.path, sound.content_hash, reason, transient=False, seconds=sound.seconds)
