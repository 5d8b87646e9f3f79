"""What the user typed, understood, and made one unit vector."""

from clapsearch.query.model import Likeness, Phrase, Query
from clapsearch.query.parser import EXAMPLE, UNWANTED, parse, part
from clapsearch.query.typed import argument, to_keep
from clapsearch.query.vector import check_top_k, embed, normalised

__all__ = [
    "EXAMPLE",
    "UNWANTED",
    "Likeness",
    "Phrase",
    "Query",
    "argument",
    "check_top_k",
    "embed",
    "normalised",
    "parse",
    "part",
    "to_keep",
]
