"""The verbs that take hits elsewhere: collect, play, open."""

import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import api
from clapsearch.cli import asking, options
from clapsearch.cli.showing import say
from clapsearch.errors import ClapsearchError
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.search import Hit

_KEYS = {"\r": "next", "\n": "next", "n": "next", "r": "again", "q": "quit", "\x1b": "quit", "\x04": "quit"}


def collect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    query: asking.QueryWords = None,
    saved: asking.Saved = None,
    link: Annotated[bool, typer.Option("--link", help="Link the files instead of copying them.")] = False,
    top: options.Top = 10,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Put the hits of a search into a folder, with a manifest.

    Nothing that is there is overwritten; a file that is already there is not copied again.
    """
    from clapsearch.collect import collect as collect_hits
    from clapsearch.present import plural, printable

    hits = _search(query, saved, top, library, device, offline)
    collection = collect_hits(hits, os.path.expanduser(folder), linked=link)
    for notice in collection.notices:
        say(notice)
    manifest = f"; {printable(collection.manifest)} lists them" if collection.manifest else ""
    typer.echo(f"collected {plural(len(collection.files), 'sound')}{manifest}")


def play(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY|FILE", help="As for clapsearch search, or a file: ./a.wav, /s/a.wav."),
    ] = None,
    saved: asking.Saved = None,
    top: options.Top = 10,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Hear the hits of a search, each at its best moment, or a file.

    Enter or n goes on to the next one, r plays it again, q ends it.
    """
    from clapsearch import player

    if what and len(what) == 1 and _is_file(what[0]):
        player.play(what[0])
        return
    player.output_device()  # is there one? Asked before a model is loaded
    _audition(_search(what, saved, top, library, device, offline))


def open_(
    query: asking.QueryWords = None,
    saved: asking.Saved = None,
    rank: Annotated[int, typer.Option("--rank", min=1, metavar="N", help="Which result.")] = 1,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Open a hit of a search in the desktop's program for it."""
    from clapsearch.player import open_in_desktop
    from clapsearch.present import plural

    hits = _search(query, saved, rank, library, device, offline)
    if hits and len(hits) < rank:
        raise ClapsearchError(f"--rank is {rank}, and the search finds {plural(len(hits), 'sound')}")
    for hit in hits[rank - 1 :]:
        typer.echo(_line(hit))
        open_in_desktop(hit.path)


def _search(
    words: Sequence[str] | None, saved: str | None, top: int, library: Path | None, device: str, offline: bool
) -> "list[Hit]":
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        hits = session.search(asking.text(session, words, saved), top_k=top)
    if not hits:
        say("no sounds found; clapsearch status says what the library holds")
    return hits


def _is_file(what: str) -> bool:
    """Whether a path is meant; ClapsearchError if it is not there."""
    from clapsearch.present import printable

    if not (what.startswith(("./", "../")) or os.path.isabs(what)):
        return False
    if not os.path.isfile(what):
        raise ClapsearchError(f"{printable(what)}: there is no such file; a query does not begin like a path")
    return True


def _audition(hits: "Sequence[Hit]") -> None:
    is_asked = bool(hits) and sys.stdin.isatty() and sys.stdout.isatty()
    if is_asked:
        say("Enter or n: next, r: again, q: quit")
    for hit in hits:
        typer.echo(_line(hit))
        sys.stdout.flush()
        if not is_asked:
            _play(hit, lambda: False, say)
        elif _play_until_key(hit) == "quit":
            return


def _play_until_key(hit: "Hit") -> str:
    """Play a hit, again while that is asked for; returns ``next`` or ``quit``, which may come before it ends."""
    while True:
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            playing = pool.submit(_play, hit, stop.is_set, _say_raw)
            try:
                wish = _wish()
            finally:
                stop.set()
        playing.result()  # raises what was not foreseen
        if wish != "again":
            return wish


def _play(hit: "Hit", should_stop: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Play the moment of a hit; what is wrong with one file is said, and does not keep the others from being heard."""
    from clapsearch.player import play

    try:
        play(hit.path, hit.start_s, hit.end_s, should_stop=should_stop)
    except ClapsearchError as error:
        say(str(error))


def _wish() -> str:
    while True:
        try:
            key = typer.getchar()
        except EOFError:  # ^D
            return "quit"
        if wish := _KEYS.get(key.lower()):
            return wish


def _line(hit: "Hit") -> str:
    from clapsearch.present import clock, is_part, printable

    moment = f"  ({clock(hit.start_s)} to {clock(hit.end_s)})" if is_part(hit) else ""
    score = " " * 6 if math.isnan(hit.score) else f"{hit.score:6.3f}"
    return f"{hit.rank:>4} {score}  {printable(hit.path)}{moment}"


def _say_raw(line: str) -> None:
    """Say something while a key is waited for: the terminal then does not go back to the start of a line by itself."""
    say(f"{line}\r")
