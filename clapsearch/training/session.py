"""One run of training, from a manifest to a checkpoint: what ``clapsearch train`` does."""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation.clips import Clip, Manifest, select
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.split import split_by_group
from clapsearch.mel import FrontEnd
from clapsearch.present import plural, printable
from clapsearch.tokens import MAX_TOKENS
from clapsearch.training import export, features, towers
from clapsearch.training.batches import BatchOptions
from clapsearch.training.criterion import Criterion
from clapsearch.training.loop import History, Step, Trainer
from clapsearch.training.objective import Bank, make_bank
from clapsearch.training.options import TrainingOptions
from clapsearch.training.start import Start
from clapsearch.training.teacher import Teacher
from clapsearch.training.texts import all_texts, clip_texts
from clapsearch.training.tutor import TUTOR_DECAY, TUTOR_MIX, TUTOR_RATE, Panel, Tutor, make_tutor
from clapsearch.training.validation import Validation

Begin = Callable[[Sequence[Clip], Sequence[Clip]], Start]


@dataclass(frozen=True)
class Request:
    """What to train, on what, to where.

    Attributes
    ----------
    manifest : Path
        See `evaluation.manifest.read_manifest`.
    audio : Path or None
        The folder that its paths start from.
    where : mapping
        Column to the values to choose clips by.
    out : Path
        The checkpoint's folder.
    work : Path
        Spectrograms and the run's state; a killed run goes on from there.
    part : str
        One of `towers.PARTS`.
    teacher : Path or None
        See `teacher.Teacher`.
    tutor_steps : int
        Steps of a convolutional network that learns first, and then, with the audio tower as it was if that had learnt
        before, tells it what it hears; 0 for none.
    n_variants : int
        Of each sound: one as it is, the others augmented.
    n_workers : int
        Processes that decode and augment.
    half : bool
        Store float16.
    batches : BatchOptions
    options : TrainingOptions
    """

    manifest: Path
    out: Path
    work: Path
    audio: Path | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    part: str = "all"
    teacher: Path | None = None
    tutor_steps: int = 0
    n_variants: int = 4
    n_workers: int = 2
    half: bool = True
    batches: BatchOptions = field(default_factory=BatchOptions)
    options: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True)
class Trained:
    """What came out of a run that ended: its history and what could not be used.

    Attributes
    ----------
    n_training, n_validation : int
        Sounds.
    failed : list of (path, reason)
    notes : list of str
    """

    history: History
    n_training: int
    n_validation: int
    failed: list[tuple[str, str]]
    notes: list[str]


