"""What a verification finds, and the commands that mend it."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from clapsearch.present import printable
from clapsearch.settings import DEFAULT_CHECKPOINT, resolve


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be.

    Attributes
    ----------
    what : str
        One line, with measured values.
    remedy : str
        A command, for the user to run.
    paths : tuple of bytes
        Files it is about; of many, the first few.
    """

    what: str
    remedy: str
    paths: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes
    ----------
    name : str
        ``database``, ``vectors``, ``snapshot``, ``files`` or ``sample``.
    n_checked : int
        How many pages, embeddings, vectors, files or sounds.
    summary : str
        What was checked, in words.
    faults : tuple of Fault
    notes : tuple of str
        What was not checked, and why; no faults.
    """

    name: str
    n_checked: int
    summary: str
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    """The results of all checks, in order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(check.faults for check in self.checks)


@dataclass(frozen=True)
class Remedies:
    """Commands for one library.

    Attributes
    ----------
    library : Path
    roots : tuple of bytes
        Its folders, as far as they can be read.
    checkpoint : str
        The name of its checkpoint.
    """

    library: Path
    roots: tuple[bytes, ...] = ()
    checkpoint: str = DEFAULT_CHECKPOINT

    @property
    def index(self) -> str:
        """Bring the library up to date."""
        return self._command("index")

    @property
    def repair(self) -> str:
        """Make again what is damaged."""
        return self._command("index", "--repair")

    @property
    def reembed(self) -> str:
        """Make all vectors again."""
        return self._command("reembed")

    @property
    def other_checkpoint(self) -> str:
        """Make all vectors again, with a checkpoint that can be loaded."""
        return f"{self.reembed} --checkpoint ID_OR_FOLDER"

    @property
    def restore(self) -> str:
        """Go back to a backup, or begin anew; without what a writer left beside the file, which belongs to that."""
        file = os.fsencode(self.library)
        name, log, aside = quoted(file), quoted(file + b"-wal"), quoted(file + b".damaged")
        folders = [quoted(root) for root in self.roots] or ["FOLDER"]
        chosen = [] if self.checkpoint == DEFAULT_CHECKPOINT else ["--checkpoint", shlex.quote(self.checkpoint)]
        anew = " ".join([self.index, *folders, *chosen])
        return f"rm -f {log} && cp BACKUP {name}  # no backup? rm -f {log} && mv {name} {aside} && {anew}"

    def touch(self, path: bytes) -> str:
        """Let a run look at a file's bytes again."""
        return f"touch -c {quoted(path)} && {self.index}"

    def readable(self, path: bytes) -> str:
        """Let a run read a file."""
        return f"chmod u+r {quoted(path)} && {self.index}"

    def _command(self, *arguments: str) -> str:
        is_found_anyway = resolve().library == self.library
        where = "" if is_found_anyway else f" --library {quoted(os.fsencode(self.library))}"
        return f"{shlex.join(['clapsearch', *arguments])}{where}"


def quoted(path: bytes) -> str:
    """Return a path as a word of the shell, in characters that a terminal may be shown."""
    text = os.fsdecode(path)
    if text.isprintable():
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(escaped)}'"
