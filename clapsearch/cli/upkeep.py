"""The verbs that look after a library: forget, relocate, backup."""

import os
from typing import Annotated

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.settings import resolve


def forget(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A known folder, or a folder or file inside one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only count.")] = False,
    library: options.Library = None,
) -> None:
    """Delete sounds from the library.

    Their vectors go too; files are not touched. Nothing else deletes any.
    """
    from clapsearch.present import plural, printable

    with api.Session(resolve(library=library)) as session:
        n_sounds = session.forget(path, dry_run=dry_run)
    typer.echo(f"{'would forget' if dry_run else 'forgot'} {plural(n_sounds, 'sound')}")
    if not dry_run and os.path.lexists(os.path.expanduser(path)):
        typer.echo(
            f"clapsearch: {printable(path)} is still there, and a run that looks there takes it again; --exclude keeps "
            "it out",
            err=True,
        )


def relocate(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Where a known folder was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where it is now.")],
    library: options.Library = None,
) -> None:
    """Say where a folder is now.

    Nothing has to be read again.
    """
    from clapsearch.present import plural

    with api.Session(resolve(library=library)) as session:
        n_sounds = session.relocate(old, new)
    typer.echo(f"relocated {plural(n_sounds, 'sound')}")


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    library: options.Library = None,
) -> None:
    """Copy the library into one file.

    Others may search and write meanwhile. The copy is a library: use it with --library.
    """
    from clapsearch.present import printable, size

    with api.Session(resolve(library=library)) as session:
        n_bytes = session.backup(file, force=force)
    typer.echo(f"backed up to {printable(file)}, {size(n_bytes)}")
