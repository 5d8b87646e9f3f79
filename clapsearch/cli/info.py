"""The verb ``info``: everything that is known of one file."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from clapsearch.api import absolute
from clapsearch.cli import options


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file; it need not be indexed.")],
    as_json: options.AsJson = False,
) -> None:
    """Show what a file is and says: format, length, metadata, markers, the parts of a UCS name."""
    from clapsearch.audio import probe
    from clapsearch.listing import listing, record
    from clapsearch.metadata import parse_name, read_metadata
    from clapsearch.present import naming

    path = absolute(file)
    with naming(path):
        sound, told = probe(path), read_metadata(path)
    known = path, os.stat(path).st_size, sound, told, parse_name(path.stem)
    typer.echo(json.dumps(record(*known), indent=2, ensure_ascii=False) if as_json else listing(*known))
