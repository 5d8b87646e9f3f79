"""Log-mels of any length: in memory while short, beyond that in a temporary file without a name.

Such a file needs no cleaning up: it is gone with the last process that has it open, however that ends.
"""

import os
import sys
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import reduction
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from clapsearch.errors import UnreadableError
from clapsearch.mel import LogMel

# The longest log-mel that stays in memory: 4 MB at 64 bands, nearly 3 min. Windows has no nameless files to hand over.
KEPT_FRAMES = sys.maxsize if os.name == "nt" else 1 << 14


class Spilled:
    """A log-mel on disk; slicing reads it.

    Parameters
    ----------
    fd : int
        Descriptor of a file of float32 rows; closed with this object.
    n_mels : int
    n_frames : int
        Rows in the file.
    """

    def __init__(self, fd: int, n_mels: int, n_frames: int = 0) -> None:
        self.fd, self.n_mels, self.n_frames = fd, n_mels, n_frames
        weakref.finalize(self, os.close, fd)

    def __len__(self) -> int:
        return self.n_frames

    def __getitem__(self, frames: slice, /) -> npt.NDArray[np.float32]:
        start, stop, _ = frames.indices(self.n_frames)
        row_bytes = 4 * self.n_mels
        # Not a memory map: pages of a mapped file count as memory of the process.
        content = os.pread(self.fd, max(0, stop - start) * row_bytes, start * row_bytes)
        return np.frombuffer(content, np.float32).reshape(-1, self.n_mels)

    def append(self, rows: npt.NDArray[np.float32]) -> None:
        """Write rows, shape (n, n_mels), at the end."""
        rest = rows.data.cast("B")
        while rest:
            rest = rest[os.write(self.fd, rest) :]
        self.n_frames += len(rows)


@dataclass
class Spool:
    """Gathers a log-mel block by block; one longer than `KEPT_FRAMES` goes to disk, so that memory stays flat.

    Attributes
    ----------
    peak_db : float
        The highest level in it.
    """

    peak_db: float = -np.inf
    _n_frames: int = 0
    _kept: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _spilled: Spilled | None = None

    def refill(self, blocks: Iterable[npt.NDArray[np.float32]]) -> None:
        """Take the rows of a log-mel in place of any taken before.

        Raises
        ------
        UnreadableError
            If the folder for temporary files does not take them.
        """
        self.peak_db, self._n_frames, self._kept, self._spilled = -np.inf, 0, [], None
        for rows in blocks:
            self.peak_db = float(np.maximum(self.peak_db, rows.max()))
            self._n_frames += len(rows)
            self._kept.append(rows)
            if self._n_frames > KEPT_FRAMES:
                self._spill()

    def log_mel(self) -> LogMel:
        """Return all rows: an array, or `Spilled`."""
        return np.concatenate(self._kept) if self._spilled is None else self._spilled

    def _spill(self) -> None:
        n_mels = self._kept[0].shape[1]
        try:
            if self._spilled is None:
                self._spilled = Spilled(_nameless_file(), n_mels)
            for rows in self._kept:
                self._spilled.append(rows)
        except OSError as error:
            folder, n_mb = tempfile.tempdir or "the folder for temporary files", 4 * n_mels * self._n_frames / 1e6
            reason = f"no room for its spectrogram in {folder}: {error.strerror or error} at {n_mb:.0f} MB"
            raise UnreadableError(f"{reason}; free some, or set TMPDIR to another folder") from error
        self._kept.clear()


def _nameless_file() -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def send(connection: Connection, log_mel: LogMel) -> None:
    """Hand a log-mel to the process at the other end: the array, or the open file."""
    if not isinstance(log_mel, Spilled):
        connection.send(log_mel)
        return
    connection.send((log_mel.n_mels, log_mel.n_frames))
    reduction.send_handle(connection, log_mel.fd, os.getppid())


def receive(connection: Connection) -> LogMel:
    """Take what `send` sent.

    Raises
    ------
    EOFError, OSError
        If the other process is gone.
    """
    received = connection.recv()
    if isinstance(received, np.ndarray):
        return received
    n_mels, n_frames = received
    return Spilled(reduction.recv_handle(connection), n_mels, n_frames)
