"""Which weights are trained, and the input's normalisation, which never is."""

import numpy as np
import pytest
import torch

from clapsearch.training import towers
from clapsearch.training.precision import half_type

TEXT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT |= {"intermediate_size": 16, "projection_dim": 8}


def test_a_new_tower_is_normalised_by_what_it_is_to_learn_from() -> None:
    model = towers.new_model("mini", TEXT, {}, seed=0)
    rng = np.random.default_rng(0)
    centres = np.linspace(-60, -20, 64, dtype=np.float32)
    log_mels = [centres + 5 * rng.standard_normal((2000, 64), dtype=np.float32) for _ in range(3)]
    towers.normalise_input(model, log_mels)
    norm = model.audio_model.audio_encoder.batch_norm.eval()
    out = norm(torch.from_numpy(log_mels[0].T[None, :, :, None]))[0, :, :, 0]
    assert out.mean(dim=1).detach().numpy() == pytest.approx(np.zeros(64), abs=0.1)
    assert out.std(dim=1).detach().numpy() == pytest.approx(np.ones(64), abs=0.1)


@pytest.mark.parametrize("part", ["all", "audio"])
def test_the_inputs_normalisation_is_not_trained(part: str) -> None:
    model = towers.choose_trained(towers.new_model("mini", TEXT, {}, seed=0), part)
    assert not any(value.requires_grad for value in model.audio_model.audio_encoder.batch_norm.parameters())
    assert model.audio_model.audio_encoder.patch_embed.proj.weight.requires_grad


@pytest.mark.parametrize("instruction", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_computes_in_bfloat16_only_if_it_has_instructions_for_it(monkeypatch, instruction: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instruction: True, "avx2": True})
    assert half_type("cpu") is torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instruction: False, "avx2": True})
    assert half_type("cpu") is None
    assert half_type("cuda") is torch.float16
