"""``clapsearch search`` as users type it: every example of the page, every form of output, every line that helps."""

import csv
import io
import json
import os
import shlex
import shutil
from contextlib import closing
from pathlib import Path

import m3u8
import numpy as np
import pytest
import rpp
from test_cli import cli, indexed, kept
from test_query import EXAMPLES, PAGE

from clapsearch.cli import showing
from clapsearch.cli.app import run
from clapsearch.search import _moments
from clapsearch.store import Library

__all__ = ["cli", "indexed", "kept"]


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict]:
    """Search, and return what JSON says."""
    assert run(["search", *arguments, "--all", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def names(records: list[dict]) -> list[str]:
    return [Path(record["path"]).name for record in records]


@pytest.fixture
def at_home(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The indexed sounds, from a folder that has the files which the page's examples name."""
    for name in ("ref.wav", "other.wav"):
        shutil.copy(indexed / "long.wav", indexed.parent / name)
    monkeypatch.chdir(indexed.parent)
    return indexed


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_page_is_answered(at_home: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert run(["search", text]) == 0
    assert "cannot" not in capsys.readouterr().err


def test_the_commands_of_the_page_are_answered(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    clapsearch")]
    assert len(lines) >= 2
    for line in lines:
        assert run(shlex.split(line)[1:]) == 0, line
        assert capsys.readouterr().out.startswith("rank")


def test_filters_and_words_as_flags_and_as_one_line(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_line = found(capsys, "rain in:group1 -sound4 ext:wav dur:<2")
    by_flags = found(
        *(
            capsys,
            "rain",
            "--under",
            str(indexed / "group1"),
            "--not",
            "sound4",
            "--ext",
            "wav",
            "--max-duration",
            "1.9",
        )
    )
    assert by_line == by_flags
    assert names(by_line)
    assert all("/group1/" in record["path"] for record in by_line)


def test_an_exact_name_comes_first(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("sound5.wav", "sound3"):
        assert names(found(capsys, name))[0].startswith(name)


def test_words_need_no_model(
    indexed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clapsearch.choice.embedder_for_questions", lambda *_: pytest.fail("a model was asked for"))
    records = found(capsys, "sound2", "--mode", "words")
    assert names(records) == ["sound2.wav"]
    assert records[0]["score"] is None
    assert names(found(capsys, "in:group0 dur:<100")) == sorted(names(found(capsys, "in:group0")))


def test_every_form_is_read_back_by_others(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = found(capsys, "rain")
    paths = [record["path"] for record in records]

    def printed(form: str) -> str:
        assert run(["search", "rain", "--all", form]) == 0
        return capsys.readouterr().out

    assert [json.loads(line)["path"] for line in printed("--jsonl").splitlines()] == paths
    rows = list(csv.DictReader(io.StringIO(printed("--csv"), newline="")))
    assert [row["path"] for row in rows] == paths
    assert float(rows[0]["score"]) == pytest.approx(records[0]["score"])
    assert [segment.uri for segment in m3u8.loads(printed("--m3u8")).segments] == paths
    project = rpp.loads(printed("--rpp"))
    assert [source.find("FILE")[1] for source in project.findall(".//SOURCE")] == paths
    assert printed("--paths").splitlines() == paths
    assert printed("-0").split("\0")[:-1] == paths


def test_the_reason_is_said(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "sound2 + rain", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "name: [sound 2]" in out
    assert "heard: sound2 " in out
    assert ", what is called so " in out
    assert " by sound" in out
    records = found(capsys, "sound2 -rain", "--explain")
    assert set(records[0]["why"]["parts"]) == {"sound2", "-rain"}
    (record,) = (record for record in records if record["path"].endswith("sound2.wav"))
    assert record["why"]["ranks"]["words"] == 1
    assert record["why"]["namesakes"] == pytest.approx(1, abs=1e-3)  # to itself


def test_moments_of_a_long_sound_are_listed(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = found(capsys, "rain name:long")
    assert record["start_s"] == record["moments"][0]["start_s"]
    assert run(["search", "rain name:long", "--moments"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(record["moments"])


def test_moments_do_not_overlap_and_are_best_first() -> None:
    scores = np.array([0.1, 0.5, 0.4, 0.2, 0.3, 0.45])  # at 0, 5, 10, 15, 20 and, right-aligned, 22 s
    found = list(_moments(scores, 32.0, 10.0))
    assert [(each.start_s, each.end_s, each.score) for each in found] == [(5, 15, 0.5), (22, 32, 0.45)]


def test_searches_are_saved_and_asked_again(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["save", "doors", "ext:wav rain in:group1"]) == 0
    assert run(["saved"]) == 0
    assert capsys.readouterr().out == "doors  ext:wav rain in:group1\n"
    assert found(capsys, "--saved", "doors") == found(capsys, "ext:wav rain in:group1")
    assert found(capsys, "--saved", "doors", "dur:<9") == found(capsys, "ext:wav rain in:group1 dur:<9")
    assert found(capsys, "--saved", "doors", "dur:<0.01") == []
    assert run(["save", "doors", "--forget"]) == 0
    for arguments in (["search", "--saved", "doors"], ["save", "doors", "--forget"]):
        assert run(arguments) == 1
        assert capsys.readouterr().err == "clapsearch: no search is saved as 'doors'; clapsearch saved lists them\n"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["search", 'rain "tin'], 2, "clapsearch: cannot read the query: this quote is not closed"),
        (["search"], 2, "clapsearch: the query is empty"),
        (["search", "-thunder"], 2, 'goes after --: clapsearch search -- "-thunder rain"'),
        (["search", "--", "-thunder"], 2, "clapsearch: only what is unwanted is named"),
        (["search", "rain", "--csv", "--json"], 2, "clapsearch: --json and --csv are 2 forms of output; choose one"),
        (["search", "rain", "--mode", "smell"], 2, "clapsearch: --mode is smell; it is one of hybrid, sound, words"),
        (["search", "like:gone.wav", "--mode", "words"], 2, "clapsearch: --mode words compares words only"),
        (["search", "rain like:gone.wav", "--mode", "words"], 2, "clapsearch: --mode words compares words only"),
        (["search", "rain", "--mode", "words", "--min-score", "0.1"], 2, "clapsearch: --min-score is a cosine, and"),
        (["search", "ext:wav", "--min-score", "0.1"], 2, "clapsearch: --min-score is a cosine, and filters alone"),
        (["search", "rain", "--min-score", "nan"], 2, "clapsearch: --min-score is nan; it is a cosine"),
        (["search", "rain", "-k", "0"], 2, "clapsearch: -k is 0; ask for at least 1 result"),
        (["search", "like:gone.wav"], 1, "gone.wav: cannot be read: No such file or directory"),
        (["save", "x", 'rain "tin'], 2, "clapsearch: cannot read the query: this quote is not closed"),
        (["save", "x"], 2, "clapsearch: save takes a NAME and a QUERY, or a NAME and --forget"),
    ],
)
def test_what_cannot_be_asked_is_explained(
    indexed: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, line: str
) -> None:
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err


def test_nothing_found_is_no_error(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "rain dur:>1000"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "clapsearch: nothing found; no sound meets all filters and words: leave some out\n"


def test_nothing_as_near_as_wanted_names_what_was_wanted(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "rain", "--min-score", "1"]) == 0
    assert capsys.readouterr().err.startswith("clapsearch: nothing found with --min-score 1; a lower one")


def test_takes_that_are_not_named_are_counted(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(indexed / "long.wav", indexed / "longer.wav")
    assert run(["index", "--device", "cpu"]) == 0
    capsys.readouterr()

    def said(*arguments: str) -> str:
        assert run([*arguments]) == 0
        return capsys.readouterr().err

    counted = "clapsearch: left out 1 file nearly the same as these; --all lists them\n"
    for form in ("--paths", "-0", "--csv", "--m3u8", "--rpp"):
        assert said("search", "rain", form) == counted
        assert said("search", "rain", form, "--all") == ""
        assert said("search", "ext:wav", form) == ""  # a list has them
    for form in ("--json", "--jsonl", "--moments"):
        assert said("search", "rain", form) == ""
    assert said("similar", str(indexed / "group0" / "sound0.wav"), "--paths") == counted
    assert said("similar", str(indexed / "group0" / "sound0.wav")) == ""


def test_that_nothing_matches_well_is_said_whatever_number_is_shown(
    indexed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = found(capsys, "sound3")
    first, best = records[0]["score"], max(record["score"] for record in records)
    assert first < best  # it comes first by its name
    with closing(Library.open(Path(os.environ["CLAPSEARCH_LIBRARY"]))) as library, library.writing() as writing:
        writing.set_background(np.array([(first + best) / 2], "<f4").tobytes())

    def is_said(top: int) -> bool:
        assert run(["search", "sound3", "-k", str(top)]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 1 + top
        return "nothing here matches well: for 100% of ordinary queries" in err

    assert [is_said(top) for top in (1, 2, 9)] == [False] * 3
    monkeypatch.setattr(showing, "JUDGED", 1)
    assert [is_said(top) for top in (1, 2, 9)] == [True] * 3


def test_a_sound_is_no_result_of_itself(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = os.fspath(indexed / "long.wav")
    assert "long.wav" not in names(found(capsys, f"like:{file} + rain"))
