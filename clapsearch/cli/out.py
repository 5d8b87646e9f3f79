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
from clapsearch.cli import asking, options, showing
from clapsearch.cli.showing import say
from clapsearch.errors import ClapsearchError
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.collect import Collected
    from clapsearch.search import Hit

_KEYS = {"\r": "next", "\n": "next", "n": "next", "r": "again", "q": "quit", "\x1b": "quit", "\x04": "quit"}


def collect(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    query: asking.QueryWords = None,
    saved: asking.Saved = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            help="Hard links instead of copies, or symbolic ones to another disk: to edit one is to edit the original.",
        ),
    ] = False,
    top: options.Top = 10,
    every: showing.Every = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Put the hits of a search into a folder, with a manifest that has the SHA-256 of each.

    Nothing that is there is overwritten; a file that is already there is not copied again.
    """
    from clapsearch.collect import collect as collect_hits
    from clapsearch.present import plural, printable

    target = api.absolute(folder)
    hits = _search(query, saved, top, library, device, offline, every=every)
    showing.count_takes(hits)
    collection = collect_hits(hits, target, linked=link)
    for notice in collection.notices:
        say(notice)
    manifest = f"; {printable(collection.manifest)} lists them" if collection.manifest else ""
    typer.echo(f"collected {plural(len(collection.files), 'sound')}{_links(collection.files)}{manifest}")


def play(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY|FILE", help="As for clapsearch search, or a file: ./a.wav, /s/a.wav."),
    ] = None,
    saved: asking.Saved = None,
    top: options.Top = 10,
    every: showing.Every = False,
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
    hits = _search(what, saved, top, library, device, offline, every=every)
    showing.count_takes(hits)
    _audition(hits)


def open_(
    query: asking.QueryWords = None,
    saved: asking.Saved = None,
    rank: Annotated[int, typer.Option("--rank", min=1, metavar="N", help="Which result.")] = 1,
    every: showing.Every = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Open a hit of a search in the desktop's program for it."""
    from clapsearch.player import open_in_desktop
    from clapsearch.present import plural

    hits = _search(query, saved, rank, library, device, offline, every=every)
    if hits and len(hits) < rank:
        raise ClapsearchError(f"--rank is {rank}, and the search finds {plural(len(hits), 'sound')}")
    for hit in hits[rank - 1 :]:
        typer.echo(_line(hit))
        open_in_desktop(hit.path)


def _search(
    words: Sequence[str] | None,
    saved: str | None,
    top: int,
    library: Path | None,
    device: str,
    offline: bool,
    *,
    every: bool,
) -> "list[Hit]":
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        asked = asking.text(session, words, saved)
        found = session.search(asked, top_k=showing.enough(top), collapse=not every)
    if not found:
        say("no sounds found; clapsearch status says what the library holds")
    showing.judge(found)
    return found[:top]


def _links(files: "Sequence[Collected]") -> str:
    """Say which of the files are links, if any."""
    kinds = sorted({f"{each.placed.how}s" for each in files if each.placed.how.endswith("link")})
    return f" as {' and '.join(kinds)}: to edit one is to edit the original" if kinds else ""


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
