"""``clapsearch train``: a checkpoint that opens, a run that goes on as if nothing had been, a line for bad input."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from signals import noise
from transformers import ClapModel

import clapsearch
from clapsearch.cli.app import run
from clapsearch.errors import ClapsearchError, StoppedError, UsageError
from clapsearch.evaluation.manifest import read_manifest
from clapsearch.evaluation.split import keys
from clapsearch.training import session
from clapsearch.training.batches import BatchOptions
from clapsearch.training.loop import Step
from clapsearch.training.options import TrainingOptions
from clapsearch.training.start import from_checkpoint
from clapsearch.weights import locate

LABELS = ("rain", "wind", "dog")
STEPS = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen short sounds and a long one with a manifest; four are held out, and two takes of theirs."""
    folder = tmp_path_factory.mktemp("made")
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "label", "split", "group", "licence", "author"])
        for i in range(17):
            duration_s = 12.0 if i == 16 else 0.3
            soundfile.write(folder / f"{i:02}.wav", noise(duration_s, seed=i), 48_000)
            split, label = "dev" if i < 4 else "train", LABELS[i % 3]
            group = f"take {i % 4 if i in {4, 5} else i}"
            rows.writerow(
                [
                    f"{i:02}.wav",
                    f"a {label} number {i // 3}",
                    label,
                    split,
                    group,
                    "CC-BY-4.0" if i < 12 else "CC0-1.0",
                    f"author {i % 2}",
                ]
            )
    return folder


@pytest.fixture(scope="module")
def request_of(made: Path, tmp_path_factory: pytest.TempPathFactory):
    """Make a request for a run of six steps in a folder of its own; spectrograms are shared."""
    home = tmp_path_factory.mktemp("runs")

    def make(name: str, **choices) -> session.Request:
        work = home / f"{name}-work"
        work.mkdir(exist_ok=True)
        if not (work / "features").exists():
            (home / "features").mkdir(exist_ok=True)
            (work / "features").symlink_to(home / "features")
        numbers = {"n_steps": STEPS, "batch_size": 4, "validate_every": 3, "learning_rate": 1e-3, "half": False}
        options = TrainingOptions(**{**numbers, **choices.pop("options", {})})
        batches = BatchOptions(p_mix=0.5, p_fused=0.3)
        manifest = made / "manifest.csv"
        return session.Request(manifest, home / name, work, n_variants=2, batches=batches, options=options, **choices)

    return make


@pytest.fixture
def start(fused_folder: Path):
    return lambda: lambda training, held: from_checkpoint(locate(str(fused_folder)))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(folder: Path, before: Path) -> set[str]:
    """Return the first word of every weight that is not as it was."""
    ours, theirs = weights(folder), weights(before)
    return {name.split(".")[0] for name in ours if not torch.equal(ours[name].float(), theirs[name].float())}


def test_the_result_opens_in_transformers_and_in_clapsearch(
    request_of, start, made: Path, tmp_path: Path, fused_folder: Path
) -> None:
    steps: list[Step] = []
    request = request_of("whole")
    found = session.train(request, start(), on_step=steps.append)
    assert (found.n_training, found.n_validation, found.failed) == (11, 6, [])
    assert [step.number for step in steps] == list(range(1, STEPS + 1))
    assert [step.score is not None for step in steps] == [False, False, True] * 2
    assert changed(request.out, fused_folder) >= {"audio_model", "text_model", "audio_projection", "logit_scale_a"}
    assert all(value.dtype in {torch.float16, torch.int64} for value in weights(request.out).values())
    _, report = ClapModel.from_pretrained(request.out, output_loading_info=True)
    assert not report["missing_keys"]
    with clapsearch.open(tmp_path / "library.sqlite3", checkpoint=str(request.out), device="cpu") as library:
        assert library.index([made]).indexed == 17
        assert len(library.search("rain", collapse=False)) == 10


def test_the_model_card_tells_of_the_run(request_of, start) -> None:
    request = request_of("whole")
    if not request.out.exists():
        session.train(request, start())
    card = (request.out / "README.md").read_text()
    for part in (
        "| sounds | 11 |",
        "| held out for validation | 6 |",
        "CC-BY-4.0",
        "- author 0, CC-BY-4.0\n- author 1, CC-BY-4.0",
        "| n_steps | 6 |",
        "| seed | 0 |",
    ):
        assert part in card


@pytest.mark.parametrize("part", ["all", "audio"])
def test_a_run_that_was_stopped_goes_on_to_the_same_curve_and_weights(request_of, start, part: str) -> None:
    straight = request_of(f"straight-{part}", part=part)
    one = session.train(straight, start())
    stopped = request_of(f"stopped-{part}", part=part)
    n_steps = iter(range(100))
    seen: list[Step] = []
    with pytest.raises(StoppedError, match="stopped early, after step 4; the same command goes on from here"):
        session.train(stopped, start(), on_step=seen.append, should_stop=lambda: next(n_steps) == 4)
    assert not stopped.out.exists()
    assert len(seen) == 4
    two = session.train(stopped, start())
    assert two.history.losses == pytest.approx(one.history.losses, abs=1e-5)
    assert two.history.scores == one.history.scores
    theirs = weights(straight.out)
    for name, value in weights(stopped.out).items():
        assert torch.allclose(value.float(), theirs[name].float(), atol=1e-5), name


