"""The verb ``index``: run the pipeline, draw its progress, print its report."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.cli.progress import progress_bar
from clapsearch.cli.stop import CANCELLED, say_saving, stop_signals
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from indexer.report import Report


def index(
    folders: options.Folders = None,
    checkpoint: options.Checkpoint = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    batch_size: options.BatchSize = None,
    exclude: options.Exclude = None,
    video: options.Video = None,
    full: Annotated[bool, typer.Option("--full", help="Embed everything again.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files that failed again, though they did not change.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="First drop what is damaged in the library, and make it anew.")
    ] = False,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Read the metadata of all sounds again, without embedding.")
    ] = False,
    strict: options.Strict = False,
    library: options.Library = None,
    offline: options.Offline = False,
) -> None:
    """Index folders, or bring all known ones up to date."""
    settings = resolve(library=library, checkpoint=checkpoint, device=device, offline=offline)
    with api.Session(settings) as session, progress_bar() as on_progress, stop_signals(say_saving) as stop:
        report = session.index(
            folders or (),
            exclude=options.globs(exclude),
            video=video,
            full=full,
            repair=repair,
            retry_failed=retry_failed,
            metadata=metadata,
            workers=workers,
            batch_size=batch_size,
            on_progress=on_progress,
            should_stop=stop.is_set,
        )
    _end(report, strict)


def reembed(
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="ID|FOLDER|mini",
            help="The CLAP weights to change to. [env: CLAPSEARCH_CHECKPOINT; default: the library's own]",
        ),
    ] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    batch_size: options.BatchSize = None,
    strict: options.Strict = False,
    library: options.Library = None,
    offline: options.Offline = False,
) -> None:
    """Embed every known sound again.

    With --checkpoint, by another one: searches go on with the old vectors until every sound has new ones, and an
    interrupted change goes on when the same command is run again.
    """
    settings = resolve(library=library, checkpoint=checkpoint, device=device, offline=offline)
    with api.Session(settings) as session, progress_bar() as on_progress, stop_signals(say_saving) as stop:
        report = session.index(
            full=True, workers=workers, batch_size=batch_size, on_progress=on_progress, should_stop=stop.is_set
        )
    _end(report, strict)


def _end(report: "Report", strict: bool) -> None:
    _show(report)
    if report.cancelled:
        raise typer.Exit(CANCELLED)
    if strict and (report.failed or report.still_failed):
        raise typer.Exit(1)


def _show(report: "Report") -> None:
    from clapsearch.present import plural, printable

    for path, reason in report.failed:
        typer.echo(f"skipping {printable(path)}: {printable(reason)}", err=True)
    for path in report.offline:
        typer.echo(f"offline: {printable(path)} is not there or empty; its sounds are kept", err=True)
    for before, after in report.relocated:
        paths = " ".join(shlex.quote(printable(path)) for path in (before, after))
        typer.echo(f"it seems to have moved; if so: clapsearch relocate {paths}", err=True)
    counts = {
        name: getattr(report, name) for name in ("indexed", "recognised", "moved", "returned", "unchanged", "missing")
    }
    counts |= {"failed": len(report.failed), "still failed": report.still_failed}
    counts |= {"metadata read again": report.metadata}
    always = {"indexed", "unchanged", "failed"}
    typer.echo(", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name in always))
    if not any(counts.values()) and not report.offline and not report.cancelled:
        kinds = "wav, aiff, flac, ogg, opus, mp3, m4a and others; videos with --video"
        typer.echo(f"clapsearch: no sound files there ({kinds})", err=True)
    if report.indexed:
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items())
        typer.echo(f"{report.audio_s / 3600:.2f} hours of sound in {report.wall_s:.1f} s: {stages}")
        typer.echo(
            f"decode is summed over {plural(report.n_workers, 'worker')}; the bottleneck was {report.bottleneck}"
        )
    if report.left_behind:
        typer.echo(
            f"clapsearch: {plural(report.left_behind, 'sound')} could not be embedded with the new checkpoint yet, so "
            "searches still use the old one; bring the offline folders back and run the same command again",
            err=True,
        )
    if report.cancelled:
        typer.echo("clapsearch: stopped early; run the same command again to go on", err=True)
