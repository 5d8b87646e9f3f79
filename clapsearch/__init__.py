"""clapsearch: find sounds by describing them.

The public names live in :mod:`clapsearch.api` and load on first use, so that ``import clapsearch`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clapsearch.api import Session, evaluate, open  # noqa: A004 (clapsearch.open mirrors gzip.open)
    from clapsearch.errors import ClapsearchError
    from clapsearch.search import Hit
    from clapsearch.vocabulary import Description

__version__ = "0.4.0"

_HOMES = {
    "open": "clapsearch.api",
    "Session": "clapsearch.api",
    "evaluate": "clapsearch.api",
    "Hit": "clapsearch.search",
    "Description": "clapsearch.vocabulary",
    "ClapsearchError": "clapsearch.errors",
}
__all__ = ["ClapsearchError", "Description", "Hit", "Session", "evaluate", "open"]


def __getattr__(name: str) -> Any:
    """Load a public name from its home module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'clapsearch' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
