"""Evaluations as tables for people. Pure functions."""

from collections.abc import Iterator, Mapping
from typing import Any

from clapsearch.evaluation.choices import Choice
from clapsearch.evaluation.classification import Classification
from clapsearch.evaluation.comparison import Comparison
from clapsearch.evaluation.evaluation import Evaluation, task_record
from clapsearch.evaluation.metrics import NAMES, Interval
from clapsearch.present import plural, printable

_TITLES = ("R@1", "R@5", "R@10", "mAP@10", "median rank")
_TASKS = {"text_to_audio": "text to audio", "audio_to_text": "audio to text"}
_QUESTIONS = {
    "treatment": "which vectors of a sound longer than one window answer for it",
    "prompt": "what is put around a text",
    "int16": "rounding the waveform through int16",
    "hop": "from one moment to the next",
}
_WIDTH = 26


def table(evaluation: Evaluation) -> str:
    """Return the whole evaluation."""
    lines = [_headline(evaluation), "", _row("", _TITLES) + "  queries"]
    for name, outcomes in evaluation.tasks().items():
        if name.partition(" ")[0] in _TASKS:
            record = task_record(outcomes)
            lines += [_row(_title(name), _values(record)) + f"{record['n_queries']:>9,}"]
            lines += [_row("", [_range(key, record["interval"][key]) for key in NAMES])]
    lines += ["", "below each figure: its 95 % bootstrap interval over the queries"]
    if evaluation.zero_shot:
        lines += _classes(f"zero-shot ({', '.join(map(printable, evaluation.templates))})", evaluation.zero_shot)
    if evaluation.probe:
        lines += _classes("linear probe", evaluation.probe)
    if evaluation.located:
        lines += ["", _moments(evaluation.located.record())]
    if evaluation.separation:
        lines += ["", "classes in the embedding space: " + _pairs(evaluation.separation)]
    return "\n".join(line.rstrip() for line in lines)


def comparison_table(comparison: Comparison, name: str) -> str:
    """Return the differences from another run."""
    lines = [f"difference from {printable(name)}, paired over the queries of both", _row("", _TITLES) + "  queries"]
    for task, change in comparison.items():
        lines += [_row(_title(task), [_signed(key, change.figures[key]) for key in NAMES]) + f"{change.n_queries:>9,}"]
        lines += [_row("", [_range(key, change.intervals[key]) for key in NAMES])]
    return "\n".join(line.rstrip() for line in lines)


def choice_table(choice: Choice) -> str:
    """Return one choice: every way, and its paired difference from what clapsearch does."""
    record = choice.record()
    lines = [f"{choice.name}: {_QUESTIONS[choice.name]}; clapsearch does: {choice.default}"]
    for task in choice.variants[choice.default]:
        lines += ["", f"{_title(task):<{_WIDTH}}{'R@1':>7}{'R@10':>8}{'mAP@10':>8}  difference in mAP@10 (95 %)"]
        for way, tasks in record["variants"].items():
            lines.append(_choice_row(way, tasks[task]))
    for way, tasks in record["variants"].items():
        if "moments" in tasks:
            found = tasks["moments"]
            lines += [] if lines[-1].startswith("  moments") else [""]
            lines.append(f"  moments {way}: {_moments(found)}, {found['n_vectors']:,} vectors")
    return "\n".join(lines)


def _choice_row(way: str, found: Mapping[str, Any]) -> str:
    row = f"  {way:<{_WIDTH - 2}}{found['recall@1']:>7.3f}{found['recall@10']:>8.3f}{found['map@10']:>8.3f}"
    if "difference" not in found:
        return row
    low, high = found["interval"]
    return f"{row}  {found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _headline(evaluation: Evaluation) -> str:
    window_s = evaluation.checkpoint.window_s
    long = f", {evaluation.n_long:,} longer than {window_s:g} s" if evaluation.n_long else ""
    return f"{printable(evaluation.checkpoint.name)}: {plural(evaluation.n_clips, 'sound')}{long}"


def _title(task: str) -> str:
    name, _, kind = task.partition(" ")
    return f"{_TASKS.get(name, name.replace('_', '-'))} {kind.replace('_', ' ')}".strip()


def _row(title: str, cells: Any) -> str:
    return f"{title:<{_WIDTH}}" + "".join(f"{cell:>16}" for cell in cells)


def _values(record: Mapping[str, Any]) -> list[str]:
    return [f"{record[key]:g}" if key == "median_rank" else f"{record[key]:.3f}" for key in NAMES]


def _signed(key: str, value: float) -> str:
    return f"{value:+g}" if key == "median_rank" else f"{value:+.3f}"


def _range(key: str, interval: Interval) -> str:
    low, high = interval
    return f"{low:.3g} to {high:.3g}" if key == "median_rank" else f"{low:.3f} to {high:.3f}"


def _classes(title: str, found: Classification) -> Iterator[str]:
    record = found.record()
    figures = [f"{name} {record[key]:.3f} ({_range(key, record['interval'][key])})" for name, key in _SCORES.items()]
    yield ""
    yield f"{title}: {', '.join(figures)}; {record['n_clips']:,} sounds, {record['n_classes']:,} classes"
    mistakes = [f"{printable(m['label'])} for {printable(m['predicted'])} {m['n']}" for m in record["confusions"]]
    if mistakes:
        yield f"  most often confused, right class first: {', '.join(mistakes[:5])}"


_SCORES = {"accuracy": "accuracy", "mAP": "map"}


def _moments(record: Mapping[str, Any]) -> str:
    low, high = record["interval"]["found"]
    return (
        f"the best moment holds the known sound: {record['found']:.3f} ({low:.3f} to {high:.3f}) of "
        f"{record['n_queries']:,}, by chance {record['chance']:.3f}"
    )


def _pairs(figures: Mapping[str, Any]) -> str:
    there = {name: value for name, value in figures.items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in there.items())
