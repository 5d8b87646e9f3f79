"""The benchmarks at a tiny size: that they run and say what they should, never how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import phrases, synthetic, table
from bench.table import Sample

from clapsearch.evaluation.clips import Clip

BENCH = Path(__file__).parent / "bench" / "bench.py"
SIZES = {"sounds": 1_500, "vectors": 1_000, "indexed": 10, "files": 3, "runs": 1}


def bench(work: Path, *words: str) -> dict[str, Any]:
    """Run the command; returns what it wrote."""
    sizes = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, BENCH, "--work", work, "--tiny", *sizes, *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (work / "bench.md").read_text().split("\n\n")[1].strip() in printed
    parts = json.loads((work / "bench.json").read_text())
    assert {"versions", "machine", "load", "took"} <= set(parts["about"])
    return {figure["name"]: figure for figure in parts["figures"]}


def test_sections(tmp_path: Path) -> None:
    """One that runs, and one that fails, which is a line of the table."""
    figures = bench(tmp_path, "--only", "many", "stock", "--folder", str(tmp_path))
    for rival in ("numpy float32", "faiss IndexFlatIP", "usearch HNSW"):
        figure = figures[f"1,000 vectors: exact search against {rival}"]
        assert len(figure["ours"]["values"]) == len(figure["theirs"]["values"]) > 1
    assert figures["1,000 vectors: exact search"]["target"] == "<= 1.3 times"
    assert figures["stock"]["is_met"] is False
    assert "has 0 different sounds" in figures["stock"]["note"]


@pytest.mark.slow
def test_every_section(tmp_path: Path) -> None:
    figures = bench(tmp_path, "--large")
    assert not {"cold", "million", "stock", "growth", "many"} & set(figures), "a section failed"
    assert figures["question asked before, model files opened"]["is_met"]
    assert figures["cold question"]["target"] == ">= 5 times as fast"
    assert figures["opening, cold"]["target"] == "<= 50.0 ms"
    assert figures["a narrow filter adds"]["target"] == "<= 20.0 ms"
    assert "keep one in a thousand" in figures["a narrow filter adds"]["note"]
    assert figures["index, whole process"]["theirs"]["values"]
    for name in ("index", "rescan", "snapshot", "exact search", "whole search"):
        assert "bound by" in figures[f"slope of {name}"]["note"]
    for picture in ("writing.svg", "searching.svg"):
        assert "slope" in (tmp_path / picture).read_text()


def test_targets() -> None:
    fast, slow = Sample((1.0, 3.0, 2.0)), Sample((9.0, 11.0, 10.0))
    assert table.faster("x", fast, slow, at_least=5).is_met
    assert not table.faster("x", fast, slow, at_least=5.1).is_met
    assert table.within("x", slow, fast, at_most=5).is_met
    assert not table.within("x", slow, fast, at_most=4.9).is_met
    assert table.alone("x", fast, at_most=2).is_met
    assert not table.alone("x", fast, at_most=1.9).is_met
    assert table.alone("x", fast, at_least=2).is_met
    assert not table.alone("x", fast, at_least=2.1).is_met
    assert table.alone("x", fast).is_met is None


def test_the_table() -> None:
    met = table.faster("search", Sample((0.0123,)), Sample((0.123,)), at_least=5, note="of all")
    lines = table.markdown([met, table.failed("index", ValueError("no sounds\nat all"))]).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        *("search", "12.3 ms", "123 ms", "10.0 times as fast", ">= 5 times as fast", "met", "1", "of all"),
    ]
    assert [cell.strip() for cell in lines[3].split("|")[-3:-1]] == ["", "ValueError: no sounds"]
    assert len(set(map(len, lines))) == 1


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.00064, "s", "640 us"),
        (1.234, "s", "1.23 s"),
        (83.4, "s", "83.4 s"),
        (1.024e9, "B", "1.02 GB"),
        (0.99, "", "0.99"),
    ],
)
def test_quantities(value: float, unit: str, said: str) -> None:
    assert table.quantity(value, unit) == said


def test_synthetic_vectors_have_the_neighbours_that_sounds_have() -> None:
    sounds = np.concatenate(list(synthetic.sounds(3_326, 512))).astype(np.float32)
    cosines = -np.sort(-(sounds[:400] @ sounds.T), axis=1)[:, 1:]
    assert np.median(cosines[:, [0, 9, 99]], axis=0) == pytest.approx([0.95, 0.88, 0.775], abs=0.015)
    by_text = -np.sort(-(synthetic.texts(400, 512) @ sounds.T), axis=1)
    assert np.median(by_text[:, [0, 9]], axis=0) == pytest.approx([0.12, 0.09], abs=0.015)


def test_a_small_library_is_the_start_of_a_large_one() -> None:
    few, many = (np.concatenate(list(synthetic.sounds(n, 64))) for n in (100, 20_100))
    assert (few == many[:100]).all()
    assert len(many) == 20_100
    assert np.unique(many, axis=0).shape == many.shape


def test_phrases_are_right_by_whole_words_of_labels_and_captions() -> None:
    asked = phrases.read_phrases()
    assert len(asked) == len({text for text, _ in asked}) == 40
    clip = Clip("a.wav", captions=("the engine of a car",), labels=("motor",))
    for pattern, right in (("car|cat", True), ("motor", True), ("mot", False), ("ca", False), ("bell", False)):
        assert phrases.is_right(clip, pattern) is right
