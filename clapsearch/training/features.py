"""The log-mels of a training set, several variants of every clip, computed once and kept in one file."""

import contextlib
import functools
import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapsearch.errors import ClapsearchError, StoppedError
from clapsearch.evaluation.clips import Clip
from clapsearch.mel import FrontEnd
from clapsearch.present import plural, printable
from clapsearch.training.variants import Item, Recipe
from clapsearch.training.workers import compute

# Raise when other numbers come out for the same file, seed and front end, of decoding or of an augmentation.
FEATURES_VERSION = 1
MAX_DURATION_S = 60.0
_DATA, _INDEX, _LOCK = "log_mels.f16", "index.jsonl", "lock"
_VALUE_BYTES = 2


@dataclass(frozen=True)
class Entry:
    """Where the variants of one clip lie in the data, one after the other.

    Attributes
    ----------
    start : int
        First value.
    n_frames : sequence of int
        Of each variant.
    n_values : int
        Of all variants together.
    """

    start: int
    n_frames: Sequence[int]
    n_values: int


@dataclass(frozen=True)
class Features:
    """The log-mels of clips, read from disk when asked for; any number of threads may ask.

    Attributes
    ----------
    clips : list of Clip
        Those that have log-mels, in the order given; these are what an index counts.
    failed : list of (path, reason)
        Those that have none.
    n_variants : int
        Of every clip: 0 is clean, the others are augmented.
    front_end : FrontEnd
    entries : list of Entry
    values : np.ndarray, shape (n_values,), float16
    """

    clips: list[Clip]
    failed: list[tuple[str, str]]
    n_variants: int
    front_end: FrontEnd
    entries: list[Entry]
    values: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def paths(self) -> list[str]:
        """The clips' paths, as in the manifest."""
        return [clip.path for clip in self.clips]

    @functools.cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """How often to draw each clip so that frequent labels do not dominate; shape (n_clips,).

        1 / sqrt(clips with its label), the mean over several labels; a clip without one is the only one of its kind.
        """
        labels = [clip.labels or (clip.path,) for clip in self.clips]
        counts = Counter(itertools.chain.from_iterable(labels))
        return np.array([np.mean([counts[label] ** -0.5 for label in each]) for each in labels])

    def n_frames(self, i: int, variant: int) -> int:
        """Return the length of a log-mel: one window, or more for a long clip."""
        return self.entries[i].n_frames[variant]

    def log_mel(self, i: int, variant: int, start: int = 0, stop: int | None = None) -> npt.NDArray[np.float32]:
        """Read a log-mel, or its frames from `start` to `stop`; shape (n_frames, n_mels), float32, dB."""
        entry, n_mels = self.entries[i], self.front_end.n_mels
        first = entry.start + sum(entry.n_frames[:variant]) * n_mels
        rows = self.values[first : first + entry.n_frames[variant] * n_mels].reshape(-1, n_mels)
        return rows[start:stop].astype(np.float32)


