"""The picture shows the two principal components, takes any label, and is written whole or not at all."""

import sys
from pathlib import Path

import numpy as np
import pytest
from clusters import clusters, unit
from matplotlib.image import imread
from sklearn.decomposition import PCA

from clapsearch.drawing import check_picture
from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.evaluation import picture
from clapsearch.evaluation.picture import draw, pca


@pytest.mark.parametrize(("n", "dim"), [(300, 64), (20, 64), (5, 2)])
def test_the_components_are_those_of_scikit_learn(n: int, dim: int) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((n, dim)) * np.linspace(3, 1, dim) + 1)
    points, explained = pca(vectors)
    model = PCA(2, svd_solver="full")
    expected = model.fit_transform(vectors.astype(np.float64))
    assert (points.shape, points.dtype) == ((n, 2), np.float64)
    np.testing.assert_allclose(points, expected * np.sign((points * expected).sum(axis=0)), atol=1e-9)
    np.testing.assert_allclose(explained, model.explained_variance_ratio_, atol=1e-9)


def test_the_components_do_not_turn_round() -> None:
    vectors, _ = clusters(4, 20)
    points, _ = pca(vectors)
    np.testing.assert_array_equal(pca(vectors)[0], points)
    np.testing.assert_allclose(pca(vectors[::-1])[0], points[::-1], atol=1e-9)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    directions = centred.T @ points  # along each component, its length aside
    assert (directions[np.abs(directions).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("n", [1, 3])
def test_equal_vectors_have_no_variance(n: int) -> None:
    points, explained = pca(np.tile(np.float32([0.6, 0.8, 0]), (n, 1)))
    np.testing.assert_allclose(points, 0, atol=1e-7)
    np.testing.assert_array_equal(explained, 0)


def colours(path: Path) -> set[str]:
    pixels = np.round(imread(path)[..., :3] * 255).astype(int).reshape(-1, 3)
    codes, counts = np.unique(pixels @ [1 << 16, 1 << 8, 1], return_counts=True)
    return {f"#{code:06x}" for code in codes[counts > 50]}


def words(path: Path) -> str:
    return path.read_text(encoding="utf-8")  # matplotlib notes each text in a comment


def test_ten_classes_have_a_colour_and_the_rest_is_grey(tmp_path: Path) -> None:
    vectors, labels = clusters(13, 30, noise=0.1)
    vectors, labels = vectors[:-15], labels[:-15]  # the last is the rarest
    draw(tmp_path / "all.png", vectors, labels, checkpoint="mini")
    assert {*picture._COLOURS, picture._REST} <= colours(tmp_path / "all.png")
    draw(tmp_path / "some.svg", vectors[:300], labels[:300], checkpoint="mini")
    assert "all others" not in words(tmp_path / "some.svg")
    assert picture._REST not in words(tmp_path / "some.svg")
    draw(tmp_path / "all.svg", vectors, labels, checkpoint="mini")
    assert picture._REST in words(tmp_path / "all.svg")
    text = words(tmp_path / "all.svg")
    assert "class 09 (30)" in text
    assert "class 10" not in text
    assert "all others (75)" in text
    assert "mini, 375 sounds" in text


def test_the_axes_say_how_much_they_explain(tmp_path: Path) -> None:
    vectors, labels = clusters(3, 20)
    draw(tmp_path / "p.svg", vectors, labels, checkpoint="mini")
    for i, share in enumerate(pca(vectors)[1], start=1):
        assert f"principal component {i} ({share:.1%} of the variance)" in words(tmp_path / "p.svg")


def test_a_clip_with_several_labels_has_the_colour_of_the_most_frequent(tmp_path: Path) -> None:
    vectors, labels = clusters(2, 10)
    draw(
        tmp_path / "p.svg", vectors, [(*some, "sound") if i else some for i, some in enumerate(labels)], checkpoint="m"
    )
    assert "sound (19)" in words(tmp_path / "p.svg")
    assert "class 00 (1)" in words(tmp_path / "p.svg")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_any_text_is_a_label(tmp_path: Path, suffix: str) -> None:
    names = [
        "_hidden",
        r"$\frac{$",
        "a_b^c $x$",
        "\N{BELL} 门铃 🔔",
        "\ud800",
        "line\nbreak",
        "%s {0} & <b>",
        "x" * 500,
    ]
    vectors, _ = clusters(len(names), 4)
    labels = [(name,) for name in np.repeat(np.array(names, dtype=object), 4)]
    path = tmp_path / f"p{suffix}"
    draw(path, vectors, labels, checkpoint=r"$\frac_{/models/ \x")
    assert path.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix[1:].lower()])


def test_names_are_shown_as_they_are_and_alike_ones_both(tmp_path: Path) -> None:
    vectors, labels = clusters(4, 5)
    names = ["_hidden", "$x_1$ & y", "long " * 20 + "a", "long " * 20 + "b"]
    draw(tmp_path / "p.svg", vectors, [(names[int(some[0][-2:])],) for some in labels], checkpoint="mini")
    text = words(tmp_path / "p.svg")
    assert "<!-- _hidden (5) -->" in text
    assert "<!-- $x_1$ &amp; y (5) -->" in text
    assert text.count("long long long long long long... (5)") == 2


def test_a_picture_is_the_same_twice_and_leaves_nothing_else(tmp_path: Path) -> None:
    vectors, labels = clusters(3, 20)
    for name in ("a.png", "b.png", "a.png"):
        draw(tmp_path / name, vectors, labels, checkpoint="mini")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_one_clip_is_a_picture(tmp_path: Path) -> None:
    draw(tmp_path / "p.png", clusters(1, 1)[0], [("only",)], checkpoint="mini")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_what_is_no_picture_is_refused_before_the_work(tmp_path: Path) -> None:
    for name in ("p.gif", "p"):
        with pytest.raises(UsageError, match=rf"^cannot draw .*{name}: .* \.png or \.svg or \.pdf$"):
            check_picture(tmp_path / name)
    with pytest.raises(ClapsearchError, match=r"^cannot write .*/none/p.png: no such folder; make it first$"):
        check_picture(tmp_path / "none" / "p.png")
    check_picture(tmp_path / "p.Svg")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_one_line_and_nothing_stays(tmp_path: Path) -> None:
    vectors, labels = clusters(2, 5)
    (tmp_path / "p.png").mkdir()
    with pytest.raises(ClapsearchError, match=r"^cannot write .*/p.png: Is a directory; choose another place$"):
        draw(tmp_path / "p.png", vectors, labels, checkpoint="mini")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
    with pytest.raises(ClapsearchError, match=r"^cannot write .*: File name too long; "):
        draw(tmp_path / f"{'p' * 252}.png", vectors, labels, checkpoint="mini")


def test_without_matplotlib_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(ClapsearchError, match=r"^a picture needs matplotlib; pip install 'clapsearch\[eval\]'$"):
        check_picture(tmp_path / "p.png")
