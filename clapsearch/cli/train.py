"""The verb ``train``."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.cli.stop import say_saving, stop_signals
from clapsearch.errors import UsageError
from clapsearch.settings import Settings, resolve

if TYPE_CHECKING:
    from clapsearch.training.loop import Step
    from clapsearch.training.session import Begin, Request, Trained

MAX_LINES = 20
FINE_TUNING, ANEW = 1e-4, 8e-4  # learning rates


def train(
    manifest: Annotated[
        Path,
        typer.Argument(metavar="MANIFEST", help="A csv or jsonl file (path, caption, label), or a known data set."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the checkpoint goes; a new folder.")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="ID|FOLDER|mini", help="The checkpoint to begin from.")
    ] = None,
    new: Annotated[
        str | None,
        typer.Option(
            "--new",
            metavar="SIZE",
            help="Begin from nothing: mini or small, texts by a sentence encoder; --from: its audio tower goes on.",
        ),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", metavar="FILE", help="With --new: more texts to learn, one a line.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="DIR", help="Where paths start. [default: beside the manifest]")
    ] = None,
    where: options.Where = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--train",
            metavar="PART",
            help="all; audio, the texts stay; heads, the projections; or lora. [default: all; audio with --new]",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            "--teacher",
            metavar="FILE",
            help="An npz of class posteriors (paths, classes, mean, max); with --train audio.",
        ),
    ] = None,
    tutor: Annotated[
        int,
        typer.Option(
            "--tutor",
            min=0,
            metavar="N",
            help="First teach a convolutional network for N steps, then let it teach the audio tower.",
        ),
    ] = 0,
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Optimiser steps, at most.")] = 2_000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, metavar="N", help="Sounds in a forward pass.")] = 24,
    accumulate: Annotated[int, typer.Option("--accumulate", min=1, metavar="N", help="Forward passes in a step.")] = 1,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            min=0,
            metavar="X",
            help=f"At its highest. [default: {FINE_TUNING:g}; {ANEW:g} with --new]",
        ),
    ] = None,
    variants: Annotated[
        int, typer.Option("--variants", min=1, metavar="N", help="Of each sound: one as it is, the others augmented.")
    ] = 4,
    mix: Annotated[
        float, typer.Option("--mix", min=0, max=1, metavar="P", help="Share of sounds mixed with another.")
    ] = 0.3,
    validate_every: Annotated[
        int,
        typer.Option("--validate-every", min=1, metavar="N", help="Steps between two looks at the held-out sounds."),
    ] = 200,
    patience: Annotated[
        int, typer.Option("--patience", min=1, metavar="N", help="Looks without a better recall before it ends.")
    ] = 10,
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Spectrograms and state, to go on from. [default: FOLDER-work]"),
    ] = None,
    full_precision: Annotated[bool, typer.Option("--full-precision", help="Compute and store in float32.")] = False,
    device: options.Device = "auto",
    workers: options.Workers = None,
    offline: options.Offline = False,
) -> None:
    """Train or fine-tune a checkpoint on captioned sounds.

    Sounds of the splits dev, val and test, or 15 % of all recordings, are held out: they choose the best weights.
    ^C keeps the state, and the same command goes on from it. The result opens with `clapsearch index --checkpoint`.
    """
    from clapsearch.choice import let_threads_sleep

    let_threads_sleep()
    from clapsearch.clap import choose_device
    from clapsearch.training import session
    from clapsearch.training.batches import BatchOptions
    from clapsearch.training.options import TrainingOptions

    settings = resolve(checkpoint=start, device=device, offline=offline)
    request = session.Request(
        manifest=manifest,
        audio=audio,
        where=options.columns(where),
        out=out,
        work=work or out.with_name(f"{out.name}-work"),
        part=part or ("audio" if new else "all"),
        teacher=teacher,
        tutor_steps=tutor,
        n_variants=variants,
        n_workers=api.n_workers(workers),
        half=not full_precision,
        batches=BatchOptions(p_mix=mix),
        options=TrainingOptions(
            n_steps=steps,
            batch_size=batch_size,
            n_accumulate=accumulate,
            learning_rate=learning_rate or (ANEW if new else FINE_TUNING),
            validate_every=validate_every,
            patience=patience,
            seed=seed,
            device=choose_device(settings.device),
            half=not full_precision,
        ),
    )
    with _progress(steps) as (on_features, on_step), stop_signals(say_saving) as stop:
        begin = _begin(request, start, new, texts, settings, stop.is_set)
        found = session.train(
            request, begin, on_features=on_features, on_tutor=_say_tutor, on_step=on_step, should_stop=stop.is_set
        )
    _show(found, out)


def _begin(
    request: "Request",
    start: str | None,
    new: str | None,
    texts: Path | None,
    settings: "Settings",
    should_stop: "Callable[[], bool]",
) -> "Begin":
    """Return what makes the model once the texts to learn are known."""
    from clapsearch.training.new import TextRecipe, begin_new
    from clapsearch.training.start import from_checkpoint
    from clapsearch.training.teacher import Teacher
    from clapsearch.vocabulary import read_labels
    from clapsearch.weights import locate

    if start is None and new is None:
        raise UsageError("give --from CHECKPOINT or --new SIZE")
    folder = locate(start, offline=settings.offline) if start else None
    if new is None and folder is not None:
        return lambda training, held: from_checkpoint(folder)
    more = (Teacher(request.teacher).classes if request.teacher else []) + (read_labels(texts) if texts else [])
    size = new or ""
    return lambda training, held: begin_new(
        size,
        training,
        held,
        request.work,
        recipe=TextRecipe(),
        more_texts=more,
        audio_from=folder.path if folder else None,
        on_text=_say_text,
        should_stop=should_stop,
    )


def _say_text(step: "Step") -> None:
    if step.score is not None:
        cosine = f"cosine to the sentence encoder {step.score:.3f}"
        typer.echo(f"text tower, step {step.number:,}: loss {step.loss:.3f}, {cosine}", err=True)


def _say_tutor(step: "Step") -> None:
    if step.score is not None:
        line = f"tutor, step {step.number:,}: loss {step.loss:.3f}, validation recall@10 {step.score:.3f}"
        typer.echo(line, err=True)


@contextlib.contextmanager
def _progress(n_steps: int) -> "Iterator[tuple[Callable[[int, int], None], Callable[[Step], None]]]":
    """Draw bars on stderr if that is a terminal; say every validation in any case."""
    from tqdm import tqdm

    is_shown = sys.stderr.isatty()
    bars: dict[str, tqdm[Any]] = {}

    def bar(name: str, total: int) -> "tqdm[Any]":
        if name not in bars:
            bars[name] = tqdm(total=total, desc=name, dynamic_ncols=True, leave=False, disable=not is_shown)
        return bars[name]

    def on_features(n_done: int, n_all: int) -> None:
        shown = bar(f"spectrograms of {n_all:,}", n_all)
        shown.update(n_done - shown.n)

    def on_step(step: "Step") -> None:
        shown = bar("steps", n_steps)
        shown.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
        shown.update(step.number - shown.n)
        if step.score is not None:
            shown.clear()
            typer.echo(f"step {step.number:,}: loss {step.loss:.3f}, validation recall@10 {step.score:.3f}", err=True)

    try:
        yield on_features, on_step
    finally:
        for each in bars.values():
            each.close()


def _show(found: "Trained", out: Path) -> None:
    from clapsearch.present import plural, printable

    for path, reason in found.failed[:MAX_LINES]:
        typer.echo(f"skipping {printable(path)}: {printable(reason)}", err=True)
    if len(found.failed) > MAX_LINES:
        typer.echo(f"and {len(found.failed) - MAX_LINES:,} more", err=True)
    for note in found.notes:
        typer.echo(f"clapsearch: {note}", err=True)
    sides = f"{plural(found.n_training, 'sound')}, {found.n_validation:,} held out"
    best = max((recall for _, recall in found.history.scores), default=None)
    typer.echo(f"{len(found.history.losses):,} steps on {sides}" + (f", best recall@10 {best:.3f}" if best else ""))
    typer.echo(f"{printable(out)}: use it with clapsearch index FOLDER --checkpoint {printable(out)}")
