"""A query cut into tokens, each with its place, so that an error can point at it."""

import re
from dataclasses import dataclass

from clapsearch.errors import QueryError

_TOKEN = re.compile(
    r"""(?P<sign>[-+]?)
        (?:(?P<weight>\d+(?:\.\d*)?|\.\d+):)?
        (?:(?P<field>[^\W\d_]\w*):)?
        (?:"(?P<quoted>[^"]*)(?P<end>"?)|(?P<bare>\S*))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """One piece of a query.

    Attributes
    ----------
    start, end : int
        Its place in the query.
    sign : str
        ``-``, ``+`` or nothing.
    weight, field : str
        What stands before a colon, or nothing.
    text : str
    is_quoted : bool
    """

    start: int
    end: int
    sign: str
    weight: str
    field: str
    text: str
    is_quoted: bool


def tokens(query: str) -> list[Token]:
    """Cut a query at its spaces; quotes hold words together.

    Raises
    ------
    QueryError
        If a quote is not closed.
    """
    found, position = [], 0
    while position < len(query):
        if query[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(query, position)
        if match is None:  # never: every part of it may be empty
            break
        if match["quoted"] is not None and not match["end"]:
            opened = query.index('"', position)
            raise pointing(query, opened, opened + 1, 'this quote is not closed; end it with another "')
        position = match.end()
        text = match["bare"] if match["quoted"] is None else " ".join(match["quoted"].split())
        is_quoted = match["quoted"] is not None
        before = match["sign"], match["weight"] or "", (match["field"] or "").lower()
        found.append(Token(match.start(), match.end(), *before, text, is_quoted))
    return found


def pointing(query: str, start: int, end: int, reason: str) -> QueryError:
    """Return an error that shows the query with a caret under the place."""
    shown = "".join(char if char.isprintable() else "?" for char in query)
    return QueryError(f"cannot read the query: {reason}\n  {shown}\n  {' ' * start}{'^' * max(1, end - start)}")
