"""The progress bar of everything that runs the pipeline."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from indexer.report import Progress


@contextlib.contextmanager
def progress_bar() -> "Iterator[Callable[[Progress], None]]":
    """Draw a bar on stderr if that is a terminal; it starts at what is already done."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None

    def draw(progress: "Progress") -> None:
        nonlocal bar
        if progress.doing:
            if bar is not None:
                bar.close()
            typer.echo(f"\r{progress.doing}", err=True)
        elif progress.total is None:
            if progress.done % 1000 == 0:
                typer.echo(f"\r{progress.done:,} files found", err=True, nl=False)
        else:
            if bar is None:
                typer.echo("\r", err=True, nl=False)
                bar = tqdm(total=progress.total, initial=progress.done, unit=" files", dynamic_ncols=True, leave=False)
            bar.total = progress.total  # it grows when metadata is read again
            bar.set_postfix(failed=progress.failed, refresh=False)
            bar.update(progress.done - bar.n)

    try:
        yield draw
    finally:
        if bar is not None:
            bar.close()
