"""All figures of speed, in one table: figure, ours, theirs, ratio, target, met or not.

Everything that is needed is made here, in the work folder, and kept there for the next run. The table is printed, and
written to the work folder as ``bench.md`` and ``bench.json``; the curves are drawn there as pictures.

Usage::

    python tests/bench/bench.py [--work FOLDER] [--large] [--only SECTION ...] [--pictures FOLDER]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import against_stock
import cold
import growth
import machine
import million
import table
from setting import Setting

LARGE = 5_000_000
SECTIONS: dict[str, Callable[[Setting], Iterator[table.Figure]]] = {
    "cold": cold.figures,
    "million": million.figures,
    "stock": against_stock.figures,
    "growth": growth.figures,
    "many": million.many_figures,
}


def measure(setting: Setting, sections: list[str]) -> Iterator[table.Figure]:
    """Yield the figures of some sections; what fails becomes a line of its own."""
    for name in sections:
        began = time.monotonic()
        try:
            for figure in SECTIONS[name](setting):
                print(" | ".join(filter(None, figure.cells())), file=sys.stderr, flush=True)
                yield figure
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the other sections can be measured all the same)
            figure = table.failed(name, error)
            print(figure.note, file=sys.stderr)
            yield figure
        print(f"{name}: {time.monotonic() - began:.0f} s, load {machine.load()}", file=sys.stderr, flush=True)


def parse_arguments() -> tuple[Setting, list[str]]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "clapsearch-bench"))
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections, in the order given")
    parser.add_argument("--large", action="store_true", help=f"add {LARGE:,} vectors")
    parser.add_argument("--vectors", type=int, default=LARGE, help="how many --large adds")
    parser.add_argument("--sounds", type=int, default=1_000_000, help="in the large library")
    parser.add_argument("--indexed", type=int, default=10_000, help="sounds that are indexed for the curve")
    parser.add_argument("--folder", type=Path, help="sound files for the comparison with the stock pipeline")
    parser.add_argument("--files", type=int, default=200, help="how many of them")
    parser.add_argument("--checkpoint", default="mini", help="for the same")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="a tiny checkpoint where a full-size one is meant")
    parser.add_argument("--pictures", type=Path, help="where the curves are drawn; by default in the work folder")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        work=chosen.work.resolve(),
        n_sounds=chosen.sounds,
        n_many=chosen.vectors,
        n_indexed=chosen.indexed,
        n_files=chosen.files,
        n_runs=chosen.runs,
        is_tiny=chosen.tiny,
        sounds=chosen.folder,
        checkpoint=chosen.checkpoint,
        pictures=chosen.pictures,
    )
    wanted = [name for name in SECTIONS if name != "many" or chosen.large]
    return setting, chosen.only or wanted


def main() -> None:
    """Measure, print and write."""
    setting, sections = parse_arguments()
    about = machine.surroundings()
    began = time.monotonic()
    figures = list(measure(setting, sections))
    about |= {"load at the end": machine.load(), "took": f"{(time.monotonic() - began) / 60:.1f} minutes"}
    for name, value in about.items():
        print(f"{name}: {value}")
    print(table.markdown(figures))
    table.write(setting.work / "bench", about, figures)
    n_missed = sum(figure.is_met is False for figure in figures)
    print(f"{n_missed or 'no'} target{'s' * (n_missed != 1)} missed; written to {setting.work / 'bench.md'}")


if __name__ == "__main__":
    main()