def train(
    request: Request,
    begin: Begin,
    *,
    on_features: Callable[[int, int], None] = lambda n_done, n_all: None,
    on_tutor: Callable[[Step], None] = lambda step: None,
    on_step: Callable[[Step], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train, and write the checkpoint.

    Parameters
    ----------
    begin : callable
        The clips to learn from and those held out to where the run begins.

    Raises
    ------
    StoppedError
        If `should_stop` ended it: then there is no checkpoint yet, and the next run goes on.
    ClapsearchError
        If a place cannot be written, nothing can be decoded, or the loss is no number any more.
    UsageError
        If there is too little to train on.
    """
    check_installed(request)
    manifest = read_manifest(request.manifest, request.audio)
    training, held = _sides(manifest, request.where)
    start = begin(training, held)
    model = towers.choose_trained(start.model, request.part).to(request.options.device)
    is_frozen = towers.has_frozen_text(model)
    if request.teacher and not is_frozen:
        raise UsageError(f"--teacher needs texts that stay where they are; give --train audio, not {request.part}")
    if request.tutor_steps and not is_frozen:
        raise UsageError(f"--tutor needs texts that stay where they are; give --train audio, not {request.part}")
    export.check_room(request.out, model, half=request.half)
    heard = _features(manifest, training, start.front_end, request, request.n_variants, on_features, should_stop)
    if start.is_new:
        towers.normalise_input(start.model, (heard.log_mel(i, 0) for i in range(len(heard))))
    validation = _validation(manifest, held, start, request, on_features, should_stop)
    bank = _bank(heard.clips, start, request.teacher) if is_frozen else None
    lessons = _Lessons(heard, bank, validation, start, request, should_stop)
    tutor = lessons.tutor(on_tutor) if bank and request.tutor_steps else None
    told_by = Panel(tutor, model) if tutor and not start.is_new else tutor
    history = lessons.teach(model, request.options, "state.pt", on_step, told_by)
    trained = Trained(
        history=history,
        n_training=len(heard),
        n_validation=len(validation) if validation else 0,
        failed=heard.failed + (validation.failed if validation else []),
        notes=[*manifest.notes, *_long_texts(training, start)],
    )
    card = _card(request, start, trained, heard.clips)
    export.export(towers.merged(model), start.folder, request.out, card, half=request.half)
    return trained


@dataclass(frozen=True)
class _Lessons:
    """What the models of one run learn from."""

    heard: features.Features
    bank: Bank | None
    validation: Validation | None
    start: Start
    request: Request
    should_stop: Callable[[], bool]

    def teach(
        self,
        model: Any,
        options: TrainingOptions,
        state: str,
        on_step: Callable[[Step], None],
        tutor: Tutor | Panel | None = None,
        *,
        p_mix: float | None = None,
    ) -> History:
        """Train a model as it hears, and leave its best weights in it."""
        batches = self.request.batches if p_mix is None else replace(self.request.batches, p_mix=p_mix)
        criterion = Criterion(
            model,
            self.heard,
            replace(batches, batch_size=options.batch_size, seed=options.seed),
            bank=self.bank,
            tokenizer=self.start.tokenizer,
            n_accumulate=options.n_accumulate,
            device=options.device,
            half=options.half,
            tutor=tutor,
        )
        validation = self.validation
        score = (lambda: validation.recall(model)) if validation and validation.is_possible else None
        identity = _identity(replace(self.request, options=options), self.heard, self.start)
        trainer = Trainer(model, criterion, score, options, self.request.work / state, identity=identity)
        trainer.run(on_step, self.should_stop)
        return trainer.history

    def tutor(self, on_step: Callable[[Step], None]) -> Tutor:
        """Teach a convolutional network."""
        options = replace(
            self.request.options,
            n_steps=self.request.tutor_steps,
            learning_rate=TUTOR_RATE,
            weight_decay=TUTOR_DECAY,
            patience=self.request.tutor_steps,
        )
        tutor = make_tutor(self.heard, self.start.model.config.projection_dim, options.seed).to(options.device)
        self.teach(tutor, options, "tutor.pt", on_step, p_mix=TUTOR_MIX)
        return tutor


def check_installed(request: Request) -> None:
    """Find out before the work whether the libraries that it needs are there.

    Raises
    ------
    ClapsearchError
    """
    needed = (["librosa"] if request.n_variants > 1 else []) + (["peft"] if request.part == "lora" else [])
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        raise ClapsearchError(f"training needs {' and '.join(absent)}; pip install 'clapsearch[train]'")


def _sides(manifest: Manifest, where: Mapping[str, Sequence[str]]) -> tuple[list[Clip], list[Clip]]:
    """Return the clips to learn from and to validate on: those that say something, no recording on both sides."""
    said = [clip for clip in select(manifest.clips, where) if clip_texts(clip)]
    if not said:
        raise UsageError("no sound has a caption or label that is not empty")
    training, held = split_by_group(said)
    if len(training) < 2 or len(all_texts(training)) < 2:
        raise UsageError(
            f"{plural(len(training), 'sound')} with {plural(len(all_texts(training)), 'text')} to learn from, "
            f"{len(held)} held out; training takes at least 2 sounds that are called differently"
        )
    return training, held


def _long_texts(clips: Sequence[Clip], start: Start) -> list[str]:
    n_long = sum(1 for text in all_texts(clips) if start.n_tokens(text) > MAX_TOKENS)
    return [f"{plural(n_long, 'text')} of more than {MAX_TOKENS} tokens: the rest is ignored"] if n_long else []


def _features(
    manifest: Manifest,
    clips: Sequence[Clip],
    front_end: FrontEnd,
    request: Request,
    n_variants: int,
    on_features: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> features.Features:
    return features.build(
        clips,
        [manifest.file(clip) for clip in clips],
        front_end,
        request.work / "features",
        n_variants=n_variants,
        seed=request.options.seed,
        n_workers=request.n_workers,
        on_progress=on_features,
        should_stop=should_stop,
    )


def _validation(
    manifest: Manifest,
    held: Sequence[Clip],
    start: Start,
    request: Request,
    on_features: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Validation | None:
    if not held:
        return None
    heard = _features(manifest, held, start.front_end, request, 1, on_features, should_stop)
    return Validation(heard, start.embed, request.options.device)


def _bank(clips: Sequence[Clip], start: Start, teacher: Path | None) -> Bank:
    """Collect the texts of the training set, the classes of a teacher, and what else the start has as candidates."""
    opinions = None
    texts = all_texts(clips)
    if teacher is not None:
        heard = Teacher(teacher)
        texts = sorted({*texts, *heard.classes})
        column = {text: i for i, text in enumerate(texts)}
        opinions = np.zeros((len(clips), len(texts)), np.float32)
        opinions[:, [column[name] for name in heard.classes]] = heard.opinions(clips)
    vectors = start.embed([*texts, *sorted({*start.candidates} - {*texts})])
    return make_bank([clip_texts(clip) for clip in clips], texts, vectors, opinions)


def _identity(request: Request, heard: features.Features, start: Start) -> str:
    """Name all that decides the run, so that a state of another run is not taken for it."""
    decides = {
        "options": asdict(request.options),
        "batches": asdict(request.batches),
        "part": request.part,
        "teacher": str(request.teacher),
        "tutor_steps": request.tutor_steps,
        "start": start.identity,
        "clips": [[clip.path, *clip_texts(clip)] for clip in heard.clips],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _card(request: Request, start: Start, trained: Trained, clips: Sequence[Clip]) -> str:
    licences = sorted({clip.columns["licence"] for clip in clips if "licence" in clip.columns})
    recalls = trained.history.scores
    data = {
        "manifest": request.manifest.name,
        "sounds": trained.n_training,
        "held out for validation": trained.n_validation,
        "licences of the sounds": ", ".join(licences) or "not given in the manifest",
        "begun from": start.name,
    }
    figures = {
        "steps": len(trained.history.losses),
        "last loss": round(float(np.mean(trained.history.losses[-100:])), 4),
        "validation recall@10, best": round(max(recall for _, recall in recalls), 4) if recalls else "none",
    }
    settings: dict[str, Any] = {
        "trained": request.part,
        "variants": request.n_variants,
        "tutor_steps": request.tutor_steps,
    }
    settings |= asdict(request.options) | {"p_mix": request.batches.p_mix, "p_fused": request.batches.p_fused}
    settings |= {"torch": torch.__version__}
    return export.model_card(
        printable(request.out.name), settings, data, figures, [*start.attributions, *_credits(clips)]
    )


def _credits(clips: Sequence[Clip]) -> list[str]:
    """Name author, origin and licence of the sounds, but where the licence asks for nothing."""
    asking = [clip.columns for clip in clips if not clip.columns.get("licence", "").startswith(("CC0", "PD"))]
    named = [[columns[name] for name in ("author", "origin", "licence") if name in columns] for columns in asking]
    return sorted({", ".join(names) for names in named if names})
