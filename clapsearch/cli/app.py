"""The command tree, and the one place where errors become a line and an exit code."""

import gc
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from clapsearch import __version__
from clapsearch.cli.ask import LANGUAGE, describe, save, saved, search, similar
from clapsearch.cli.demo import demo
from clapsearch.cli.evaluate import evaluate
from clapsearch.cli.index import index, reembed
from clapsearch.cli.info import info
from clapsearch.cli.moments import duplicates, extract, moments
from clapsearch.cli.out import collect, open_, play
from clapsearch.cli.status import status
from clapsearch.cli.train import train
from clapsearch.cli.upkeep import backup, forget, relocate
from clapsearch.cli.verify import verify
from clapsearch.cli.watch import watch
from clapsearch.errors import ClapsearchError, UsageError

app = typer.Typer(
    name="clapsearch",
    help="Find sounds by describing them: index folders of sound effects, then ask in words or by example.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
questions = (search, similar, describe, moments, extract, collect, play, open_, save, saved)
for command in (index, watch, *questions, info, duplicates, status, verify, forget, relocate, reembed, backup):
    app.command(command.__name__.rstrip("_"), help=LANGUAGE if command is search else None)(command)
app.command("eval")(evaluate)
app.command()(train)
app.command()(demo)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"clapsearch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand in {question.__name__.rstrip("_") for question in questions}:
        _answer_at_once()
    logging.basicConfig(format="clapsearch: %(message)s", level=logging.WARNING, stream=sys.stderr, force=True)


def _answer_at_once() -> None:
    """Make ready for a process that lives for one question; call it before numpy is imported."""
    # Products this small gain nothing from more threads, and threads that wait for each other take a busy machine's
    # cores: a question took five times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000)  # what the imports make stays: to look through it for garbage took a tenth of the time


def main() -> None:
    """Run the command line and exit."""
    exit_code = run(sys.argv[1:])
    gc.freeze()  # the system takes back all memory at once; to look for garbage first took a fifth of a search
    sys.exit(exit_code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. typer itself handles usage errors, ^C (130) and closed pipes."""
    try:
        app(args=list(arguments), prog_name="clapsearch")
    except ClapsearchError as error:
        typer.echo(f"clapsearch: {error}", err=True)
        return error.exit_code
    except OSError as error:  # typer handles closed pipes itself
        what = error.filename or "cannot write the results"
        typer.echo(f"clapsearch: {what}: {error.strerror or error}", err=True)
        return ClapsearchError.exit_code
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if code == UsageError.exit_code and any(re.match(r"-[^-].", argument) for argument in arguments[1:]):
            typer.echo('a query that begins with a minus goes after --: clapsearch search -- "-thunder rain"', err=True)
        return code
    return 0
