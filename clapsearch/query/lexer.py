"""A query cut into tokens, each with its place, so that an error can point at it."""

import re
from dataclasses import dataclass

from clapsearch.errors import QueryError

# What phones and word processors make of ", and what other languages write. Single ones are apostrophes, too.
_QUOTES = '"\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\uff02\u300c\u300d\u300e\u300f\u301d\u301e\u301f'
# What looks like a weight or a field is cut as one: whether it is, the parser says, and points at it.
_TOKEN = re.compile(
    rf"""(?P<sign>[-+]?)
        (?:(?P<weight>[.,]*\d[\d.,]*(?:[eE][-+]?\d+)?):)?
        (?:(?P<field>[^\W\d_][\w-]*):)?
        (?:"(?P<straight>[^"]*)"|[{_QUOTES}](?P<curly>[^{_QUOTES}]*)[{_QUOTES}]|(?P<open>[{_QUOTES}])|(?P<bare>\S*))""",
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
        if match["open"]:
            raise pointing(query, *match.span("open"), 'this quote is not closed; end it with another "')
        position = match.end()
        found.append(_token(match))
    return found


def _token(match: re.Match[str]) -> Token:
    is_quoted = match["bare"] is None
    text = match["straight"] or match["curly"] or match["bare"] or ""
    # Blanks are all the same between words, and not in the name of a file.
    text = text.strip() if match["field"] else " ".join(text.split())
    before = match["sign"], match["weight"] or "", (match["field"] or "").lower()
    return Token(match.start(), match.end(), *before, text, is_quoted)


def pointing(query: str, start: int, end: int, reason: str) -> QueryError:
    """Return an error that shows the query with a caret under the place."""
    shown = "".join(char if char.isprintable() else "?" for char in query)
    return QueryError(f"cannot read the query: {reason}\n  {shown}\n  {' ' * start}{'^' * max(1, end - start)}")
