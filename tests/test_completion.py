"""Shell completion of a query, through the program that the shells call."""

import os
from pathlib import Path

from test_cli import cli, indexed, kept, shell

__all__ = ["cli", "indexed", "kept"]


def complete(*words: str) -> list[str]:
    """Return what bash is offered after some words, the last one incomplete."""
    line = {"COMP_WORDS": " ".join(["clapsearch", "search", *words]), "COMP_CWORD": str(len(words) + 1)}
    found = shell(env={**os.environ, "_CLAPSEARCH_COMPLETE": "complete_bash", **line})
    return found.stdout.decode().split()


def test_folders_of_the_library_are_offered(indexed: Path) -> None:
    assert complete("in:gr") == ["in:group0", "in:group1"]
    assert complete("in", ":", "gr") == ["group0", "group1"]  # as bash cuts it
    assert complete("in:nothing") == []


def test_fields_and_files_are_offered(tmp_path: Path) -> None:
    (tmp_path / "a b.wav").touch()
    (tmp_path / "folder").mkdir()
    assert complete("du") == ["dur:"]
    assert complete(f"like:{tmp_path}/f") == [f"like:{tmp_path}/folder/"]


def test_without_a_library_nothing_is_offered_and_nothing_said(cli: Path) -> None:
    assert complete("in:gr") == []
