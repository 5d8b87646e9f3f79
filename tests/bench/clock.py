"""Times: of calls, and of whole processes; what is compared is measured in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from table import Sample


def seconds(do: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def alternate(n_runs: int, **actions: Callable[[], object]) -> dict[str, Sample]:
    """Time each action once a round; a first round warms up and does not count."""
    rounds = [{name: seconds(do) for name, do in actions.items()} for _ in range(n_runs + 1)][1:]
    return {name: Sample(tuple(each[name] for each in rounds)) for name in actions}


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a process to its end; returns what it printed.

    Raises
    ------
    RuntimeError
        If it fails; with the last line of what it said.
    """
    ended = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        raise RuntimeError(f"{command[1:4]} ended with {ended.returncode}: {said[-1] if said else ''}")
    return ended.stdout


def python(code: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run Python code in a fresh process; returns the JSON in the last line that it prints."""
    return json.loads(run([sys.executable, "-c", code, *arguments], environment).splitlines()[-1])
