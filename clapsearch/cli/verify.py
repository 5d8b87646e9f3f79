"""The verb ``verify``: a line for every check, a line for every fault, and the command that mends it."""

import itertools
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapsearch import api
from clapsearch.cli import options
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from indexer.faults import Check, Fault, Verification

MAX_FAULTS = 20  # lines a check
_INDENT = " " * 12


def verify(
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="How many sounds to embed again.")] = 5,
    as_json: options.AsJson = False,
    library: options.Library = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Check the library against itself and the files.

    Every fault comes with the command that mends it; nothing is changed.
    """
    with api.Session(resolve(library=library, device=device, offline=offline)) as session:
        found = session.verify(sample=sample, on_check=_show_progress if as_json else _show)
    if as_json:
        typer.echo(json.dumps(_record(found), indent=2, ensure_ascii=False))
    if not found.ok:
        raise typer.Exit(1)


def _record(found: "Verification") -> dict[str, Any]:
    return {"ok": found.ok, "checks": [_check_record(check) for check in found.checks]}


def _check_record(check: "Check") -> dict[str, Any]:
    faults = [_fault_record(fault) for fault in check.faults]
    return {"name": check.name, "n_checked": check.n_checked, "faults": faults, "notes": list(check.notes)}


def _fault_record(fault: "Fault") -> dict[str, Any]:
    from clapsearch.present import path_record

    record: dict[str, Any] = {"what": fault.what, "remedy": fault.remedy}
    return record | ({"paths": [path_record(path) for path in fault.paths]} if fault.paths else {})


def _show(check: "Check") -> None:
    typer.echo("\n".join([_head(check), *_fault_lines(check), *(f"{_INDENT}{note}" for note in check.notes)]))
    sys.stdout.flush()


def _show_progress(check: "Check") -> None:
    if sys.stderr.isatty():
        typer.echo(_head(check), err=True)


def _head(check: "Check") -> str:
    from clapsearch.present import plural

    n_faults = len(check.faults)
    return f"{check.name:<10}  " + (
        f"{plural(n_faults, 'fault')} ({check.summary})" if n_faults else f"ok: {check.summary}"
    )


def _fault_lines(check: "Check") -> list[str]:
    """Return a line for each fault; of neighbours with one remedy, it stands below the last."""
    lines = []
    for remedy, faults in itertools.groupby(check.faults[:MAX_FAULTS], key=lambda fault: fault.remedy):
        lines += [f"{_INDENT}{fault.what}" for fault in faults]
        lines.append(f"{_INDENT}repair: {remedy}")
    n_left = len(check.faults) - MAX_FAULTS
    return [*lines, f"{_INDENT}and {n_left:,} more; --json lists them all"] if n_left > 0 else lines
