"""Safetensors files, mapped into memory: of what is not looked at, no byte is read."""

import json
import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
# numpy has no bfloat16: its bits are the upper half of a float32's.
_KINDS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Tensors:
    """The floating-point tensors of a checkpoint, by name.

    float32 is looked at where it is in the file; half precision is converted when it is first asked for, and kept.

    Parameters
    ----------
    paths : iterable of Path
        Its safetensors files.

    Raises
    ------
    OSError
        If one cannot be read.
    ValueError
        If one is no safetensors file, or not whole.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._stored: dict[str, npt.NDArray[Any]] = {}
        self._converted: dict[str, Array] = {}
        for path in paths:
            self._stored |= _mapped(path)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor; None if it is not there, or holds no floating-point numbers."""
        stored = self._stored.get(name)
        return None if stored is None else stored.shape

    def __getitem__(self, name: str) -> Array:
        stored = self._stored[name]
        if stored.dtype == np.float32:
            return stored
        if name not in self._converted:
            self._converted[name] = _float32(stored)
        return self._converted[name]

    def rows(self, name: str, numbers: npt.NDArray[np.int64]) -> Array:
        """Return some rows of a matrix, shape (*numbers.shape, width); the others are not read."""
        return _float32(self._stored[name][numbers])


def _mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return views into a file: eight bytes with the length of the header, the header (JSON), the numbers."""
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header = json.loads(content[8 : 8 + n_header])
    numbers = np.frombuffer(content, np.uint8, offset=8 + n_header)
    try:
        header.pop("__metadata__", None)
        if len(numbers) != max(entry["data_offsets"][1] for entry in header.values()):
            raise ValueError(f"{path} is not whole")
        return {name: _view(numbers, entry) for name, entry in header.items() if entry["dtype"] in _KINDS}
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path} has a damaged header") from error


def _view(numbers: npt.NDArray[np.uint8], entry: dict[str, Any]) -> npt.NDArray[Any]:
    start, end = entry["data_offsets"]
    return numbers[start:end].view(_KINDS[entry["dtype"]]).reshape(entry["shape"])


def _float32(stored: npt.NDArray[Any]) -> Array:
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)
