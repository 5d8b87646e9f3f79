"""The question on the command line: a query in words and flags, and how to show what it finds."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch.cli.completion import completed
from clapsearch.cli.showing import say
from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.present import printable

if TYPE_CHECKING:
    from clapsearch.api import Session
    from clapsearch.query import Query
    from clapsearch.query.lexer import Token

QueryWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY", help='What it sounds like: "rain on a tin roof -thunder".', autocompletion=completed
    ),
]
Not = Annotated[list[str] | None, typer.Option("--not", metavar="TEXT", help="Not like this, as -TEXT.")]
Like = Annotated[list[str] | None, typer.Option("--like", metavar="FILE", help="Like this sound, too, as like:FILE.")]
Under = Annotated[list[str] | None, typer.Option("--under", metavar="DIR", help="Only in this folder, as in:DIR.")]
Ext = Annotated[list[str] | None, typer.Option("--ext", metavar="EXT", help="Only such files, as ext:wav.")]
Cat = Annotated[list[str] | None, typer.Option("--cat", metavar="CAT", help="Only this UCS category or CatID.")]
Name = Annotated[list[str] | None, typer.Option("--name", metavar="TEXT", help="Only with these words in the name.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TEXT", help="Only with these words in the metadata.")]
MinDuration = Annotated[
    str | None, typer.Option("--min-duration", metavar="T", help="At least so long: 3, 500ms, 1:30.")
]
MaxDuration = Annotated[str | None, typer.Option("--max-duration", metavar="T", help="At most so long.")]
SampleRate = Annotated[str | None, typer.Option("--sr", metavar="HZ", help="Sample rate, as sr:>=96k.")]
Channels = Annotated[str | None, typer.Option("--channels", metavar="N", help="Number of channels, as ch:2.")]
Before = Annotated[
    str | None, typer.Option("--before", metavar="DATE", help="Recorded before 2024-05-17, 2024-05, 2024.")
]
After = Annotated[str | None, typer.Option("--after", metavar="DATE", help="Recorded from then on.")]
MinScore = Annotated[float | None, typer.Option("--min-score", metavar="S", help="Only with this cosine or more.")]
Mode = Annotated[
    str, typer.Option("--mode", metavar="M", help="hybrid: sound and words; sound; words: names and metadata alone.")
]
Exact = Annotated[bool, typer.Option("--exact", help="Look at every sound, also where an approximate index is faster.")]
Saved = Annotated[str | None, typer.Option("--saved", metavar="NAME", help="A saved search, and what is added.")]


@dataclass(frozen=True)
class Flags:
    """The flags that say what a query may say, too."""

    without: Sequence[str] | None = None
    like: Sequence[str] | None = None
    under: Sequence[str] | None = None
    ext: Sequence[str] | None = None
    cat: Sequence[str] | None = None
    name: Sequence[str] | None = None
    tag: Sequence[str] | None = None
    min_duration: str | None = None
    max_duration: str | None = None
    sr: str | None = None
    channels: str | None = None
    before: str | None = None
    after: str | None = None
    min_score: float | None = None


def question(text: str, flags: Flags) -> "Query":
    """Read a query and the flags that add to it.

    Raises
    ------
    QueryError
    """
    from clapsearch.query import parse

    return parse(text, list(_parts(flags)), min_score=flags.min_score)


def joined(words: Sequence[str]) -> str:
    """Return one query of several arguments; the shell took quotes away that belong to it: name:"take 3"."""
    from clapsearch.query import argument

    return " ".join(words if len(words) < 2 else map(argument, words))


def _parts(flags: Flags) -> "Iterator[Token]":
    """Yield what the flags say as parts of a query."""
    from clapsearch.query import part

    yield from (part("", text, sign="-") for text in flags.without or ())
    yield from (part("in", os.path.abspath(place) if os.path.isdir(place) else place) for place in flags.under or ())
    for field in ("like", "ext", "cat", "name", "tag"):
        yield from (part(field, value) for value in getattr(flags, field) or ())
    single = {"sr": flags.sr, "ch": flags.channels, "before": flags.before, "after": flags.after}
    lengths = [
        f">={flags.min_duration}" if flags.min_duration else None,
        f"<={flags.max_duration}" if flags.max_duration else None,
    ]
    for field, value in [*single.items(), *(("dur", length) for length in lengths)]:
        if value is not None:
            yield part(field, value)


def text(session: "Session", words: Sequence[str] | None, saved: str | None) -> str:
    """Return the query of some arguments, added to the one that was saved under a name.

    Raises
    ------
    ClapsearchError
        If none was.
    """
    if saved is None:
        return joined(words or ())
    known = session.saved()
    if saved not in known:
        raise ClapsearchError(f"no search is saved as {saved!r}; clapsearch saved lists them")
    return " ".join([known[saved], *([joined(words)] if words else [])])


def save(session: "Session", name: str, query: str, *, forget: bool) -> None:
    """Keep a search, or forget one; says on stderr what another of that name was.

    Raises
    ------
    ClapsearchError
        If there is none to forget.
    UsageError
        If there is nothing to save.
    """
    if forget == bool(query):
        raise UsageError("save takes a NAME and a QUERY, or a NAME and --forget")
    with session:
        before = session.saved().get(name)
        was_known = session.save(name, None if forget else query)
    if forget and not was_known:
        raise ClapsearchError(f"no search is saved as {name!r}; clapsearch saved lists them")
    if before is not None and not forget:
        say(f"replaced {printable(name)}, which was: {printable(before)}")


def list_saved(session: "Session", *, as_json: bool) -> None:
    """Print the saved searches."""
    with session:
        found = session.saved()
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        typer.echo("\n".join(f"{printable(name)}  {printable(query)}" for name, query in found.items()))
