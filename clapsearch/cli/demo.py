"""The verb ``demo``: the whole product on synthesised sounds, without network, away from the user's library."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import api
from clapsearch.errors import ClapsearchError
from clapsearch.settings import Settings

if TYPE_CHECKING:
    from clapsearch.demo.questions import Question
    from clapsearch.search import Hit

SHOWN = 3
MIN_RIGHT = 9  # fewer, and something is broken


def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Keep sounds, library and manifest there."),
    ] = None,
) -> None:
    """Try it all on synthesised sounds, without network.

    Exits with 1 if fewer than 9 of the 12 questions have a right sound among the first 3.
    """
    with tempfile.TemporaryDirectory(prefix="clapsearch-demo-") as scratch:
        _run((keep or Path(scratch)).absolute())


def _run(folder: Path) -> None:
    from clapsearch.demo.questions import QUESTIONS
    from clapsearch.demo.sounds import SOUNDS, write_manifest, write_sounds
    from clapsearch.weights import BUNDLED

    sounds = folder / "sounds"
    typer.echo(f"synthesising {len(SOUNDS)} sounds ...")
    write_sounds(sounds)
    write_manifest(folder / "manifest.csv", sounds.name)
    kinds = {sounds / sound.name: sound.kind for sound in SOUNDS}  # a kept folder may hold others too
    settings = Settings(library=folder / "library.sqlite3", checkpoint=BUNDLED, offline=True)
    with api.Session(settings) as session:
        report = session.index([sounds])
        typer.echo(f"indexed {report.indexed} sounds, {report.audio_s / 60:.0f} minutes, in {report.wall_s:.1f} s\n")
        n_right = sum(_ask(session, question, sounds, kinds) for question in QUESTIONS)
    typer.echo(f"\n{n_right} of {len(QUESTIONS)} questions have a right sound among the first {SHOWN}.")
    typer.echo("The bundled checkpoint is small; the default one, laion/clap-htsat-fused, hears far more.")
    if n_right < MIN_RIGHT:
        raise ClapsearchError(
            f"only {n_right} are right, at least {MIN_RIGHT} should be; install clapsearch anew, or report it"
        )


def _ask(session: api.Session, question: "Question", sounds: Path, kinds: dict[Path, str]) -> bool:
    """Ask one question and print its answers, right ones marked; returns whether one is right."""
    from clapsearch.present import printable

    hits = session.search(question.text, top_k=SHOWN)
    marks = [kinds.get(hit.path) in question.kinds for hit in hits]
    typer.echo(f'"{question.text}": {"right" if any(marks) else "wrong"}')
    for hit, is_right in zip(hits, marks, strict=True):
        name = printable(hit.path.relative_to(sounds))
        typer.echo(f"  {'*' if is_right else ' '} {hit.score:5.3f}  {name}{_moment(hit)}")
    return any(marks)


def _moment(hit: "Hit") -> str:
    from clapsearch.present import clock

    is_part = (hit.start_s, hit.end_s) != (0.0, hit.duration_s)
    return f"  ({clock(hit.start_s)} to {clock(hit.end_s)})" if is_part else ""
