"""Which checkpoint answers: the library's own, or, while there is none, the user's choice."""

import functools
import os
from collections.abc import Callable

from clapsearch.allocator import keep_freed_memory
from clapsearch.embedder import (
    Checkpoint,
    DeferredEmbedder,
    Embedder,
    TextEmbedder,
    check_same_space,
    check_text_tower,
)
from clapsearch.errors import CheckpointError
from clapsearch.mel import FrontEnd
from clapsearch.settings import DEFAULT_CHECKPOINT, Settings
from clapsearch.text_cache import RememberedTexts
from clapsearch.text_tower import open_text_tower
from clapsearch.weights import CheckpointFolder, identity, locate, weights_hash


def let_threads_sleep() -> None:
    """Make torch's waiting threads sleep; call it before torch is imported.

    Decode workers and other programs share the cores. Spinning, the threads cost a seventh less time on an idle machine
    and five times more on a busy one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def embedder_for_questions(settings: Settings, active: Checkpoint | None) -> DeferredEmbedder:
    """Return the embedder of a library, or the chosen one where there is no library (`active` is None)."""
    if active is None:
        return _deferred(_locate_choice(settings), settings)
    return _deferred(locate(active.name, revision=active.revision, offline=settings.offline), settings, active)


def embedder_for_measuring(settings: Settings, adapt: Callable[[FrontEnd], FrontEnd]) -> DeferredEmbedder:
    """Return the chosen checkpoint's embedder, perhaps with another front end than users get, to see what that does.

    A text tower that `embedder_for_index` would refuse is measured, too. Texts are thousands here: the model's.
    """
    folder = _locate_choice(settings)
    front_end = adapt(FrontEnd.from_config(folder.extractor_config()))
    return DeferredEmbedder(front_end, lambda: _model(folder, settings, front_end))


def embedder_for_index(
    settings: Settings, active: Checkpoint | None, *, full: bool, batch_size: int | None
) -> DeferredEmbedder:
    """Return the embedder to index with; only a new library or a full run may take another than the library's.

    Raises
    ------
    CheckpointError
        If the user asks for another one; the message has the command that changes it.
    """
    if active is None:
        return _deferred(_locate_choice(settings), settings, batch_size=batch_size, is_new=True)
    if settings.checkpoint is None or settings.checkpoint == active.name:
        own = locate(active.name, revision=active.revision, offline=settings.offline)
        return _deferred(own, settings, None if full else active, batch_size=batch_size)
    chosen = _locate_choice(settings)
    if not full and weights_hash(chosen) != active.weights_hash:
        raise CheckpointError(
            f"the library {settings.library} was made with checkpoint {active.name}, not {chosen.name}; "
            f"to embed everything again: clapsearch reembed --checkpoint {chosen.name}"
        )
    return _deferred(chosen, settings, None if full else active, batch_size=batch_size, is_new=full)


def _locate_choice(settings: Settings) -> CheckpointFolder:
    return locate(settings.checkpoint or DEFAULT_CHECKPOINT, offline=settings.offline)


def _deferred(
    folder: CheckpointFolder,
    settings: Settings,
    library: Checkpoint | None = None,
    *,
    batch_size: int | None = None,
    is_new: bool = False,
) -> DeferredEmbedder:
    """Return an embedder that answers texts without the model where it can: `text_tower`."""
    front_end = FrontEnd.from_config(folder.extractor_config())

    @functools.cache
    def model() -> Embedder:
        return _model(folder, settings, front_end, batch_size)

    def load_texts() -> TextEmbedder:
        own = identity(folder, front_end, backend="numpy", precision="float32")
        texts = RememberedTexts(folder, own, lambda: open_text_tower(folder, front_end) or model())
        if library is not None:
            check_same_space(texts, library)
        return texts

    def load() -> Embedder:
        if is_new:
            check_text_tower(load_texts())
        embedder = model()
        if library is not None:
            check_same_space(embedder, library)
        return embedder

    return DeferredEmbedder(front_end, load, load_texts)


def _model(
    folder: CheckpointFolder, settings: Settings, front_end: FrontEnd, batch_size: int | None = None
) -> Embedder:
    let_threads_sleep()
    keep_freed_memory()
    from clapsearch.clap import ClapEmbedder

    return ClapEmbedder(folder, device=settings.device, batch_size=batch_size, front_end=front_end)
