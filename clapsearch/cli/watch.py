"""The verb ``watch``: follow folders, a line for every change; or print the files that make a service of it."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import api
from clapsearch.cli import options, service
from clapsearch.cli.stop import CANCELLED, stop_signals
from clapsearch.errors import UsageError
from clapsearch.settings import RESCAN_S, Settings, resolve

if TYPE_CHECKING:
    from indexer.report import Entry


def watch(
    folders: options.Folders = None,
    checkpoint: options.Checkpoint = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    exclude: options.Exclude = None,
    video: options.Video = None,
    rescan: Annotated[
        float,
        typer.Option(
            "--rescan", min=1.0, metavar="SECONDS", help="Look at everything this often, whatever events say."
        ),
    ] = RESCAN_S,
    poll: Annotated[
        bool, typer.Option("--poll", help="Use no events, as is done on network drives: rescans find the changes.")
    ] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a systemd user unit for this, and exit.")] = False,
    launchd: Annotated[bool, typer.Option("--launchd", help="Print a launchd agent for this, and exit.")] = False,
    library: options.Library = None,
    offline: options.Offline = False,
) -> None:
    """Follow folders and keep the library up to date.

    A line for every change, until it is stopped; searches and other commands may run meanwhile.
    """
    if systemd and launchd:
        raise UsageError("--systemd and --launchd are two forms of one service; choose one")
    settings = resolve(library=library, checkpoint=checkpoint, device=device, offline=offline)
    if systemd or launchd:
        make = service.systemd_unit if systemd else service.launchd_agent
        paths = [str(api.absolute(folder)) for folder in folders or ()]
        choices = [*_choices(settings, workers, options.globs(exclude), video), "--rescan", f"{rescan:g}"]
        typer.echo(make(service.command(["watch", *paths, *choices, *(["--poll"] if poll else [])])), nl=False)
        return
    with api.Session(settings) as session, stop_signals() as stop:
        session.watch(
            folders or (),
            exclude=options.globs(exclude),
            video=video,
            workers=workers,
            rescan_s=rescan,
            rescan_only=poll,
            on_entry=_show_entry,
            say=lambda line: typer.echo(f"{_now()} {line}", err=True),
            should_stop=stop.is_set,
        )
    typer.echo(f"{_now()} stopped", err=True)
    if stop.number == signal.SIGINT:
        raise typer.Exit(CANCELLED)


def _choices(settings: Settings, workers: int | None, globs: Sequence[str] | None, video: bool | None) -> list[str]:
    """Return the flags that make the same choices again, wherever they came from."""
    from clapsearch.weights import BUNDLED

    flags = ["--library", str(settings.library), "--device", settings.device]
    if settings.checkpoint:
        is_folder = settings.checkpoint != BUNDLED and os.path.isdir(settings.checkpoint)
        flags += ["--checkpoint", os.path.abspath(settings.checkpoint) if is_folder else settings.checkpoint]
    flags += ["--offline"] if settings.offline else []
    flags += ["--workers", str(workers)] if workers else []
    for glob in [""] if globs == [] else globs or []:
        flags += ["--exclude", glob]
    return flags if video is None else [*flags, "--video" if video else "--no-video"]


def _show_entry(entry: "Entry") -> None:
    from clapsearch.present import printable

    path, detail = printable(entry.path), printable(entry.detail)
    more = {"moved": f" (from {detail})", "failed": f": {detail}"}.get(entry.kind, "")
    typer.echo(f"{_now()} {entry.kind:<10} {path}{more}")
    sys.stdout.flush()


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
