"""The verb ``status``."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.present import date, path_record, plural, printable, size
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.status import RootStatus, Status

MAX_LINES = 20


def status(as_json: options.AsJson = False, library: options.Library = None) -> None:
    """Show folders, counts, checkpoint and failed files."""
    with api.Session(resolve(library=library)) as session:
        found = session.status()
    typer.echo(json.dumps(_record(found), indent=2, ensure_ascii=False) if as_json else _text(found))


def _record(found: "Status") -> dict[str, Any]:
    return {
        "library": path_record(found.library)["path"],
        "checkpoint": asdict(found.checkpoint) if found.checkpoint else None,
        "roots": [
            {
                **path_record(root.path),
                "is_there": root.is_there,
                "refusal": root.refusal,
                "offline_since": root.offline_since,
                "exclude": list(root.exclude),
                "video": root.video,
                **asdict(root.counts),
            }
            for root in found.roots
        ],
        "counts": asdict(found.counts),
        "missing": [{**path_record(gone.path), "since": gone.since} for gone in found.missing],
        "watcher": asdict(found.watcher) if found.watcher else None,
        "failures": [{**path_record(bad.path), "reason": bad.reason} for bad in found.failures],
        "library_bytes": found.library_bytes,
        "snapshot_bytes": found.snapshot_bytes,
        "approximation": asdict(found.approximation) if found.approximation else None,
    }


def _text(found: "Status") -> str:
    counts, checkpoint = found.counts, found.checkpoint
    revision = f" at revision {checkpoint.revision}" if checkpoint and checkpoint.revision else ""
    sizes = f"{size(found.library_bytes)}, snapshots {size(found.snapshot_bytes)}"
    total = f"{counts.sounds:,} in {plural(counts.contents, 'content')}, {plural(counts.vectors, 'vector')}"
    return "\n".join(
        [
            f"library     {printable(found.library)}, {sizes}",
            f"checkpoint  {printable(checkpoint.name) + revision if checkpoint else 'none yet'}",
            f"sounds      {total}, {counts.hours:.2f} hours; {counts.missing:,} missing",
            *_approximation_lines(found),
            *map(_root_line, found.roots),
            *_watcher_lines(found),
            *_at_most("missing", [f"{printable(gone.path)} since {date(gone.since)}" for gone in found.missing]),
            *_at_most("failed", [f"{printable(bad.path)}: {printable(bad.reason)}" for bad in found.failures]),
        ]
    )


def _approximation_lines(found: "Status") -> list[str]:
    tried = found.approximation
    tuned = tried.tuned if tried else None
    if tuned:
        by_texts = "" if tuned.recall_by_texts is None else f", {tuned.recall_by_texts:.3f} by texts"
        lists = f"(n_probe {tuned.n_probe} of {tuned.n_lists:,} lists)"
        return [f"approximate recall@10 {tuned.recall_by_sounds:.3f} by sounds{by_texts} {lists}"]
    if tried and tried.why_not:
        return [f"approximate no, {tried.why_not}; exact searches take {tried.exact_ms:.0f} ms"]
    return []


def _root_line(root: "RootStatus") -> str:
    parts = [plural(root.counts.sounds, "sound")]
    parts += [f"{root.counts.missing:,} missing"] if root.counts.missing else []
    parts += [printable(f"without {' '.join(root.exclude)}")] if root.exclude else []
    parts += ["with videos"] if root.video else []
    return f"folder      {printable(root.path)}{_state(root)}: {', '.join(parts)}"


def _state(root: "RootStatus") -> str:
    if root.refusal:
        return f" (cannot be read: {printable(root.refusal)})"
    since = f" since {date(root.offline_since)}" if root.offline_since else ""
    return "" if root.is_there else f" (offline{since})"


def _watcher_lines(found: "Status") -> list[str]:
    health = found.watcher
    if health is None:
        return []
    last = f", last batch {date(health.last_batch_at)}" if health.last_batch_at else ""
    changes = plural(health.n_changes, "change")
    lines = [f"watcher     process {health.pid} since {date(health.since)}, {changes}{last}"]
    lines += [f"            waiting for {plural(health.waiting, 'file')} still written"] if health.waiting else []
    lines += [f"            {printable(health.problem)}"] if health.problem else []
    return lines + [f"            {root}: {mode}" for root, mode in health.modes.items()]


def _at_most(word: str, lines: list[str]) -> list[str]:
    shown = [f"{word:<10}  {line}" for line in lines[:MAX_LINES]]
    left = len(lines) - len(shown)
    return [*shown, f"{word:<10}  and {left:,} more; --json lists them all"] if left else shown
