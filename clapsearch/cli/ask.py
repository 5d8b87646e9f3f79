"""The three questions: search, similar, describe."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.errors import UsageError
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.search import Hit


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help='What it sounds like: "rain on a tin roof".')],
    top: options.Top = 10,
    as_json: options.AsJson = False,
    as_paths: options.AsPaths = False,
    null: options.Null = False,
    include_offline: options.IncludeOffline = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Find sounds by words."""
    _check_form(as_json, as_paths or null)
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        hits = session.search(query, top_k=top, include_offline=include_offline)
        _show_hits(hits, as_json, as_paths, null)
        _explain(hits, [] if include_offline else session.offline())


def similar(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    top: options.Top = 10,
    as_json: options.AsJson = False,
    as_paths: options.AsPaths = False,
    null: options.Null = False,
    include_offline: options.IncludeOffline = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Find sounds that sound like a file."""
    _check_form(as_json, as_paths or null)
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        hits = session.similar(file, top_k=top, include_offline=include_offline)
        _show_hits(hits, as_json, as_paths, null)
        _explain(hits, [] if include_offline else session.offline())


def describe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="Texts to choose from, one a line. [default: built in]"),
    ] = None,
    top: options.Top = 10,
    as_json: options.AsJson = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Say in words what a file sounds like."""
    from clapsearch import present

    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        found = session.describe(file, labels=labels, top_k=top)
    typer.echo(present.descriptions_json(found) if as_json else present.descriptions_table(found))


def _check_form(as_json: bool, as_paths: bool) -> None:
    if as_json and as_paths:
        raise UsageError("--json and --paths or -0 are two forms of output; choose one")


def _show_hits(hits: "Sequence[Hit]", as_json: bool, as_paths: bool, null: bool) -> None:
    from clapsearch import present

    if as_json:
        typer.echo(present.hits_json(hits))
    elif null:
        _write(present.paths(hits, end=b"\0"))
    elif as_paths and sys.stdout.isatty():
        typer.echo("\n".join(present.printable(hit.path) for hit in hits))
    elif as_paths:
        _write(present.paths(hits))
    elif hits:
        typer.echo(present.hits_table(hits))


def _explain(hits: "Sequence[Hit]", offline: Sequence[bytes]) -> None:
    from clapsearch.present import printable

    for root in offline:
        name = printable(root)
        typer.echo(f"clapsearch: {name} is offline; --include-offline shows its sounds too", err=True)
    if not hits and not offline:
        typer.echo("clapsearch: no sounds in the library yet; add some: clapsearch index FOLDER", err=True)


def _write(raw: bytes) -> None:
    """Write bytes as they are: names need not be valid text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