def test_the_seed_decides_the_curve(request_of, start) -> None:
    same, other = ({"seed": seed, "n_steps": 2} for seed in (0, 1))
    curves = [
        session.train(request_of(name, options=options), start()).history.losses
        for name, options in (("seed-a", same), ("seed-b", same), ("seed-c", other))
    ]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("audio", {"audio_model", "audio_projection", "logit_scale_a"}),
        ("heads", {"audio_projection", "text_projection", "logit_scale_a"}),
        ("lora", {"audio_model", "text_model", "audio_projection", "text_projection", "logit_scale_a"}),
    ],
)
def test_only_the_part_named_is_trained(request_of, start, fused_folder: Path, part: str, expected: set[str]) -> None:
    request = request_of(f"part-{part}", part=part, half=False, options={"n_steps": 2})
    session.train(request, start())
    moved = changed(request.out, fused_folder)
    assert moved == expected
    if part == "lora":
        names = [name for name in weights(request.out) if "lora" in name]
        assert names == []


def test_passes_add_up_to_a_step(request_of, start) -> None:
    found = session.train(request_of("passes", options={"n_steps": 2, "n_accumulate": 3}), start())
    assert len(found.history.losses) == 2


def test_a_teachers_classes_join_the_texts(request_of, start, tmp_path: Path) -> None:
    path = tmp_path / "teacher.npz"
    posteriors = np.random.default_rng(0).random((17, 2)).astype(np.float16)
    names = np.array([f"{i:02}.wav" for i in range(17)])
    np.savez(path, paths=names, classes=np.array(["Animal", "Weather"]), mean=posteriors, max=posteriors)
    taught = session.train(request_of("taught", part="audio", teacher=path, options={"n_steps": 2}), start())
    alone = session.train(request_of("alone", part="audio", options={"n_steps": 2}), start())
    assert taught.history.losses != alone.history.losses
    with pytest.raises(UsageError, match="--teacher needs texts that stay where they are; give --train audio, not all"):
        session.train(request_of("both", teacher=path), start())


def test_nothing_held_out_is_learnt_from(made: Path) -> None:
    manifest = read_manifest(made / "manifest.csv")
    training, held = session._sides(manifest, {})
    dev = [clip for clip in manifest.clips if clip.columns["split"] == "dev"]
    learnt = {key for clip in training for key in keys(clip)}
    assert learnt.isdisjoint(key for clip in dev for key in keys(clip))
    assert len(held) == 6  # four, and the takes of two of them


def test_from_the_command_line(
    made: Path, tmp_path: Path, fused_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    arguments = ["train", str(made / "manifest.csv"), "--from", str(fused_folder), "--out", str(out)]
    flags = ["--steps", "2", "--batch-size", "4", "--variants", "1", "--device", "cpu"]
    assert run([*arguments, *flags]) == 0
    printed, said = capsys.readouterr()
    assert "2 steps on 11 sounds, 6 held out, best recall@10 " in printed
    assert f"{out}: use it with clapsearch index FOLDER --checkpoint {out}" in printed
    assert "step 2: loss " in said
    assert run([*arguments, *flags]) == 1
    assert "is there already; give another --out" in capsys.readouterr().err


def test_what_is_not_installed_is_named_before_the_work(request_of, start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ClapsearchError, match=r"training needs librosa and peft; pip install 'clapsearch\[train\]'"):
        session.train(request_of("bare", part="lora"), start())


def test_a_full_disk_leaves_no_half_checkpoint(request_of, start, small_disk: Path) -> None:
    request = replace(request_of("crowded", options={"n_steps": 1}), out=small_disk / "tuned")
    (small_disk / "filler").write_bytes(bytes(4 * 2**20 - 2**15))
    with pytest.raises(ClapsearchError, match=r"tuned needs .* are free; free disk space or give another --out"):
        session.train(request, start())
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_caption_of_three_thousand_words_is_cut_and_told(
    request_of, start, made: Path, tmp_path: Path, caplog
) -> None:
    captions = {"04.wav": "rain " * 3000, "05.wav": "a dog", "06.wav": "wind"}
    request = replace(request_of("wordy", options={"n_steps": 1}), manifest=Path(written(tmp_path, made, captions)))
    found = session.train(request, start())
    assert "1 text of more than 77 tokens: the rest is ignored" in found.notes


def written(folder: Path, made: Path, captions: dict[str, str]) -> str:
    rows = [{"path": str(made / name), "caption": caption, "split": "train"} for name, caption in captions.items()]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "manifest.jsonl")


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ({"00.wav": "rain"}, "1 sound with 1 text to learn from, 0 held out; training takes at least 2 sounds"),
        ({"00.wav": "a", "01.wav": "a"}, "2 sounds with 1 text to learn from, 0 held out"),
        ({"00.wav": "", "01.wav": " "}, "no sound has a caption or label that is not empty"),
        ({"no.wav": "a", "none.wav": "b"}, "nothing to train on: 2 of 2 clips failed"),
    ],
)
def test_too_little_to_learn_from_is_one_line(
    made: Path,
    tmp_path: Path,
    fused_folder: Path,
    capsys: pytest.CaptureFixture[str],
    captions: dict[str, str],
    message: str,
) -> None:
    out = tmp_path / "out"
    code = run(
        ["train", written(tmp_path, made, captions), "--from", str(fused_folder), "--out", str(out), "--steps", "1"]
    )
    err = capsys.readouterr().err
    assert code in {1, 2}
    assert message in err
    assert err.count("\n") == 1
    assert not out.exists()
