"""What a benchmark ran on, and what its processes used."""

import os
import platform
import resource
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

import clapsearch

SAMPLE_S = 0.05
PACKAGES = (
    "numpy", "faiss-cpu", "usearch", "sqlalchemy", "tokenizers", "torch", "transformers", "librosa",
    "soundfile", "soxr",
)  # fmt: skip


def surroundings() -> dict[str, str]:
    """Return versions and machine, by name."""
    memory_gb = psutil.virtual_memory().total / 1e9
    return {
        "versions": f"clapsearch {clapsearch.__version__}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "machine": f"{cpu()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.platform()}",
        "load": load(),
    }


def print_surroundings() -> None:
    """Print versions and machine."""
    for name, value in surroundings().items():
        print(f"{name}: {value}")


def load() -> str:
    """Return the mean number of running processes, over 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def cpu() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "unknown CPU")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def children_cpu_s() -> float:
    """Return the CPU seconds of all ended children and their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def others_cpu_s() -> float:
    """Return the CPU seconds that the machine has spent on anything but this process and its ended children."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system) - children_cpu_s() - time.process_time()


def peak(process: subprocess.Popen[bytes], kind: str = "Pss") -> int:
    """Sample a process and its descendants until it ends; returns the largest sum of their memory in bytes.

    `kind` is a line of Linux's ``smaps_rollup``: ``Pss`` is all memory, shared pages by share; ``Anonymous`` is that of
    no file.
    """
    largest = 0
    while process.poll() is None:
        largest = max(largest, sum(_memory(pid, kind) for pid in _family(process.pid)))
        time.sleep(SAMPLE_S)
    return largest


def _family(pid: int) -> Sequence[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _memory(pid: int, kind: str) -> int:
    """Return a line of the memory of one process in bytes; 0 if it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:")), 0)
