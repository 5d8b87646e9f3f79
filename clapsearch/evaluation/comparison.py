"""Two runs compared, query by query."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation.metrics import Difference, Outcomes, difference
from clapsearch.present import printable

Comparison = dict[str, Difference]


def read_tasks(path: Path) -> dict[str, Outcomes]:
    """Read what ``clapsearch eval --json`` printed.

    Raises
    ------
    ClapsearchError
        If it is something else.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))["queries"]
        return {name: Outcomes.from_records(records) for name, records in tasks.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what clapsearch eval --json prints"
        raise ClapsearchError(f"cannot compare with {printable(path)}: {reason}") from error


def compare(tasks: Mapping[str, Outcomes], others: Mapping[str, Outcomes]) -> Comparison:
    """Subtract the figures of another run, over the queries that both asked.

    Raises
    ------
    UsageError
        If no query was asked by both.
    """
    shared = {
        name: (found, others[name])
        for name, found in tasks.items()
        if name in others and set(found.queries) & set(others[name].queries)
    }
    if not shared:
        raise UsageError("the two runs have no query in common; evaluate the same manifest and choose the same sounds")
    return {name: difference(ours, theirs) for name, (ours, theirs) in shared.items()}


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON takes it."""
    return {
        name: {"n_queries": change.n_queries, "difference": change.figures, "interval": change.intervals}
        for name, change in comparison.items()
    }
