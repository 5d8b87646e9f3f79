"""The verb ``index``: run the pipeline, draw its progress, print its report."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from indexer.report import Progress, Report

CANCELLED = 130


def index(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Folders of sounds; without any, all known ones.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="ID|FOLDER|mini",
            help="The CLAP weights of a new library, or, with --full, the ones to change to. "
            "[env: CLAPSEARCH_CHECKPOINT; default: laion/clap-htsat-fused]",
        ),
    ] = None,
    device: options.Device = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Decode processes. [default: half the cores]")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, metavar="N", help="Windows in one forward pass. [default: 1 on a CPU]"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Names or paths to leave out from now on; replaces earlier ones, '' for none.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Embed everything again.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files that failed again, though they did not change.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a file failed, now or before.")] = False,
    library: options.Library = None,
    offline: options.Offline = False,
) -> None:
    """Index folders, or bring all known ones up to date."""
    settings = resolve(library=library, checkpoint=checkpoint, device=device, offline=offline)
    globs = [glob for glob in exclude if glob] if exclude is not None else None
    with api.Session(settings) as session, _progress_bar() as on_progress, _graceful_stop() as should_stop:
        report = session.index(
            folders or (),
            exclude=globs,
            full=full,
            retry_failed=retry_failed,
            workers=workers,
            batch_size=batch_size,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    _show(report)
    if report.cancelled:
        raise typer.Exit(CANCELLED)
    if strict and (report.failed or report.still_failed):
        raise typer.Exit(1)


@contextlib.contextmanager
def _graceful_stop() -> Iterator[Callable[[], bool]]:
    """Let the first ^C (or SIGTERM) ask the run to end and keep what it finished; the second ends it at once."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        typer.echo("\nclapsearch: saving finished work (press ^C again to stop at once)", err=True)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress_bar() -> "Iterator[Callable[[Progress], None]]":
    """Draw a bar on stderr if that is a terminal; it starts at what is already done."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None

    def draw(progress: "Progress") -> None:
        nonlocal bar
        if progress.total is None:
            if progress.done % 1000 == 0:
                typer.echo(f"\r{progress.done:,} files found", err=True, nl=False)
            return
        if bar is None:
            typer.echo("\r", err=True, nl=False)
            bar = tqdm(total=progress.total, initial=progress.done, unit=" files", dynamic_ncols=True, leave=False)
        bar.set_postfix(failed=progress.failed, refresh=False)
        bar.update(progress.done - bar.n)

    try:
        yield draw
    finally:
        if bar is not None:
            bar.close()


def _show(report: "Report") -> None:
    from clapsearch.present import plural, printable

    for path, reason in report.failed:
        typer.echo(f"skipping {printable(os.fsdecode(path))}: {printable(reason)}", err=True)
    for path in report.offline:
        typer.echo(f"offline: {printable(os.fsdecode(path))} is not there or empty; its sounds are kept", err=True)
    counts = {
        name: getattr(report, name) for name in ("indexed", "recognised", "moved", "returned", "unchanged", "missing")
    }
    counts |= {"failed": len(report.failed), "still failed": report.still_failed}
    always = {"indexed", "unchanged", "failed"}
    typer.echo(", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name in always))
    if not any(counts.values()) and not report.offline:
        typer.echo("clapsearch: no sound files there (wav, aiff, caf, flac, ogg, opus, mp3, w64, rf64)", err=True)
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
