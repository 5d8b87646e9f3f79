"""A figure of matplotlib to a file: what has to be there, and a file that is whole or not there."""

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.present import printable

SUFFIXES = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Find out before the work whether a picture could be drawn.

    Raises
    ------
    UsageError
        If the name does not end in one of `SUFFIXES`.
    ClapsearchError
        If there is no such folder, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot draw {printable(path)}: the name of a picture ends in {' or '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise ClapsearchError(f"cannot write {printable(path)}: no such folder; make it first")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ClapsearchError("a picture needs matplotlib; pip install 'clapsearch[eval]'") from error


def save(figure: Any, path: Path) -> None:
    """Write a ``matplotlib.figure.Figure``; it replaces a file of that name as a whole.

    Parameters
    ----------
    path : Path
        Its suffix, one of `SUFFIXES`, says what it is.

    Raises
    ------
    ClapsearchError
        If the file cannot be written.
    """
    drawn = io.BytesIO()
    with warnings.catch_warnings():  # of letters that the font lacks: they are drawn as boxes
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(drawn, format=path.suffix[1:].lower(), bbox_inches="tight")
    draft = path.with_name(f".{os.getpid()}.draft")
    try:
        draft.write_bytes(drawn.getvalue())
        draft.replace(path)
    except OSError as error:
        raise ClapsearchError(f"cannot write {printable(path)}: {error.strerror}; choose another place") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
