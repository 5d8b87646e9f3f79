"""How hits are printed: the forms of output, and what is said beside them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch.errors import UsageError

if TYPE_CHECKING:
    from clapsearch.explanation import Reason
    from clapsearch.search import Hit

AsJsonl = Annotated[bool, typer.Option("--jsonl", help="Print JSON, one result a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets.")]
AsM3u8 = Annotated[bool, typer.Option("--m3u8", help="Print a playlist.")]
AsRpp = Annotated[bool, typer.Option("--rpp", help="Print a REAPER project, the results at their moments in a row.")]
AsPaths = Annotated[bool, typer.Option("--paths", help="Print bare paths, one a line.")]
Null = Annotated[bool, typer.Option("-0", help="Print bare paths, each ended by a NUL byte instead of a newline.")]
Moments = Annotated[bool, typer.Option("--moments", help="Show more moments of long sounds, best first.")]
Every = Annotated[bool, typer.Option("--all", help="Near-duplicates one by one.")]
# A best hit to which so few ordinary texts come short is called none.
POOR = 0.1
JUDGED = 10  # of so many hits the best is meant, however many are shown


@dataclass(frozen=True)
class Form:
    """One form of output; at most one may be asked for."""

    json: bool = False
    jsonl: bool = False
    csv: bool = False
    m3u8: bool = False
    rpp: bool = False
    paths: bool = False
    null: bool = False
    moments: bool = False
    title: str = "clapsearch"

    @property
    def names_takes(self) -> bool:
        """Whether it names the near-duplicates that a hit stands for, or marks the hit in a table."""
        return not (self.csv or self.m3u8 or self.rpp or self.paths or self.null)

    def check(self) -> None:
        """Refuse two forms at once.

        Raises
        ------
        UsageError
        """
        asked = {f"--{name}": getattr(self, name) for name in ("json", "jsonl", "csv", "m3u8", "rpp")}
        asked["--paths or -0"] = self.paths or self.null
        chosen = [name for name, is_asked in asked.items() if is_asked]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} are {len(chosen)} forms of output; choose one")


def show(hits: "Sequence[Hit]", form: Form, reasons: "Sequence[Reason] | None" = None) -> None:
    """Print hits."""
    from clapsearch import present

    if form.jsonl or form.csv or form.m3u8 or form.rpp:
        _show_export(hits, form)
    elif form.json:
        typer.echo(present.hits_json(hits, reasons))
    elif form.null:
        _write(present.paths(hits, end=b"\0"))
    elif form.paths and sys.stdout.isatty():
        typer.echo("\n".join(present.printable(hit.path) for hit in hits))
    elif form.paths:
        _write(present.paths(hits))
    elif hits:
        typer.echo(present.hits_table(hits, reasons, moments=form.moments))


def _show_export(hits: "Sequence[Hit]", form: Form) -> None:
    """Print hits in a form that other programs read."""
    from clapsearch import outputs
    from clapsearch.reaper import reaper_project

    if form.jsonl:
        typer.echo(outputs.hits_jsonl(hits), nl=False)
    elif form.csv:
        _write(outputs.hits_csv(hits).encode())
    else:
        export = outputs.hits_m3u8(hits) if form.m3u8 else reaper_project(hits, title=form.title)
        _write(export.text.encode())
        for notice in export.notices:
            say(notice)


def enough(top: int) -> int:
    """Return how many hits to search for, so that `judge` has as many whatever is shown.

    Raises
    ------
    UsageError
        If none are to be shown.
    """
    from clapsearch.query import check_top_k

    check_top_k(top)
    return max(top, JUDGED)


def judge(found: "Sequence[Hit]") -> None:
    """Say on stderr if nothing fits well, by the first `JUDGED` hits."""
    standing = max((hit.standing for hit in found[:JUDGED] if hit.standing is not None), default=None)
    if standing is not None and standing < POOR:
        say(f"nothing here matches well: for {1 - standing:.0%} of ordinary queries there is something nearer")


def count_takes(hits: "Sequence[Hit]") -> None:
    """Say on stderr how many near-duplicates of hits are not among them."""
    from clapsearch.present import plural

    if n_takes := sum(len(hit.takes) for hit in hits):
        say(f"left out {plural(n_takes, 'file')} nearly the same as these; --all lists them")


def comment(
    hits: "Sequence[Hit]", offline: Sequence[bytes], *, is_limited: bool, is_empty: bool, min_score: float | None = None
) -> None:
    """Say on stderr what the results do not: folders that are away, nothing found.

    Parameters
    ----------
    offline : sequence of bytes
        Folders whose sounds were left out.
    is_limited : bool
        The query has filters.
    is_empty : bool
        The library has no sounds.
    min_score : float, optional
        The lowest cosine that was asked for.
    """
    from clapsearch.present import printable

    for root in offline:
        say(f"{printable(root)} is offline; --include-offline shows its sounds too")
    if not hits and is_empty and not offline:
        say("no sounds in the library yet; add some: clapsearch index FOLDER")
    elif not hits and not is_empty and not offline:
        say(f"nothing found{_reason(is_limited=is_limited, min_score=min_score)}")


def _reason(*, is_limited: bool, min_score: float | None) -> str:
    if min_score is not None:
        return f" with --min-score {min_score:g}; a lower one, or fewer filters, may find some"
    return "; no sound meets all filters and words: leave some out" if is_limited else ""


def say(line: str) -> None:
    """Print a line of the program's own on stderr."""
    typer.echo(f"clapsearch: {line}", err=True)


def _write(raw: bytes) -> None:
    """Write bytes as they are: names need not be valid text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
