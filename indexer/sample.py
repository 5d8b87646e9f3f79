"""A few sounds embedded again: whether files, decoder and model still give the vectors that are stored."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clapsearch.embedder import Checkpoint, Embedder
from clapsearch.errors import CheckpointError
from clapsearch.filesystem import is_there
from clapsearch.present import plural, printable
from clapsearch.store import Library, Sampled
from indexer.decode import DecodePool, Skipped
from indexer.embed import Embedded, embed
from indexer.faults import Check, Fault, Remedies
from indexer.ledger import Result

# Vectors are equal to the bit on one machine, and their float16 form loses 1e-7; backends differ by rounding.
MIN_COSINE = 0.9999
MIN_COSINE_ELSEWHERE = 0.999
N_WORKERS = 2
_SEED = 0
_BATCH = 1_000  # sounds whose stored vectors are in memory


def check_sample(library: Library, embedder: Callable[[], Embedder], n_sounds: int, remedies: Remedies) -> Check:
    """Embed some sounds again and compare all their vectors with the stored ones.

    Parameters
    ----------
    embedder : callable
        Makes the library's embedder; not called if there is nothing to embed.
    n_sounds : int
        How many; always the same ones of the same library.
    """
    if not n_sounds:
        return Check("sample", 0, "no sounds, as asked")
    sound_ids = _choose(library, n_sounds)
    if not sound_ids:
        return Check("sample", 0, "no sounds to embed")
    comparison = _Comparison(library, remedies)
    try:
        comparison.run(sound_ids, embedder())
    except CheckpointError as error:
        faults = (*comparison.faults, Fault(printable(str(error)), remedies.other_checkpoint))
        return Check("sample", comparison.n_checked, "no sound embedded again", faults)
    lowest = f", lowest cosine {comparison.lowest:.6f}" if comparison.n_embedded else ""
    summary = f"{plural(comparison.n_embedded, 'sound')} embedded again{lowest}"
    n_left = len(sound_ids) - comparison.n_checked
    notes = (f"not checked: {plural(n_left, 'sound')}, see the other checks",) if n_left else ()
    return Check("sample", comparison.n_checked, summary, tuple(comparison.faults), notes)


def _choose(library: Library, n_sounds: int) -> list[int]:
    with library.checking() as checking:
        online = [root.id for root in checking.roots() if is_there(root.path)]
        ids = np.array(checking.embedded_sounds(online), np.int64)
    return list(map(int, np.random.default_rng(_SEED).permutation(ids)[:n_sounds]))


class _Comparison:
    def __init__(self, library: Library, remedies: Remedies) -> None:
        self.faults: list[Fault] = []
        self.n_checked = self.n_embedded = 0
        self.lowest = 1.0
        self._library, self._remedies = library, remedies

    def run(self, sound_ids: Sequence[int], embedder: Embedder) -> None:
        with DecodePool(embedder.front_end, n_workers=min(N_WORKERS, len(sound_ids))) as pool:
            for start in range(0, len(sound_ids), _BATCH):
                with self._library.checking() as checking:
                    sounds = checking.sampled(sound_ids[start : start + _BATCH])
                self._run_some({sound.path: sound for sound in sounds if not sound.blob.damage()}, pool, embedder)

    def _run_some(self, sounds: Mapping[bytes, Sampled], pool: DecodePool, embedder: Embedder) -> None:
        def wants(path: bytes, content_hash: bytes) -> bool:
            return content_hash == sounds[path].content_hash

        for result in embed(pool.run(iter(sounds), wants), embedder):
            sound = sounds[result.path]
            fault = self._compare(sound, result, embedder)
            if fault is None or self._is_unchanged(sound):
                self.n_checked += 1
                self.faults += [fault] if fault else []

    def _compare(self, sound: Sampled, result: Result, embedder: Embedder) -> Fault | None:
        name, paths = printable(sound.path), (sound.path,)
        if isinstance(result, Embedded):
            self.n_embedded += 1
            problem = self._problem(sound, result.vectors, embedder.checkpoint)
            return Fault(f"{name}: {problem}", self._remedies.reembed, paths) if problem else None
        if isinstance(result, Skipped):
            remedy = self._remedies.readable(sound.path) if result.transient else self._remedies.reembed
            return Fault(f"{name}: {printable(result.reason)}", remedy, paths)
        what = f"{name}: other bytes than when it was embedded, though its size and time are the same"
        return Fault(what, self._remedies.touch(sound.path), paths)

    def _problem(self, sound: Sampled, vectors: npt.NDArray[np.float32], ours: Checkpoint) -> str | None:
        stored = sound.blob.vectors
        if stored.shape != vectors.shape:
            return f"{plural(len(vectors), 'vector')} now, {len(stored)} stored"
        cosines = _cosines(stored, vectors)
        lowest = float(cosines.min())
        self.lowest = min(self.lowest, lowest)
        is_same = (ours.backend, ours.precision) == (sound.backend, sound.precision)
        limit = MIN_COSINE if is_same else MIN_COSINE_ELSEWHERE
        if lowest >= limit:
            return None
        which = f"moment {cosines.argmin()}" if cosines.argmin() else "the whole"
        made = f"{sound.backend} {sound.precision}" + ("" if is_same else f", now {ours.backend} {ours.precision}")
        return f"cosine {lowest:.6f} of {which} with its stored vector, at least {limit} expected ({made})"

    def _is_unchanged(self, before: Sampled) -> bool:
        """Whether neither file nor library changed meanwhile: what changed is for another check to tell."""
        with contextlib.suppress(OSError):
            status = os.stat(before.path)
            with self._library.checking() as checking:
                is_known = checking.sampled([before.sound_id]) == [before]
            return is_known and (status.st_size, status.st_mtime_ns) == (before.size, before.mtime_ns)
        return False


def _cosines(stored: npt.NDArray[np.float16], vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the cosines of rows, shape (n,)."""
    one, other = stored.astype(np.float64), vectors.astype(np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: npt.NDArray[np.float64] = (one * other).sum(axis=1) / norms
    return cosines
