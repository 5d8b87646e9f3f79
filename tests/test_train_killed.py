"""``clapsearch train``, killed without a warning: the next run goes on to the same curve and the same weights."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file
from signals import noise

STEPS = 8
SCRIPT = """
import sys
from pathlib import Path
from clapsearch.training import session
from clapsearch.training.batches import BatchOptions
from clapsearch.training.options import TrainingOptions
from clapsearch.training.start import from_checkpoint
from clapsearch.weights import locate

def main():
    manifest, checkpoint, out, work = sys.argv[1:]
    options = TrainingOptions(n_steps=8, batch_size=4, validate_every=4, learning_rate=1e-3, half=False, save_every_s=0)
    request = session.Request(Path(manifest), Path(out), Path(work), n_variants=2, n_workers=1, options=options,
                              batches=BatchOptions(p_mix=0.5, p_fused=0.3))
    start = from_checkpoint(locate(checkpoint))
    found = session.train(request, lambda training, held: start, on_step=lambda step: print(step.number, flush=True))
    print("losses", *found.history.losses)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "split"])
        for i in range(8):
            soundfile.write(tmp_path / f"{i}.wav", noise(0.3, seed=i), 48_000)
            rows.writerow([f"{i}.wav", f"sound {i}", "dev" if i < 2 else "train"])
    return tmp_path / "manifest.csv"


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_curve(manifest: Path, tmp_path: Path, fused_folder: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)

    def run(name: str, *, kill_at: int | None = None) -> tuple[list[int], list[float]]:
        command = [sys.executable, script, manifest, fused_folder, tmp_path / name, tmp_path / f"{name}-work"]
        steps: list[int] = []
        environment = os.environ | {
            "OMP_NUM_THREADS": "1"
        }  # threads that spin would starve each other on a busy machine
        with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, env=environment) as process:
            for line in process.stdout:
                if line.startswith("losses"):
                    return steps, [*map(float, line.split()[1:])]
                steps.append(int(line))
                if steps[-1] == kill_at:
                    process.kill()
        assert process.returncode == -signal.SIGKILL
        return steps, []

    _, straight = run("straight")
    before, _ = run("killed", kill_at=5)
    assert not (tmp_path / "killed").exists()
    after, losses = run("killed")
    assert before[-1] >= 5
    assert 1 < after[0] <= before[-1] + 1
    assert after[-1] == STEPS
    assert losses == pytest.approx(straight, abs=1e-5)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("killed", "straight"))
    for name, value in ours.items():
        assert torch.allclose(value.float(), theirs[name].float(), atol=1e-5), name
