"""What the shell may complete in a query: fields, the folders of the library after ``in:``, files after ``like:``."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import typer

from clapsearch.errors import ClapsearchError

MAX_FOLDERS = 200


def completed(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ways to go on with the last word of a query; nothing where the library cannot be read."""
    before = context.params.get("query") or []
    if len(before) > 1 and before[-1] == ":":  # bash takes a colon for a word of its own
        return _values(context, before[-2], incomplete)
    field, colon, value = incomplete.rpartition(":")
    if colon:
        return [f"{field}:{found}" for found in _values(context, field, value)]
    from clapsearch.query.parser import FIELDS

    return [f"{name}:" for name in FIELDS if incomplete and name.startswith(incomplete)]


def _values(context: typer.Context, field: str, value: str) -> list[str]:
    if field.lstrip("-+").endswith("in"):
        with suppress(ClapsearchError):
            return _folders(context.params.get("library"), value)
    return list(_files(value)) if field.lstrip("-+").endswith("like") else []


def _folders(library: Path | None, value: str) -> list[str]:
    """Return the names of folders in the library that begin so; quoted if they have blanks."""
    from clapsearch import api
    from clapsearch.settings import resolve

    with api.Session(resolve(library=library)) as session:
        names = session.folders()
    found = [name for name in names if name.startswith(value.strip('"'))]
    return [f'"{name}"' if " " in name else name for name in found[:MAX_FOLDERS]]


def _files(value: str) -> Iterator[str]:
    """Yield what is in the folder that a path is in."""
    folder, name = os.path.split(value)
    with suppress(OSError), os.scandir(folder or ".") as listing:
        for entry in sorted(listing, key=lambda entry: entry.name):
            if entry.name.startswith(name) and entry.name.isprintable():
                yield os.path.join(folder, entry.name) + ("/" if entry.is_dir() else "")
