"""The command line: composition root and only printer. Nothing heavy is imported before a command runs."""

from clapsearch.cli.app import main

__all__ = ["main"]
