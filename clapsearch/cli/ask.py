"""The questions: search, similar, describe."""

from pathlib import Path
from typing import Annotated

import typer

from clapsearch import api
from clapsearch.cli import asking, options, showing
from clapsearch.settings import resolve

LANGUAGE = """Find sounds by words, sounds, names, metadata and numbers.

\b
QUERY, in any order and mixture:
  rain on a tin roof        words that follow each other are one description
  rain + wind               two descriptions, weighed alike
  "glass break"             these words in a row, in names and metadata
  -thunder  -"far away"     not like this
  2:whoosh  0.5:fire        weights
  like:./ref.wav            like this sound, too
  in:Foley  in:/mnt/sounds  in folders of that name, or below a folder
  name:"take 3"  tag:zoom   words in the name; in the metadata
  ext:wav  cat:RAIN         kind of file; UCS category or CatID
  dur:<3  dur:1:30..5m      duration: <, <=, >, >=, from..to
  sr:>=96k  ch:2            sample rate, channels
  after:2024-05 before:2025 when it was recorded, or else changed
Filters can be excluded, too: -ext:mp3. A query that begins with a minus goes after --.
"""


def search(
    query: asking.QueryWords = None,
    without: asking.Not = None,
    like: asking.Like = None,
    under: asking.Under = None,
    ext: asking.Ext = None,
    cat: asking.Cat = None,
    name: asking.Name = None,
    tag: asking.Tag = None,
    min_duration: asking.MinDuration = None,
    max_duration: asking.MaxDuration = None,
    sr: asking.SampleRate = None,
    channels: asking.Channels = None,
    before: asking.Before = None,
    after: asking.After = None,
    min_score: asking.MinScore = None,
    mode: asking.Mode = "hybrid",
    saved: asking.Saved = None,
    top: options.Top = 10,
    every: showing.Every = False,
    moments: showing.Moments = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each result came up.")] = False,
    as_json: options.AsJson = False,
    as_jsonl: showing.AsJsonl = False,
    as_csv: showing.AsCsv = False,
    as_m3u8: showing.AsM3u8 = False,
    as_rpp: showing.AsRpp = False,
    as_paths: showing.AsPaths = False,
    null: showing.Null = False,
    include_offline: options.IncludeOffline = False,
    exact: asking.Exact = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Find sounds by words, sounds, names, metadata and numbers; its help is `LANGUAGE`."""
    flags = asking.Flags(
        without=without,
        like=like,
        under=under,
        ext=ext,
        cat=cat,
        name=name,
        tag=tag,
        min_duration=min_duration,
        max_duration=max_duration,
        sr=sr,
        channels=channels,
        before=before,
        after=after,
        min_score=min_score,
    )
    title = asking.joined(query or ())
    form = showing.Form(as_json, as_jsonl, as_csv, as_m3u8, as_rpp, as_paths, null, moments, title or "clapsearch")
    form.check()
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        asked = asking.question(asking.text(session, query, saved), flags)
        how = {"include_offline": include_offline, "collapse": not every, "exact": exact}
        found = session.search(asked, mode=mode, top_k=showing.enough(top), **how)
        hits = found[:top]
        showing.show(hits, form, session.explain(asked, hits) if explain else None)
        left_out = [] if include_offline else session.offline()
        is_empty = not hits and session.is_empty()
    is_limited = bool(asked.criteria) or mode == "words"
    showing.comment(hits, left_out, is_limited=is_limited, is_empty=is_empty, min_score=asked.min_score)
    if not form.names_takes:
        showing.count_takes(hits)
    showing.judge(found)


def similar(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    top: options.Top = 10,
    every: showing.Every = False,
    as_json: options.AsJson = False,
    as_paths: showing.AsPaths = False,
    null: showing.Null = False,
    include_offline: options.IncludeOffline = False,
    exact: asking.Exact = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Find sounds that sound like a file; search like:FILE does, too, with more around it."""
    form = showing.Form(json=as_json, paths=as_paths, null=null)
    form.check()
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        how = {"include_offline": include_offline, "collapse": not every, "exact": exact}
        hits = session.similar(file, top_k=top, **how)
        showing.show(hits, form)
        left_out = [] if include_offline else session.offline()
        is_empty = not hits and session.is_empty()
    showing.comment(hits, left_out, is_limited=False, is_empty=is_empty)
    if not form.names_takes:
        showing.count_takes(hits)


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


def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    query: asking.QueryWords = None,
    forget: Annotated[bool, typer.Option("--forget", help="Forget this name.")] = False,
    library: options.Library = None,
) -> None:
    """Keep a search in the library under a name; search --saved NAME asks it again."""
    asking.save(api.Session(resolve(library=library)), name, asking.joined(query or ()), forget=forget)


def saved(as_json: options.AsJson = False, library: options.Library = None) -> None:
    """List the saved searches."""
    asking.list_saved(api.Session(resolve(library=library)), as_json=as_json)
