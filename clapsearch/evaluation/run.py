"""From a manifest to figures: what ``clapsearch eval`` does."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation import choices, supervised
from clapsearch.evaluation.choices import Choice
from clapsearch.evaluation.clips import Clip, Manifest, select
from clapsearch.evaluation.collection import Collection, collect
from clapsearch.evaluation.evaluation import Evaluation, evaluate
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.minus import Minus, minus
from clapsearch.evaluation.prompts import SOUND_OF, check_templates
from clapsearch.evaluation.renaming import renamed
from clapsearch.evaluation.split import without
from clapsearch.mel import FrontEnd
from clapsearch.present import plural, printable
from clapsearch.settings import Settings
from indexer.report import Progress

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Request:
    """What to measure, and on what.

    Attributes
    ----------
    manifest : Path
        See `manifest.read_manifest`.
    audio : Path or None
        The folder that its paths start from.
    where : mapping
        Column to the values to choose clips by.
    templates : sequence of str
        Prompts of the zero-shot classification.
    is_strict : bool
        Refuse to measure if a sound is missing or fails.
    work : Path or None
        A folder that keeps the embeddings for the next run.
    n_workers : int
        Decode processes.
    """

    manifest: Path
    audio: Path | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    templates: Sequence[str] = (SOUND_OF,)
    is_strict: bool = False
    work: Path | None = None
    n_workers: int = 2


class Bench:
    """The clips of one request; embedded when they are first asked for, in a library that goes with it.

    Parameters
    ----------
    settings : Settings
        Whose checkpoint to measure.
    request : Request
    on_progress : callable

    Raises
    ------
    ClapsearchError
        If the manifest cannot be read, or `is_strict` and a sound is missing.
    UsageError
        If it holds nothing to measure, or no clip is chosen.
    """

    def __init__(self, settings: Settings, request: Request, on_progress: OnProgress = lambda progress: None) -> None:
        check_templates(request.templates)
        self.manifest: Manifest = read_manifest(request.manifest, request.audio)
        self.clips = select(self.manifest.clips, request.where)
        self._settings, self._request, self._on_progress = settings, request, on_progress
        self._missing = [clip.path for clip in self.clips if not self.manifest.file(clip).is_file()]
        self._refuse("missing", self._missing)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        work = self._request.work
        self._work = work or Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="clapsearch-eval-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def evaluate(self, *, probe: bool = False, picture: Path | None = None) -> Evaluation:
        """Measure retrieval, zero-shot classification and, if asked, the linear probe."""
        if probe:
            supervised.check(picture)  # before the work
        with self.collect(self.clips) as collection:
            found = evaluate(collection, self._request.templates)
            found = replace(found, notes=[*self.manifest.notes, *found.notes])
            return self._probe(found, collection, picture) if probe else found

    def choices(self, names: Sequence[str]) -> Iterator[Choice | Minus]:
        """Measure each choice in turn."""
        by_name: dict[str, Callable[[Collection], Choice | Minus]] = {
            "hop": choices.hop,
            "treatment": choices.treatment,
            "prompt": choices.prompt,
            "int16": self._int16,
            "mode": lambda collection: choices.mode(collection, self._renamed),
            "minus": self._minus,
            "mix": choices.mixed,
        }
        for name in names:
            with self.collect(self.clips, _finer if name == "hop" else _as_it_is) as collection:
                yield by_name[name](collection)

    def _int16(self, collection: Collection) -> Choice:
        with self.collect(self.clips, _unrounded) as unrounded:
            return choices.int16(collection, unrounded)

    def _minus(self, collection: Collection) -> Minus:
        with self._renamed(collection, 0.0) as alone:
            return minus(alone)

    def _renamed(self, collection: Collection, share: float) -> contextlib.AbstractContextManager[Collection]:
        return renamed(collection, share, work=self._work, n_workers=self._request.n_workers)

    @contextlib.contextmanager
    def collect(
        self, clips: Sequence[Clip], adapt: Callable[[FrontEnd], FrontEnd] = lambda front_end: front_end
    ) -> Iterator[Collection]:
        """Embed clips; see `collection.collect`."""
        with collect(
            self.manifest,
            clips,
            self._settings,
            self._work,
            adapt=adapt,
            n_workers=self._request.n_workers,
            on_progress=self._on_progress,
        ) as collection:
            self._refuse("failed", [path for path, _ in collection.failed])
            yield collection

    def _refuse(self, what: str, paths: Sequence[str]) -> None:
        if self._request.is_strict and paths:
            raise ClapsearchError(
                f"{plural(len(paths), 'sound')} {what}, the first is {printable(paths[0])}; "
                "without --strict the others are measured"
            )

    def _probe(self, found: Evaluation, collection: Collection, picture: Path | None) -> Evaluation:
        """Add the linear probe: trained on what --split or --fold leave out, else by cross-validation."""
        labelled = supervised.labelled(collection)
        training = self._training_clips(labelled.clips)
        if not training:
            return supervised.by_folds(found, labelled, picture)
        with self.collect(training) as other:
            return supervised.by_training(found, labelled, supervised.labelled(other), picture)

    def _training_clips(self, held: Sequence[Clip]) -> list[Clip]:
        """Return the clips that only --split or --fold leave out, without takes of what is tested."""
        where = self._request.where
        others = {column: values for column, values in where.items() if column not in {"split", "fold"}}
        if others == dict(where):
            return []
        training = without(select(self.manifest.clips, others), held)
        if not training:
            raise UsageError("--probe has no sounds to learn from: --split and --fold leave none out")
        return training


def _as_it_is(front_end: FrontEnd) -> FrontEnd:
    return front_end


def _finer(front_end: FrontEnd) -> FrontEnd:
    return replace(front_end, max_moment_hop_s=choices.HOPS_S[0])


def _unrounded(front_end: FrontEnd) -> FrontEnd:
    return replace(front_end, int16=False)
