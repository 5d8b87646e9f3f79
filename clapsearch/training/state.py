"""The state of a run on disk: all that a killed run needs to go on to the same result."""

import os
from pathlib import Path
from typing import Any

import torch

from clapsearch.errors import ClapsearchError
from clapsearch.present import printable


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state under its name only once it is whole.

    Raises
    ------
    ClapsearchError
        If the disk is full or the folder cannot be written.
    """
    draft = path.with_name(f"{path.name}.draft")
    try:
        torch.save(state, draft)
        os.replace(draft, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises its own on a full disk
        draft.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ClapsearchError(
            f"cannot write {printable(path)} ({reason}); free disk space, then train again"
        ) from error


def load_state(path: Path) -> dict[str, Any] | None:
    """Read a state; None if there is none. It is tensors and numbers only: nothing in it can run."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and pickle each raise kinds of their own
        raise ClapsearchError(f"{printable(path)} is damaged; delete it to train from the beginning") from error
    return state
