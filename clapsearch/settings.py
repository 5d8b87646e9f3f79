"""What the user chose: flags first, then the environment, then defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clapsearch.errors import UsageError

DEFAULT_CHECKPOINT = "laion/clap-htsat-fused"
DEVICES = ("auto", "cuda", "mps", "cpu")
# From one look of a watcher at everything to the next.
RESCAN_S = 60.0


@dataclass(frozen=True)
class Settings:
    """Choices that hold for one command or one session.

    Attributes
    ----------
    library : Path
        The library file.
    checkpoint : str or None
        A hub id (``ID`` or ``ID@REVISION``), a folder, or ``mini``; None where the user did not choose.
    device : str
        One of `DEVICES`.
    offline : bool
        Never ask the hub; use only what is on this machine.
    """

    library: Path
    checkpoint: str | None = None
    device: str = "auto"
    offline: bool = False


def resolve(
    *,
    library: Path | None = None,
    checkpoint: str | None = None,
    device: str = "auto",
    offline: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Merge explicit choices with CLAPSEARCH_LIBRARY, CLAPSEARCH_CHECKPOINT and HF_HUB_OFFLINE.

    An empty environment variable counts as not set.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    if device not in DEVICES:
        raise UsageError(f"--device is {device}; it is one of {', '.join(DEVICES)}")
    chosen = library or environ.get("CLAPSEARCH_LIBRARY") or default_library()
    return Settings(
        library=Path(chosen).expanduser().absolute(),
        checkpoint=checkpoint or environ.get("CLAPSEARCH_CHECKPOINT") or None,
        device=device,
        offline=offline or environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true", "yes", "on"},
    )


def default_library() -> Path:
    """Return the library in the user's data folder (``$XDG_DATA_HOME/clapsearch`` on Linux)."""
    import platformdirs

    return Path(platformdirs.user_data_dir("clapsearch", appauthor=False)) / "library.sqlite3"


def cache_folder() -> Path:
    """Return the folder for what can be computed again at any time."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("clapsearch", appauthor=False))
