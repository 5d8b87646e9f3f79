"""The record of one file's metadata, and the gathering of it within limits: files are hostile."""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from clapsearch.metadata.text import clean

MAX_FIELDS = 200
MAX_TEXT = 4_000  # characters of one field
MAX_MARKERS = 1_000
MAX_LABEL = 200  # characters of one marker
MAX_PROBLEMS = 20
MAX_PROBLEM = 200  # characters
# What the readers below raise at damaged bytes; whatever else they raise ends the worker, and costs this file only.
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, struct.error),
)


@dataclass(frozen=True)
class Field:
    """One text, such as ``bext.description``: one line without control characters."""

    name: str
    text: str


@dataclass(frozen=True)
class Marker:
    """A place in the sound, in seconds from its start, and what it is called (may be empty)."""

    at_s: float
    label: str


@dataclass(frozen=True)
class Metadata:
    """What a file says of itself.

    Attributes
    ----------
    fields : tuple of Field
        In the order of the file; a name may come more than once.
    markers : tuple of Marker
        By time.
    recorded_at : float or None
        When it was recorded, in unix seconds: the clock of the recorder taken as UTC. None where it does not say.
    problems : tuple of str
        What could not be read, a line each.
    """

    fields: tuple[Field, ...] = ()
    markers: tuple[Marker, ...] = ()
    recorded_at: float | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        record = {
            "fields": [[each.name, each.text] for each in self.fields],
            "markers": [[each.at_s, each.label] for each in self.markers],
            "recorded_at": self.recorded_at,
            "problems": list(self.problems),
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Metadata":
        """Return what `to_json` wrote.

        Raises
        ------
        ValueError, LookupError, TypeError
            If it is something else.
        """
        record = json.loads(text)
        return cls(
            fields=tuple(Field(name, value) for name, value in record["fields"]),
            markers=tuple(Marker(at_s, label) for at_s, label in record["markers"]),
            recorded_at=record["recorded_at"],
            problems=tuple(record["problems"]),
        )


@dataclass
class Gathering:
    """Metadata while it is read: everything is cleaned, cut and counted on its way in.

    Attributes
    ----------
    recorded_at : float or None
        Unix seconds; the reader that knows best sets it first.
    """

    recorded_at: float | None = None
    _fields: dict[Field, None] = field(default_factory=dict)  # in order, none twice
    _markers: dict[Marker, None] = field(default_factory=dict)
    _problems: dict[str, None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there are no fields yet."""
        return not self._fields

    def add(self, name: str, text: str | None) -> None:
        """Take a field; an empty text is none."""
        kept, n_chars = clean(text or "", MAX_TEXT)
        if not kept:
            return
        if len(self._fields) >= MAX_FIELDS:
            self.problem(f"more than {MAX_FIELDS} fields; the rest is left out")
            return
        if n_chars > MAX_TEXT:
            self.problem(f"{name} has {n_chars:,} characters; kept are {MAX_TEXT:,}")
        self._fields[Field(name, kept)] = None

    def mark(self, at_s: float, label: str) -> None:
        """Take a marker."""
        if not (math.isfinite(at_s) and at_s >= 0):
            self.problem(f"a marker at {at_s} s")
        elif len(self._markers) >= MAX_MARKERS:
            self.problem(f"more than {MAX_MARKERS:,} markers; the rest is left out")
        else:
            self._markers[Marker(round(at_s, 6), clean(label, MAX_LABEL)[0])] = None

    def problem(self, line: str) -> None:
        """Take note of what could not be read."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems[clean(line, MAX_PROBLEM)[0]] = None

    @contextmanager
    def damage(self, what: str) -> Iterator[None]:
        """Read one part: if it is damaged, that is a problem, and the rest goes on."""
        try:
            yield
        except DAMAGE as error:
            self.problem(f"{what} cannot be read: {type(error).__name__} {error}".rstrip())

    def metadata(self) -> Metadata:
        """Return what was gathered."""
        markers = sorted(self._markers, key=lambda each: each.at_s)
        return Metadata(tuple(self._fields), tuple(markers), self.recorded_at, tuple(self._problems))
