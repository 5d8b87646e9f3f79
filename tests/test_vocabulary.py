"""Candidate texts come from a file, a list or the package, and their probabilities are the model's own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clapsearch.clap import ClapEmbedder
from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.vocabulary import candidates, describe, read_labels

LABELS = ["a dog barking", "rain on a tin roof", "glass breaking", "wind", "a bell", "an engine", "steps"]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_built_in_vocabulary_is_large_and_clean() -> None:
    labels = candidates(None)
    assert len(labels) >= 400
    assert len(set(labels)) == len(labels)
    assert all(label == label.strip() and label for label in labels)


def test_a_label_file(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.txt", "rain\n\n# a comment\n  a   dog\tbarking \n   # another\nrain\nwind #2\n")
    assert candidates(path) == candidates(str(path)) == ["rain", "a dog barking", "wind #2"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_count(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "labels.txt", "\ufeff" + end.join(["rain", "wind", "Regen, Glück"]))
    assert read_labels(path) == ["rain", "wind", "Regen, Glück"]


def test_a_comment_behind_a_byte_order_mark_is_one(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path / "labels.txt", "\ufeff# header\nrain\n")) == ["rain"]


@pytest.mark.parametrize("content", ["Glück".encode("latin-1"), "rain".encode("utf-16"), b"\x80"], ids=str)
def test_a_file_that_is_not_utf8(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ClapsearchError, match=r"^cannot read labels from .*: it is not UTF-8 text; give a text file"):
        read_labels(write(tmp_path / "labels.txt", content))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ClapsearchError, match=r"^cannot read labels from .*nope\.txt: No such file or directory; give"):
        read_labels(tmp_path / "nope.txt")


def test_a_folder_is_no_label_file(tmp_path: Path) -> None:
    with pytest.raises(ClapsearchError, match="Is a directory"):
        read_labels(tmp_path)


@pytest.mark.parametrize("content", ["", "\n\n", "# only\n# comments\n", "\ufeff"])
def test_a_file_without_a_label(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match=r"no label in .*; write one a line"):
        read_labels(write(tmp_path / "labels.txt", content))


def test_a_list_is_taken_as_it_is() -> None:
    assert candidates(["b", "a"]) == candidates(("b", "a")) == ["b", "a"]
    with pytest.raises(UsageError, match="no labels to choose from"):
        candidates([])


def test_descriptions_are_ranked_by_cosine(fused: ClapEmbedder) -> None:
    sound = fused.embed_text(["rain"])[0]
    cosines = fused.embed_text(LABELS) @ sound
    found = describe(sound, fused, LABELS, top_k=3)
    assert [description.rank for description in found] == [1, 2, 3]
    assert [description.text for description in found] == [LABELS[i] for i in np.argsort(-cosines)[:3]]
    assert np.allclose([description.score for description in found], np.sort(cosines)[::-1][:3], atol=1e-6)


def test_probabilities_are_a_softmax_over_all_labels_at_the_learnt_scale(fused: ClapEmbedder) -> None:
    sound = fused.embed_text(["rain"])[0]
    logits = fused.logit_scale * (fused.embed_text(LABELS) @ sound).astype(np.float64)
    wanted = np.exp(logits) / np.exp(logits).sum()
    found = describe(sound, fused, LABELS, top_k=99)
    assert len(found) == len(LABELS)
    assert sum(description.probability for description in found) == pytest.approx(1)
    by_text = {description.text: description.probability for description in found}
    assert [by_text[text] for text in LABELS] == pytest.approx(wanted.tolist())


def test_a_short_list_shown_leaves_the_probabilities_alone(fused: ClapEmbedder) -> None:
    sound = fused.embed_text(["rain"])[0]
    assert describe(sound, fused, LABELS, top_k=2) == describe(sound, fused, LABELS, top_k=99)[:2]
    assert sum(description.probability for description in describe(sound, fused, LABELS, top_k=2)) < 1


def test_equal_scores_keep_the_order_of_the_labels(fused: ClapEmbedder) -> None:
    found = describe(np.zeros(32, np.float32), fused, LABELS, top_k=4)  # all cosines are 0
    assert [description.text for description in found] == LABELS[:4]
    assert [description.probability for description in found] == pytest.approx([1 / len(LABELS)] * 4)


def test_one_label_is_certain(fused: ClapEmbedder) -> None:
    (only,) = describe(fused.embed_text(["rain"])[0], fused, ["wind"])
    assert (only.rank, only.text, only.probability) == (1, "wind", 1.0)


def test_the_whole_vocabulary_describes_a_sound(fused: ClapEmbedder) -> None:
    found = describe(fused.embed_text(["rain"])[0], fused, candidates(None))
    assert len(found) == 10
    assert all(a.score >= b.score for a, b in pairwise(found))
