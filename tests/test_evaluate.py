"""``clapsearch eval`` as users meet it: tables, JSON, exit codes, and a line for every bad input."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile
from signals import noise

import clapsearch
from clapsearch.cli.app import run

LABELS = ("rain", "wind", "dog")


@pytest.fixture(autouse=True)
def checkpoint(fused_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAPSEARCH_CHECKPOINT", str(fused_folder))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short sounds."""
    folder = tmp_path_factory.mktemp("made")
    for i in range(12):
        soundfile.write(folder / f"{i:02}.wav", noise(0.3 + 0.05 * i, seed=i), 48_000)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Embeddings that all tests share."""
    return str(tmp_path_factory.mktemp("work"))


@pytest.fixture
def write(tmp_path: Path):
    """Write a manifest of the twelve sounds: ``write(label=..., caption=...)``, each a text a row."""

    def written(n: int = 12, **columns: Sequence[str]) -> str:
        with (tmp_path / "manifest.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", *columns])
            rows.writerows([f"{i:02}.wav", *(values[i] for values in columns.values())] for i in range(n))
        return str(tmp_path / "manifest.csv")

    return written


@pytest.fixture
def manifest(write) -> str:
    labels = [LABELS[i % 3] for i in range(12)]
    captions = [f"a {label} in place {i % 6}" for i, label in enumerate(labels)]
    return write(caption=captions, label=labels, fold=[str(1 + i // 4) for i in range(12)])


@pytest.fixture
def evaluate(made: Path, work: str, capsys: pytest.CaptureFixture[str]):
    """Run ``clapsearch eval``; returns exit code, stdout, stderr."""

    def evaluated(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        flags = ["--audio", str(made), "--work", work, "--device", "cpu", "--offline"]
        code = run(["eval", *flags, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return evaluated


def test_json_has_every_task_with_figures_intervals_and_queries(evaluate, manifest: str) -> None:
    code, out, err = evaluate(manifest, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    for task, kind, n_queries in (
        ("text_to_audio", "by_label", 3),
        ("text_to_audio", "by_caption", 6),
        ("audio_to_text", "by_label", 12),
        ("audio_to_text", "by_caption", 12),
    ):
        found = record[task][kind]
        assert found["n_queries"] == n_queries
        assert {"recall@1", "recall@5", "recall@10", "map@10", "median_rank"} <= found.keys()
        assert 0 <= found["interval"]["map@10"][0] <= found["map@10"] <= found["interval"]["map@10"][1] <= 1
        queries = record["queries"][f"{task} {kind}"]
        assert found["recall@1"] == pytest.approx(sum(query["rank"] == 1 for query in queries) / n_queries)
    assert record["zero_shot"]["n_classes"] == 3
    assert record["zero_shot"]["templates"] == ["This is a sound of {}."]
    assert record["n_clips"] == 12
    assert record["checkpoint"]["dim"] > 0


def test_the_table_shows_the_same_figures(evaluate, manifest: str) -> None:
    record = json.loads(evaluate(manifest, "--json")[1])
    code, out, _ = evaluate(manifest)
    assert code == 0
    found = record["text_to_audio"]["by_label"]
    (line,) = [line for line in out.splitlines() if line.startswith("text to audio by label")]
    shown = line.split()[5:]
    assert shown == [
        *(f"{found[name]:.3f}" for name in ("recall@1", "recall@5", "recall@10", "map@10")),
        f"{found['median_rank']:g}",
        "3",
    ]
    assert f"zero-shot (This is a sound of {{}}.): accuracy {record['zero_shot']['accuracy']:.3f}" in out
    assert all(len(line) <= 130 for line in out.splitlines())


def test_a_run_compared_with_itself_differs_by_nothing(evaluate, manifest: str, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    before.write_text(evaluate(manifest, "--json")[1])
    record = json.loads(evaluate(manifest, "--json", "--against", before)[1])["against"]
    assert record["text_to_audio by_label"]["n_queries"] == 3
    assert set(record) >= {"audio_to_text by_caption", "zero_shot"}
    for change in record.values():
        assert set(change["difference"].values()) == {0}
        assert all(bounds == [0, 0] for bounds in change["interval"].values())
    out = evaluate(manifest, "--against", before)[1]
    assert "difference from" in out
    assert "+0.000" in out


def test_another_checkpoint_is_compared_query_by_query(
    evaluate, manifest: str, tmp_path: Path, unfused_folder: Path
) -> None:
    before = tmp_path / "before.json"
    before.write_text(evaluate(manifest, "--json")[1])
    after = json.loads(evaluate(manifest, "--json", "--checkpoint", unfused_folder, "--against", before)[1])
    for kind in ("by_label", "by_caption"):
        change = after["against"][f"audio_to_text {kind}"]
        expected = (
            after["audio_to_text"][kind]["map@10"] - json.loads(before.read_text())["audio_to_text"][kind]["map@10"]
        )
        assert change["difference"]["map@10"] == pytest.approx(expected)


@pytest.mark.parametrize("text", ["no json", "[]", '{"queries": {"zero_shot": [{"rank": 1}]}}', None])
def test_what_is_no_report_cannot_be_compared_with(evaluate, manifest: str, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    code, out, err = evaluate(manifest, "--against", path)
    assert (code, out) == (1, "")
    assert err.startswith("clapsearch: cannot compare with ")
    assert err.count("\n") == 1


def test_runs_without_a_query_in_common_are_not_compared(evaluate, write, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(evaluate(write(n=4, label=["a", "b", "a", "b"]), "--json")[1])
    content = json.loads(report.read_text())
    for records in content["queries"].values():
        for record in records:
            record["query"] += " of another set"
    report.write_text(json.dumps(content))
    code, _, err = evaluate(write(n=4, label=["c", "d", "c", "d"]), "--against", report)
    assert code == 2
    assert "no query in common" in err


def test_fold_split_and_where_choose_sounds(evaluate, manifest: str) -> None:
    assert json.loads(evaluate(manifest, "--fold", "2", "--json")[1])["n_clips"] == 4
    assert json.loads(evaluate(manifest, "--where", "fold=1,3", "--json")[1])["n_clips"] == 8
    code, _, err = evaluate(manifest, "--fold", "7")
    assert (code, err) == (2, "clapsearch: no sound is left with fold=7; fold is one of 1, 2, 3\n")
    code, _, err = evaluate(manifest, "--where", "fold")
    assert (code, err) == (2, "clapsearch: --where is 'fold'; write COLUMN=VALUE, as in kind=sfx,ambience\n")


def test_missing_and_failed_sounds_are_listed_counted_and_strict_stops(
    evaluate, manifest: str, made: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    with Path(manifest).open("a") as file:
        file.write(f"gone.wav,a gone sound,rain,1\n{tmp_path}/broken.wav,a broken sound,wind,1\n")
    code, out, err = evaluate(manifest, "--json")
    assert code == 0
    record = json.loads(out)
    assert record["missing"] == ["gone.wav"]
    assert [bad["path"] for bad in record["failed"]] == [f"{tmp_path}/broken.wav"]
    assert record["n_clips"] == 12
    assert "missing: gone.wav\n" in err
    assert "1 sound missing" in err
    assert f"skipping {tmp_path}/broken.wav: " in err
    code, out, err = evaluate(manifest, "--strict")
    assert (code, out) == (1, "")
    assert err == "clapsearch: 1 sound missing, the first is gone.wav; without --strict the others are measured\n"
    Path(manifest).write_text(Path(manifest).read_text().replace("gone.wav", "00.wav"))
    code, out, err = evaluate(manifest, "--strict")
    assert (code, out) == (1, "")
    assert "1 sound failed, the first is " in err


def test_a_single_sound_is_refused(evaluate, write) -> None:
    code, out, err = evaluate(write(n=1, label=["rain"]))
    assert (code, out) == (2, "")
    assert err == "clapsearch: there is 1 sound to look for; retrieval takes at least 2\n"


def test_a_label_set_of_one_is_told_and_captions_go_on(evaluate, write) -> None:
    code, out, err = evaluate(write(n=4, label=["rain"] * 4, caption=["a", "b", "c", ""]), "--json")
    assert code == 0
    assert "all have the one label 'rain': nothing to tell apart by label" in err
    assert "1 row without a caption" in err
    record = json.loads(out)
    assert set(record["text_to_audio"]) == {"by_caption"}
    assert record["audio_to_text"]["by_caption"]["n_queries"] == 3
    assert "zero_shot" not in record
    code, out, err = evaluate(write(n=4, label=["rain"] * 4))
    assert (code, out) == (2, "")
    assert err == "clapsearch: all have the one label 'rain': nothing to tell apart by label\n"


def test_captions_that_are_all_empty_are_refused(evaluate, write) -> None:
    code, _, err = evaluate(write(n=3, caption=["", " ", ""]))
    assert (code, err) == (2, "clapsearch: no sound has a label or caption that is not empty\n")


def test_templates_are_averaged_and_must_have_a_place_for_the_label(evaluate, manifest: str) -> None:
    flags = ("--template", "{}", "--template", "a recording of {}")
    assert json.loads(evaluate(manifest, "--json", *flags)[1])["zero_shot"]["templates"] == ["{}", "a recording of {}"]
    code, _, err = evaluate(manifest, "--template", "a sound")
    assert code == 2
    assert "'a sound' has no {} where the label goes" in err


def test_choices_name_the_default_and_the_difference_of_every_other_way(evaluate, manifest: str) -> None:
    record = json.loads(evaluate(manifest, "--choice", "treatment", "--choice", "prompt", "--json")[1])["choices"]
    assert list(record) == ["treatment", "prompt"]
    for choice in record.values():
        for way, tasks in choice["variants"].items():
            for found in tasks.values():
                assert ("difference" in found) == (way != choice["default"])
    out = evaluate(manifest, "--choice", "all")[1]
    for name in ("treatment", "prompt", "int16", "hop", "mode", "minus", "mix"):
        assert f"{name}: " in out
    code, _, err = evaluate(manifest, "--choice", "colour")
    names = "treatment, prompt, int16, hop, mode, minus, mix, all"
    assert (code, err) == (2, f"clapsearch: --choice is colour; it is one of {names}\n")
    assert evaluate(manifest, "--choice", "prompt", "--probe")[0] == 2


def test_tables_of_modes_and_of_minus_show_the_figures_of_the_json(evaluate, manifest: str) -> None:
    flags = (manifest, "--choice", "mode", "--choice", "minus")
    record = json.loads(evaluate(*flags, "--json")[1])["choices"]
    code, out, err = evaluate(*flags)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("text to audio by label, all are numbers  "))
    assert lines[at].endswith("queries: 3")
    for way, line in zip(("hybrid", "sound", "words"), lines[at + 1 :], strict=False):
        figures = record["mode"]["variants"][way]["text_to_audio by_label, all are numbers"]
        assert line.split()[:4] == [way, *(f"{figures[name]:.3f}" for name in ("recall@1", "recall@10", "map@10"))]
    at = next(i for i, line in enumerate(lines) if line.startswith("hybrid ") and "among the first" in line)
    assert lines[at + 1].split() == [
        "A",
        *(f"{record['minus']['modes']['hybrid']['0'][name]:.3f}" for name in ("unwanted", "wanted")),
    ]
    figures = record["minus"]["modes"]["hybrid"]["1"]
    assert lines[at + 3].split()[:4] == [
        "A",
        "-1:x",
        f"{figures['unwanted']:.3f}",
        f"{figures['unwanted_difference']:+.3f}",
    ]


def test_a_probe_learns_each_fold_from_the_others_and_draws_the_space(evaluate, manifest: str, tmp_path: Path) -> None:
    picture = tmp_path / "space.png"
    record = json.loads(evaluate(manifest, "--probe", "--picture", picture, "--json")[1])
    assert record["probe"]["n_clips"] == 12
    assert record["probe"]["n_classes"] == 3
    assert set(record["separation"]) == {"silhouette", "within", "between", "nearest_neighbour"}
    assert len(record["queries"]["probe"]) == 12
    assert picture.read_bytes().startswith(b"\x89PNG")
    out = evaluate(manifest, "--probe")[1]
    assert f"linear probe: accuracy {record['probe']['accuracy']:.3f}" in out


def test_a_probe_learns_from_what_a_fold_leaves_out_but_never_from_other_takes_of_it(evaluate, write) -> None:
    labels, folds = [LABELS[i % 3] for i in range(12)], [str(1 + i // 6) for i in range(12)]
    groups = [f"{i % 9}" for i in range(12)]  # 0, 1 and 2 have a take in both folds
    manifest = write(label=labels, fold=folds, group=groups)
    record = json.loads(evaluate(manifest, "--fold", "1", "--probe", "--json")[1])
    assert record["probe"]["n_clips"] == 6
    same = write(label=labels, fold=folds, group=["all one"] * 12)
    code, _, err = evaluate(same, "--fold", "1", "--probe")
    assert (code, err) == (2, "clapsearch: --probe has no sounds to learn from: --split and --fold leave none out\n")


def test_labels_of_one_sound_are_told_and_left_out_of_the_probe(evaluate, write) -> None:
    labels = ["rain", "wind"] * 5 + ["dog", "cat"]
    code, out, err = evaluate(write(label=labels), "--probe", "--json")
    assert code == 0
    assert "clapsearch: the probe leaves out 2 labels whose sounds are all of one group of takes\n" in err
    assert json.loads(out)["probe"]["n_clips"] == 10
    code, _, err = evaluate(write(n=4, label=["a", "b", "c", "d"]), "--probe")
    assert code == 2
    assert "the sounds of every label are of one group of takes" in err
    code, _, err = evaluate(write(n=4, caption=["a", "b", "c", "d"]), "--probe")
    assert (code, err) == (2, "clapsearch: --probe needs labels; the manifest has none\n")


def test_a_picture_that_cannot_be_drawn_stops_before_the_work(evaluate, manifest: str, tmp_path: Path) -> None:
    code, _, err = evaluate(manifest, "--picture", tmp_path / "x.png")
    assert (code, err) == (2, "clapsearch: --picture draws what --probe looks at; give both\n")
    code, _, err = evaluate(manifest, "--probe", "--picture", tmp_path / "x.bmp")
    assert code == 2
    assert "ends in .png or .svg or .pdf" in err
    code, _, err = evaluate(manifest, "--probe", "--picture", tmp_path / "none" / "x.png")
    assert code == 1
    assert "no such folder" in err


def test_from_python(manifest: str, made: Path, work: str) -> None:
    found = clapsearch.evaluate(manifest, audio=made, where={"fold": ["1", "2"]}, work=work, device="cpu", offline=True)
    assert found.n_clips == 8
    assert found.record()["text_to_audio"]["by_label"]["n_queries"] == 3


def test_without_a_work_folder_nothing_is_left_behind(
    manifest: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(made.iterdir())
    assert run(["eval", manifest, "--audio", str(made), "--device", "cpu"]) == 0
    assert list(scratch.iterdir()) == []
    assert sorted(made.iterdir()) == before
