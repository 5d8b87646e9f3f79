"""The verb ``eval``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clapsearch import __version__, api
from clapsearch.cli import options
from clapsearch.cli.progress import progress_bar
from clapsearch.errors import UsageError
from clapsearch.settings import resolve

if TYPE_CHECKING:
    from clapsearch.evaluation.evaluation import Evaluation
    from clapsearch.evaluation.metrics import Outcomes
    from clapsearch.evaluation.run import Bench

MAX_LINES = 20
Splits = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Only sounds of this split.")]


def evaluate(
    manifest: Annotated[
        Path,
        typer.Argument(metavar="MANIFEST", help="A csv or jsonl file (path, caption, label), or a known data set."),
    ],
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="DIR", help="Where paths start. [default: beside the manifest]")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="ID|FOLDER|mini",
            help="The CLAP weights to measure. [env: CLAPSEARCH_CHECKPOINT; default: laion/clap-htsat-fused]",
        ),
    ] = None,
    split: Splits = None,
    fold: Annotated[str | None, typer.Option("--fold", metavar="N", help="Only sounds of this fold.")] = None,
    where: options.Where = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            metavar="TEXT",
            help="Zero-shot prompt; {} is the label; several are averaged. [default: This is a sound of {}.]",
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="A linear probe too, by folds or on what --split or --fold leave out.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="With --probe: draw the embedding space to a PNG.")
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            "--choice",
            metavar="NAME",
            help="Measure a default against its alternatives: treatment, prompt, int16, hop, mode, minus, mix or all.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Compare with what an earlier run printed with --json."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Keep the embeddings here for the next run. [default: none]"),
    ] = None,
    as_json: options.AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a sound is missing or fails.")] = False,
    device: options.Device = "auto",
    workers: options.Workers = None,
    offline: options.Offline = False,
) -> None:
    """Measure how well a checkpoint finds the sounds of a manifest.

    Retrieval both ways by label and by caption, and zero-shot classification, through the same search that users get.
    AudioCaps, Clotho, ESC-50, UrbanSound8K, GTZAN, VGGSound and FSD50K are read as they are distributed.
    """
    from clapsearch.evaluation.comparison import read_tasks
    from clapsearch.evaluation.prompts import SOUND_OF
    from clapsearch.evaluation.run import Bench, Request

    settings = resolve(checkpoint=checkpoint, device=device, offline=offline)
    if picture and not probe:
        raise UsageError("--picture draws what --probe looks at; give both")
    names = _choices(choice)
    if names and (against or probe):
        raise UsageError("--choice measures alternatives instead of the whole; leave out --probe and --against")
    others = read_tasks(against) if against else None
    request = Request(
        manifest=manifest,
        audio=audio,
        where=options.columns(where, split=split, fold=fold),
        templates=template or (SOUND_OF,),
        is_strict=strict,
        work=work,
        n_workers=api.n_workers(workers),
    )
    with progress_bar() as on_progress, Bench(settings, request, on_progress) as bench:
        if names:
            _show_choices(bench, names, as_json)
        else:
            _show(bench.evaluate(probe=probe, picture=picture), against, others, as_json)


def _choices(names: Sequence[str] | None) -> list[str]:
    from clapsearch.evaluation.choices import CHOICES

    wanted = list(CHOICES) if "all" in (names or ()) else list(dict.fromkeys(names or ()))
    for name in wanted:
        if name not in CHOICES:
            raise UsageError(f"--choice is {name}; it is one of {', '.join(CHOICES)}, all")
    return wanted


def _show_choices(bench: "Bench", names: Sequence[str], as_json: bool) -> None:
    from clapsearch.evaluation import report

    found = []
    for choice in bench.choices(names):
        found.append(choice)
        if not as_json:
            typer.echo(report.choice_table(choice) + "\n")
    if as_json:
        typer.echo(json.dumps({"choices": {choice.name: choice.record() for choice in found}}, indent=2))


def _show(found: "Evaluation", against: Path | None, others: "Mapping[str, Outcomes] | None", as_json: bool) -> None:
    from clapsearch.evaluation import report
    from clapsearch.evaluation.comparison import compare, comparison_record

    _tell(found)
    comparison = compare(found.tasks(), others) if others is not None else None
    if as_json:
        compared = {"against": comparison_record(comparison)} if comparison else {}
        typer.echo(json.dumps({"clapsearch": __version__, **found.record(), **compared}, indent=2, ensure_ascii=False))
        return
    typer.echo(report.table(found))
    if comparison:
        typer.echo("\n" + report.comparison_table(comparison, str(against)))


def _tell(found: "Evaluation") -> None:
    """Say on stderr what was not measured, and why."""
    from clapsearch.present import plural, printable

    lines = [f"missing: {printable(path)}" for path in found.missing[:MAX_LINES]]
    lines += [f"skipping {printable(path)}: {printable(reason)}" for path, reason in found.failed[:MAX_LINES]]
    for what, n in (("missing", len(found.missing)), ("failed", len(found.failed))):
        lines += [f"clapsearch: {plural(n, 'sound')} {what}; --json lists them all"] if n else []
    lines += [f"clapsearch: {note}" for note in found.notes]
    for line in lines:
        typer.echo(line, err=True)
