"""Evaluations as tables for people. Pure functions."""

from collections.abc import Iterator, Mapping
from typing import Any

from clapsearch.evaluation.choices import Choice
from clapsearch.evaluation.classification import Classification
from clapsearch.evaluation.comparison import Comparison
from clapsearch.evaluation.evaluation import Evaluation, task_record
from clapsearch.evaluation.metrics import NAMES, Interval
from clapsearch.evaluation.minus import DEPTH, Minus
from clapsearch.present import plural, printable

_TITLES = ("R@1", "R@5", "R@10", "mAP@10", "median rank")
_TASKS = {"text_to_audio": "text to audio", "audio_to_text": "audio to text", "mixed": "a sound + a label,"}
_QUESTIONS = {
    "treatment": "which vectors of a sound longer than one window answer for it",
    "prompt": "what is put around a text",
    "int16": "rounding the waveform through int16",
    "hop": "from one moment to the next",
    "mode": "by sound, by what files and folders are called, or both",
    "mix": "how the parts of a query of words and a sound are added",
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


def choice_table(choice: Choice | Minus) -> str:
    """Return one choice: every way, and its paired difference from what clapsearch does."""
    if isinstance(choice, Minus):
        return _minus_table(choice)
    record = choice.record()
    width = max(_WIDTH, *(len(_title(task)) + 2 for task in choice.variants[choice.default]))
    lines = [f"{choice.name}: {_QUESTIONS[choice.name]}; clapsearch does: {choice.default}"]
    for task in choice.variants[choice.default]:
        n_queries = len(choice.variants[choice.default][task].queries)
        titles = f"{'R@1':>7}{'R@10':>8}{'mAP@10':>8}  difference in mAP@10 (95 %)"
        lines += ["", f"{_title(task):<{width}}{titles}  queries: {n_queries:,}"]
        for way, tasks in record["variants"].items():
            lines.append(_choice_row(way, tasks[task], width))
    for way, tasks in record["variants"].items():
        if "moments" in tasks:
            found = tasks["moments"]
            lines += [] if lines[-1].startswith("  moments") else [""]
            lines.append(f"  moments {way}: {_moments(found)}, {found['n_vectors']:,} vectors")
    return "\n".join(lines)


def _choice_row(way: str, found: Mapping[str, Any], width: int) -> str:
    row = f"  {way:<{width - 2}}{found['recall@1']:>7.3f}{found['recall@10']:>8.3f}{found['map@10']:>8.3f}"
    if "difference" not in found:
        return row
    low, high = found["interval"]
    return f"{row}  {found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _minus_table(found: Minus) -> str:
    record = found.record()
    (wanted, unwanted), default = found.pairs[0], record["default"]
    lines = [
        f"minus: A alone, and less x, which is taken for it most often; clapsearch does: -{default}:x for -x",
        f"{plural(record['n_pairs'], 'pair')}, such as {printable(wanted)} -{printable(unwanted)}",
    ]
    for mode, ways in record["modes"].items():
        lines += ["", f"{mode:<{_WIDTH}}{f'x among the first {DEPTH}':<36}A among the first {DEPTH}"]
        for weight, figures in ways.items():
            cells = [f"{_changed(figures, name):<36}" for name in ("unwanted", "wanted")]
            lines.append(f"  {'A' if weight == '0' else f'A -{weight}:x':<{_WIDTH - 2}}{''.join(cells)}".rstrip())
    return "\n".join([*lines, "", "after each figure: its difference from A alone, and the 95 % interval of that"])


def _changed(figures: Mapping[str, Any], name: str) -> str:
    if f"{name}_difference" not in figures:
        return f"{figures[name]:.3f}"
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.3f}  {figures[f'{name}_difference']:+.3f} ({low:+.3f} to {high:+.3f})"


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
