"""The verb ``status``."""

import json
import os
from dataclasses import asdict
from typing import Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.settings import resolve


def status(as_json: options.AsJson = False, library: options.Library = None) -> None:
    """Show folders, counts, checkpoint and failed files."""
    with api.Session(resolve(library=library)) as session:
        found = session.status()
    typer.echo(json.dumps(_record(found), indent=2, ensure_ascii=False) if as_json else _text(found))


def _record(found: api.Status) -> dict[str, Any]:
    from clapsearch.present import path_record

    return {
        "library": path_record(str(found.library))["path"],
        "checkpoint": asdict(found.checkpoint) if found.checkpoint else None,
        "roots": [
            {
                **path_record(os.fsdecode(root.path)),
                "is_there": root.is_there,
                "exclude": list(root.exclude),
                **asdict(root.counts),
            }
            for root in found.roots
        ],
        "counts": asdict(found.counts),
        "failures": [{**path_record(os.fsdecode(bad.path)), "reason": bad.reason} for bad in found.failures],
        "library_bytes": found.library_bytes,
        "snapshot_bytes": found.snapshot_bytes,
    }


def _text(found: api.Status) -> str:
    from clapsearch.present import plural, printable, size

    counts, checkpoint = found.counts, found.checkpoint
    revision = f" at revision {checkpoint.revision}" if checkpoint and checkpoint.revision else ""
    sizes = f"{size(found.library_bytes)}, snapshots {size(found.snapshot_bytes)}"
    total = f"{counts.sounds:,} in {plural(counts.contents, 'content')}, {plural(counts.vectors, 'vector')}"
    lines = [
        f"library     {printable(str(found.library))}, {sizes}",
        f"checkpoint  {printable(checkpoint.name) + revision if checkpoint else 'none yet'}",
        f"sounds      {total}, {counts.hours:.2f} hours; {counts.missing:,} missing",
    ]
    for root in found.roots:
        state = "" if root.is_there else " (offline)"
        parts = [plural(root.counts.sounds, "sound")]
        parts += [f"{root.counts.missing:,} missing"] if root.counts.missing else []
        parts += [f"without {' '.join(root.exclude)}"] if root.exclude else []
        lines.append(printable(f"folder      {os.fsdecode(root.path)}{state}: {', '.join(parts)}"))
    for bad in found.failures:
        lines.append(f"failed      {printable(os.fsdecode(bad.path))}: {printable(bad.reason)}")
    return "\n".join(lines)
