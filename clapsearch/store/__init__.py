"""The library on disk: all SQL of the project is in this folder."""

from clapsearch.store.checking import Blob, Checking, Sampled
from clapsearch.store.finding import Finding, Scope, SoundRow
from clapsearch.store.library import Library
from clapsearch.store.reading import (
    Approximation,
    Counts,
    Failure,
    Known,
    KnownRow,
    Missing,
    Reading,
    Root,
    Snapshot,
    Stored,
    Tuned,
    Untagged,
)
from clapsearch.store.writing import Place, Writing

__all__ = [
    "Approximation",
    "Blob",
    "Checking",
    "Counts",
    "Failure",
    "Finding",
    "Known",
    "KnownRow",
    "Library",
    "Missing",
    "Place",
    "Reading",
    "Root",
    "Sampled",
    "Scope",
    "Snapshot",
    "SoundRow",
    "Stored",
    "Tuned",
    "Untagged",
    "Writing",
]
