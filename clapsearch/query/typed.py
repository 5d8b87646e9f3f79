"""Queries as text: put together from what a shell hands over, and kept so that they last."""

import os

from clapsearch.errors import UsageError
from clapsearch.query.lexer import Token, pointing, tokens
from clapsearch.query.parser import FIELDS, is_plain, parse, place, whole

# Their values may have blanks in them.
SPACED = ("like", "in", "cat", "name", "tag")


def argument(text: str) -> str:
    """Return one of several arguments with the quotes that the shell took: ``name:take 3`` was ``name:"take 3"``.

    Where more of a query follows than words, the argument is a piece of a query, and none were taken.
    """
    if '"' in text or len(text.split()) < 2:
        return text
    first, *rest = tokens(text)
    is_held = first.field in SPACED or (first.weight and not first.field)
    if not is_held or first.is_quoted or any(map(_goes_on, rest)):
        return text
    starts = first.end - len(first.text)
    return f'{text[:starts]}"{text[starts:]}"'


def to_keep(name: str, query: str) -> str:
    """Return a query to be kept under a name: its relative paths are made absolute, so that it lasts.

    Raises
    ------
    UsageError
        If the name is empty.
    QueryError
        If the query cannot be read, or one of its absolute paths cannot be written in a query.
    """
    if not name.strip():
        raise UsageError('a saved search needs a name, as in: clapsearch save wet "rain"')
    parse(query)
    kept = query
    for token in reversed(tokens(query)):
        path = whole(token.text) if token.field == "like" else place(token.text)
        if token.field in {"like", "in"} and os.path.isabs(path) and not os.path.isabs(token.text):
            kept = kept[: token.start] + _with(token, path, query) + kept[token.end :]
    return kept


def _goes_on(token: Token) -> bool:
    """Whether a token is more than a word."""
    is_minus, is_plus = token.sign == "-" and token.text, token.sign == "+" and not token.text
    return bool(is_minus or is_plus or token.field in FIELDS or token.is_quoted)


def _with(token: Token, path: str, query: str) -> str:
    """Return a token as it is typed, with a path as its value."""
    if '"' in path or not is_plain(path):
        reason = f"the path it stands for, {path!r}, cannot be written in a query"
        raise pointing(query, token.start, token.end, reason)
    value = f'"{path}"' if path.split() != [path] else path
    return f"{token.sign}{token.weight and token.weight + ':'}{token.field}:{value}"
