"""Names as words: what camelCase, digits and separators hold apart."""

import re
import unicodedata
from collections.abc import Sequence

# The tokenizer of the words table splits at what is neither letter nor digit; the rest is split here.
_PIECES = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Words that say nothing about a sound; a question's match on these alone is no match.
_FUNCTION = "a an and are as at be by for from in into is it its of off on or that the this to with"
FUNCTION_WORDS = frozenset(re.findall(r"\w+", _FUNCTION))


def words(text: str) -> list[str]:
    """Return the words of a name or a text, lower case: ``ThunderClap_02`` is thunder, clap, 2."""
    pieces = (part for piece in _PIECES.findall(_composed(text)) for part in _CAMEL.split(piece))
    return [piece.lstrip("0") or "0" if piece.isdigit() else piece.lower() for piece in pieces]


def indexed(text: str) -> str:
    """Return what the words table holds of a text: its words in order, then the runs that they were split from."""
    split = words(text)
    runs = [run.lower() for run in re.findall(r"[^\W_]+", _composed(text))]
    return " ".join([*split, *(run for run in dict.fromkeys(runs) if run not in split)])


def run_together(split: Sequence[str]) -> str:
    """Return words as one: names are typed with and without the spaces. Numbers stay apart, 1 2 is not 12."""
    return "".join(f" {word} " if word.isdigit() else word for word in split)


def _composed(text: str) -> str:
    """Return a text with its accents as parts of letters: alone they would split words; macOS writes names so."""
    return unicodedata.normalize("NFC", text)
