"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from clapsearch.errors import UsageError

Folders = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Folders of sounds; without any, all known ones.")
]
Library = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="FILE",
        help="The library file. [env: CLAPSEARCH_LIBRARY; default: library.sqlite3 in the user data folder]",
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cuda, mps or cpu.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the hub; use what is on this machine.")]
Top = Annotated[int, typer.Option("-k", "--top", metavar="N", help="How many results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="ID|FOLDER|mini",
        help="The CLAP weights of a new library. [env: CLAPSEARCH_CHECKPOINT; default: laion/clap-htsat-fused]",
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Decode processes. [default: half the cores]")
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, metavar="N", help="Windows in one forward pass. [default: 1 on a CPU]"),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Names or paths to leave out from now on; replaces earlier ones, '' for none.",
    ),
]
Video = Annotated[
    bool | None,
    typer.Option("--video/--no-video", help="Take the sound of video files too, from now on. [default: no]"),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 if a file failed, now or before.")]
IncludeOffline = Annotated[
    bool, typer.Option("--include-offline", help="Show sounds in folders that are not there now, too.")
]

Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE[,VALUE]", help="Only sounds whose column has one of the values."),
]


def columns(where: list[str] | None, **single: str | None) -> dict[str, list[str]]:
    """Return the columns of ``--where`` and of flags for one column, each with its values.

    Raises
    ------
    UsageError
        If a condition cannot be read.
    """
    wanted: dict[str, list[str]] = {}
    for condition in where or ():
        column, equals, values = condition.partition("=")
        if not (column and equals and values):
            raise UsageError(f"--where is {condition!r}; write COLUMN=VALUE, as in kind=sfx,ambience")
        wanted[column] = values.split(",")
    return wanted | {column: [value] for column, value in single.items() if value is not None}


def globs(exclude: list[str] | None) -> list[str] | None:
    """Return the globs of ``--exclude``: none for ``--exclude ''``, None without the flag."""
    return None if exclude is None else [glob for glob in exclude if glob]
