"""Moments of one file, cutting them out, and the duplicates of a library."""

import json
import shutil
import sys
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.errors import UsageError
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.duplicates import Duplicates, Member
    from clapsearch.timeline import Peak, Timeline

_PIPE_COLUMNS = 80


def moments(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    query: Annotated[str, typer.Argument(metavar="QUERY", help='What to listen for: "a dog barks".')],
    top: options.Top = 10,
    as_json: options.AsJson = False,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw it to a picture, too.")] = None,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Show when in a file it sounds like a query: the score over time, and the best moments.

    Scores are standard deviations above what ordinary descriptions score at the same moment: around 0 the query is no
    better than any other.
    """
    from clapsearch import chart
    from clapsearch.drawing import check_picture
    from clapsearch.query import check_top_k

    check_top_k(top)
    if png is not None:
        check_picture(png)
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        timeline = session.timeline(file, query)
    peaks = timeline.peaks(top)
    if png is not None:
        chart.picture(png, timeline, peaks, title=f"{query}: {file.name}")
    if as_json:
        typer.echo(json.dumps(_timeline_record(api.absolute(file), timeline, peaks), indent=2, ensure_ascii=False))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_COLUMNS
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    typer.echo(chart.text_chart(timeline, peaks, width=width, unicode=unicode))
    typer.echo("\nrank  score  moment")
    for peak in peaks:
        typer.echo(f"{peak.rank:>4} {peak.score:6.2f}  {_clock(peak.start_s)} to {_clock(peak.end_s)}")


def extract(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="START END OUT | QUERY OUT", help="Times as 12.5 or 1:30, or words; then a .wav to write."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Cut a stretch of a file, or the moment that fits a query best, to a WAV with the very same samples."""
    from clapsearch.extract import check_target, check_times, extract

    if len(what) not in {2, 3}:
        raise UsageError("extract takes FILE START END OUT.wav, or FILE QUERY OUT.wav; quote a query of several words")
    source, out = api.absolute(file), api.absolute(what[-1])
    check_target(source, out, force=force)
    if len(what) == 3:
        start_s, end_s = _seconds(what[0]), _seconds(what[1])
        check_times(start_s, end_s)
    else:
        with api.Session(resolve(library=library, device=device, offline=offline)) as session:
            best = session.timeline(source, what[0]).peaks(1)[0]
        start_s, end_s = best.start_s, best.end_s
    cut = extract(source, start_s, end_s, out, force=force)
    typer.echo(_said(cut.path, cut.start_s, cut.end_s, f"{cut.sr} Hz, {cut.channels} ch, {cut.encoding}"))


def duplicates(
    exact: Annotated[bool, typer.Option("--exact", help="Only files with the same bytes.")] = False,
    threshold: Annotated[
        float | None, typer.Option("--min-similarity", metavar="S", help="Least cosine of near ones. [default: 0.97]")
    ] = None,
    as_json: options.AsJson = False,
    library: options.Library = None,
) -> None:
    """List sounds that are in the library more than once: the same bytes, or nearly the same sound."""
    with api.Session(resolve(library=library)) as session:
        found = session.duplicates(exact_only=exact, threshold=threshold)
    if as_json:
        typer.echo(json.dumps(_duplicates_record(found), indent=2, ensure_ascii=False))
        return
    lines = list(_duplicates_lines(found))
    if lines:
        typer.echo("\n".join(lines))
    typer.echo(f"clapsearch: {_counted(found.exact)} with the same bytes as others", err=True)
    if not exact:
        typer.echo(f"clapsearch: {_counted(found.near)} nearly the same as others", err=True)


def _counted(groups: Sequence[Sized]) -> str:
    from clapsearch.present import plural

    return f"{plural(sum(map(len, groups)), 'sound')} in {plural(len(groups), 'group')}"


def _clock(seconds: float) -> str:
    """Return a time as ``1:05.2``: moments may be shorter than a second."""
    from clapsearch.present import clock

    tenths = round(10 * seconds)
    return f"{clock(tenths // 10)}.{tenths % 10}"


def _seconds(text: str) -> float:
    from clapsearch.query.values import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time; write 12.5 or 1:30") from error


def _said(path: Path, start_s: float, end_s: float, form: str) -> str:
    from clapsearch.present import printable

    return f"{printable(path)}  {start_s:.3f} to {end_s:.3f} s, {form}"


def _timeline_record(path: Path, timeline: "Timeline", peaks: "list[Peak]") -> dict[str, Any]:
    from clapsearch.present import path_record

    columns = ("start_s", "end_s", "score")
    stretches = zip(timeline.start_s.tolist(), timeline.end_s.tolist(), timeline.scores.tolist(), strict=True)
    return {
        **path_record(path),
        "duration_s": round(timeline.duration_s, 3),
        "moments": [
            {
                "rank": peak.rank,
                "score": round(peak.score, 6),
                "start_s": round(peak.start_s, 3),
                "end_s": round(peak.end_s, 3),
            }
            for peak in peaks
        ],
        "timeline": [dict(zip(columns, (round(each, 6) for each in stretch), strict=True)) for stretch in stretches],
    }


def _duplicates_record(found: "Duplicates") -> dict[str, Any]:
    from clapsearch.present import path_record

    def member(each: "Member") -> dict[str, Any]:
        numbers = {"score": round(each.score, 6), "duration_s": round(each.duration_s, 3), "copies": each.n_copies}
        return {**path_record(each.path), **numbers}

    return {
        "exact": [[path_record(path) for path in group] for group in found.exact],
        "near": [[member(each) for each in group] for group in found.near],
    }


def _duplicates_lines(found: "Duplicates") -> "list[str]":
    """One group after the other, an empty line between."""
    from clapsearch.present import printable

    groups = [[f"same bytes  {printable(path)}" for path in group] for group in found.exact]
    for group in found.near:
        groups.append([_near_line(each) for each in group])
    return "\n\n".join("\n".join(lines) for lines in groups).splitlines()


def _near_line(each: "Member") -> str:
    from clapsearch.present import plural, printable

    copies = f"  (and {plural(each.n_copies, 'exact copy')})" if each.n_copies else ""
    return f"{each.score:10.3f}  {printable(each.path)}{copies}"