def build(
    clips: Sequence[Clip],
    files: Sequence[Path],
    front_end: FrontEnd,
    folder: Path,
    *,
    n_variants: int = 4,
    seed: int = 0,
    n_workers: int = 2,
    max_duration_s: float = MAX_DURATION_S,
    on_progress: Callable[[int, int], None] = lambda n_done, n_all: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Features:
    """Compute the log-mels of clips, or find those that an earlier run, finished or not, left in the folder.

    Parameters
    ----------
    clips : sequence of Clip
    files : sequence of Path
        Where each clip's sound is; one that changed since is computed again.
    front_end : FrontEnd
    folder : Path
        Made if need be; training sets that share clips may share it.
    n_variants : int
        A clean log-mel of every clip and `n_variants` - 1 augmented ones.
    seed : int
        It and a clip's path decide the augmentations; the recordings put behind come from the clips at hand.
    max_duration_s : float
        Of a longer recording, only the beginning is used.
    on_progress : callable
        Called with how many clips are done, and how many there are.
    should_stop : callable
        Asked after every clip.

    Returns
    -------
    Features

    Raises
    ------
    StoppedError
        If `should_stop` ended it.
    ClapsearchError
        If the folder cannot be written, another process writes to it, or no clip has a log-mel.
    """
    recipe = Recipe(front_end, n_variants, seed, max_duration_s)
    items = _items(clips, files, recipe)
    keys = [_key(item, recipe) for item in items]
    failures: dict[int, str] = {}
    with _writing(folder), contextlib.closing(Store(folder)) as store:
        absent = [i for i, key in enumerate(keys) if not store.has(key, n_variants)]
        n_there = len(items) - len(absent)
        on_progress(n_there, len(items))
        outcomes = compute([items[i] for i in absent], recipe, n_workers)
        for n_done, (place, outcome) in enumerate(outcomes, start=1):
            if outcome.failure:
                failures[absent[place]] = outcome.failure
            else:
                store.add(keys[absent[place]], outcome.log_mels)
            on_progress(n_there + n_done, len(items))
            if should_stop():
                raise StoppedError(f"with the spectrograms of {n_there + n_done:,} of {plural(len(items), 'sound')}")
    if len(failures) == len(clips):
        raise ClapsearchError(_nothing(clips, failures))
    good = [i for i in range(len(clips)) if i not in failures]
    return Features(
        clips=[clips[i] for i in good],
        failed=[(clips[i].path, reason) for i, reason in sorted(failures.items())],
        n_variants=n_variants,
        front_end=front_end,
        entries=[store.entries[keys[i]] for i in good],
        values=np.memmap(folder / _DATA, np.float16, mode="r"),
    )


def _nothing(clips: Sequence[Clip], failures: Mapping[int, str]) -> str:
    examples = [f", such as {printable(clips[i].path)}: {reason}" for i, reason in failures.items()]
    return f"nothing to train on: {len(failures)} of {plural(len(clips), 'clip')} failed{''.join(examples[:1])}"


def _items(clips: Sequence[Clip], files: Sequence[Path], recipe: Recipe) -> list[Item]:
    names = [os.path.abspath(file) for file in files]
    others = [int(recipe.rng(clip.path, 0).integers(len(clips))) for clip in clips]
    return [Item(clip.path, file, names[other]) for clip, file, other in zip(clips, names, others, strict=True)]


def _key(item: Item, recipe: Recipe) -> str:
    """Name all that decides an entry."""
    try:
        status = os.stat(item.file)
        state = [status.st_size, status.st_mtime_ns]
    except OSError:
        state = []  # the worker says why
    named = [FEATURES_VERSION, recipe.front_end.identity, recipe.max_duration_s, recipe.seed]
    return hashlib.sha256(json.dumps([*named, item.path, item.file, *state]).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; what goes wrong with it is one line."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            yield
    except Timeout as error:
        where = printable(folder)
        raise ClapsearchError(f"another process is writing to {where}; wait for it, or take another folder") from error
    except OSError as error:
        reason = f"cannot keep spectrograms in {printable(folder)}: {error.strerror or error}"
        raise ClapsearchError(
            f"{reason}; what is done stays: make room and run again, or take another folder"
        ) from error


class Store:
    """A data file, to which log-mels are appended, and an index, to which a line is once its data is on disk.

    What a killed run left half written lies behind the last whole line, and goes when the folder is opened.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    entries : dict of str to Entry
        By key; where a key was added twice, the later one.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self._data, self._index = FileIO(folder / _DATA, "a+"), FileIO(folder / _INDEX, "a+")
        n_data, self._n_values, n_index = self._data.seek(0, os.SEEK_END) // _VALUE_BYTES, 0, 0
        self._index.seek(0)
        for line in self._index.readall().splitlines(keepends=True):
            parsed = _parse(line)
            if parsed is None or parsed[1].start + parsed[1].n_values > n_data:
                break
            self.entries[parsed[0]] = parsed[1]
            self._n_values, n_index = max(self._n_values, parsed[1].start + parsed[1].n_values), n_index + len(line)
        self._data.truncate(self._n_values * _VALUE_BYTES)
        self._index.truncate(n_index)

    def has(self, key: str, n_variants: int) -> bool:
        """Whether so many variants are there."""
        return key in self.entries and len(self.entries[key].n_frames) >= n_variants

    def add(self, key: str, log_mels: Sequence[npt.NDArray[np.float16]]) -> None:
        """Write the log-mels of one clip, each shape (n_frames, n_mels)."""
        values = np.concatenate([log_mel.ravel() for log_mel in log_mels])
        entry = Entry(self._n_values, [*map(len, log_mels)], len(values))
        _write(self._data, values.tobytes())
        os.fsync(self._data.fileno())
        _write(self._index, json.dumps({"key": key, **asdict(entry)}).encode() + b"\n")
        self._n_values += len(values)
        self.entries[key] = entry

    def close(self) -> None:
        """Close both files."""
        self._data.close()
        self._index.close()


def _parse(line: bytes) -> tuple[str, Entry] | None:
    """Read one line of the index; None if it is no whole one."""
    try:
        fields = json.loads(line) if line.endswith(b"\n") else {}
        return fields.pop("key"), Entry(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(file: FileIO, content: bytes) -> None:
    """Write all, or raise: a disk that fills up takes a part without a word."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
