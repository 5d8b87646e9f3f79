"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
AsPaths = Annotated[bool, typer.Option("--paths", help="Print bare paths, one a line.")]
Null = Annotated[bool, typer.Option("-0", help="Print bare paths, each ended by a NUL byte instead of a newline.")]
