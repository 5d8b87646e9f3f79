"""Both orders in one: names first, exact within filters, and the same wherever vectors are."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import pytest
from catalogue import Entry, add, ask, paths, score
from test_store import CHECKPOINT, unit_rows

from clapsearch import candidates, snapshot
from clapsearch.errors import UsageError
from clapsearch.query import Query, parse
from clapsearch.search import MODES, Hit
from clapsearch.store import Library, finding

VECTOR = unit_rows(1, seed=12345)[0]


def best(entries: list[Entry], vector: np.ndarray = VECTOR) -> list[str]:
    """Return the paths of sounds by brute force: by score, ties by path."""
    return [each.path for each in sorted(entries, key=lambda each: (-score(each, vector), os.fsencode(each.path)))]


def far() -> np.ndarray:
    """Return the vector of a sound that sounds least like the question."""
    return -VECTOR[None]


def shelf_of(n: int) -> list[Entry]:
    """Return sounds of three folders, endings and lengths, none of which says a word."""
    ext = ("wav", "flac", "mp3")
    return [
        Entry(f"/sounds/{'abc'[i % 3]}/{i:04}.{ext[i // 3 % 3]}", duration_s=1 + i % 10, sr=44_100 + 3_900 * (i % 2))
        for i in range(n)
    ]


@pytest.fixture
def many(library: Library) -> list[Entry]:
    """300 nameless sounds."""
    entries = shelf_of(300)
    add(library, entries)
    return entries


# By words and by sound.


def test_an_exact_name_comes_first_whatever_it_sounds_like(library: Library, many: list[Entry]) -> None:
    named = Entry("/sounds/deep/ThunderClap_02.wav", vectors=far())
    near = [Entry(f"/sounds/thunder clap 2 {i}.wav", vectors=VECTOR[None]) for i in range(5)]
    add(library, [named, *near])
    for text in ("thunder clap 2", "ThunderClap_02", "thunderclap 02.wav", '"Thunder Clap 002"', "thunder + clap + 2"):
        hits = ask(library, VECTOR, parse(text))
        assert hits[0].path == Path(named.path), text
        assert hits[0].places["name"] == 1
        assert hits[0].score == pytest.approx(-1, abs=1e-3)
        assert all("name" not in hit.places for hit in hits[1:])


@pytest.mark.parametrize("mode", ["hybrid", "words"])
def test_an_exact_name_is_not_buried_under_a_thousand_longer_ones(library: Library, mode: str) -> None:
    tags = " ".join(f"word{i}" for i in range(500))  # a long description: BM25 likes it least
    named = Entry("/sounds/zz/Rain Storm.mp3", tags=tags, vectors=far())
    others = [Entry(f"/sounds/rain storm {i}.mp3", vectors=VECTOR[None]) for i in range(1000)]
    add(library, [*others, named])
    for text in ("rain storm", "rainStorm.mp3"):
        assert paths(ask(library, VECTOR, parse(text), mode=mode, top_k=2))[0] == named.path


def test_an_ending_is_that_of_the_name(library: Library) -> None:
    add(library, [Entry("/sounds/rain.wav"), Entry("/sounds/rain.mp3"), Entry("/sounds/rain mp.wav")])

    def called(text: str) -> list[str]:
        return sorted(hit.path.name for hit in ask(library, None, parse(text), mode="words") if "name" in hit.places)

    assert called("rain") == ["rain.mp3", "rain.wav"]
    assert called("rain.mp3") == ["rain.mp3"]
    assert called("rain.wav") == ["rain.wav"]
    assert called("rain mp") == ["rain mp.wav"]
    assert called("rain.flac") == []


def test_a_good_sound_without_a_name_and_a_name_without_a_good_sound_both_rise(
    library: Library, many: list[Entry]
) -> None:
    add(library, [Entry("/sounds/rain on leaves.wav", vectors=far()), Entry("/sounds/x.wav", vectors=VECTOR[None])])
    top = paths(ask(library, VECTOR, parse("rain"), top_k=5))
    assert {"/sounds/rain on leaves.wav", "/sounds/x.wav"} <= set(top)


@pytest.mark.parametrize("text", ["rain", "rain on a tin roof", "the of", '"rain tin"', "2:rain + wind"])
def test_without_a_word_in_common_hybrid_is_sound_to_the_order(library: Library, many: list[Entry], text: str) -> None:
    by_sound = ask(library, VECTOR, parse(text), mode="sound", top_k=300)
    assert paths(by_sound) == best(many)
    for top_k in (1, 10, 300):
        hybrid = ask(library, VECTOR, parse(text), top_k=top_k)
        assert [(hit.path, hit.score) for hit in hybrid] == [(hit.path, hit.score) for hit in by_sound[:top_k]]


def test_words_need_no_vector_and_have_scores_with_one(library: Library, many: list[Entry]) -> None:
    add(library, [Entry("/sounds/heavy rain.wav"), Entry("/sounds/light rain.wav"), Entry("/sounds/snow.wav")])
    without = ask(library, None, parse("heavy rain"), mode="words")
    assert [hit.path.name for hit in without] == ["heavy rain.wav", "light rain.wav"]
    assert all(math.isnan(hit.score) and hit.moments == () for hit in without)
    assert [hit.places for hit in without] == [{"name": 1, "words": 1}, {"words": 2}]
    scored = ask(library, VECTOR, parse("heavy rain"), mode="words")
    assert paths(scored) == paths(without)
    assert [hit.score for hit in scored] == pytest.approx([score(Entry(path), VECTOR) for path in paths(scored)])


def test_a_word_in_a_name_says_more_than_one_in_a_folder_or_a_description(library: Library) -> None:
    entries = [Entry("/sounds/a/a rain.wav"), Entry("/sounds/rain/a.wav"), Entry("/sounds/a/b.wav", tags="rain")]
    add(library, entries)
    assert paths(ask(library, None, parse("rain"), mode="words"))[0] == "/sounds/a/a rain.wav"


def test_sound_alone_knows_no_names(library: Library, many: list[Entry]) -> None:
    named = Entry("/sounds/rain.wav", vectors=far())
    add(library, [named])
    hits = ask(library, VECTOR, parse("rain"), mode="sound", top_k=1000)
    assert paths(hits) == best([*many, named])
    assert all(set(hit.places) == {"sound"} for hit in hits)


def test_equal_places_are_ordered_by_path(library: Library) -> None:
    entries = [Entry(f"/sounds/{name}", vectors=VECTOR[None]) for name in ("b rain.wav", "a rain.wav", "c rain.wav")]
    add(library, entries)
    expected = sorted(each.path for each in entries)
    for mode in MODES:
        assert paths(ask(library, VECTOR, parse("rain"), mode=mode)) == expected, mode
    assert paths(ask(library, None, parse("ext:wav"))) == expected


def test_there_are_three_modes(library: Library) -> None:
    with pytest.raises(UsageError, match="hybrid, sound, words"):
        ask(library, VECTOR, mode="semantic")


@pytest.mark.parametrize("text", ["like:a.wav", "rain like:a.wav", "rain -like:a.wav"])
def test_a_search_by_words_drops_no_sound_silently(library: Library, text: str) -> None:
    with pytest.raises(UsageError, match="compares words only; leave out like:"):
        ask(library, None, parse(text), mode="words")


def test_a_search_by_words_needs_one_that_is_wanted(library: Library) -> None:
    with pytest.raises(UsageError, match="say what is wanted, too"):
        ask(library, None, parse("-rain"), mode="words")


# What names teach.

RAIN, ELSE = unit_rows(2, seed=777)


def near(vector: np.ndarray, seed: int) -> np.ndarray:
    """Return the vector of a sound that is much like another."""
    both = vector + 0.3 * unit_rows(1, seed=seed)[0]
    return (both / np.linalg.norm(both))[None]


@pytest.fixture
def rains(library: Library, many: list[Entry]) -> list[Entry]:
    """Three sounds called rain, in a direction in which the text does not point, and one that is called nothing."""
    entries = [Entry(f"/sounds/rain {i}.wav", vectors=near(RAIN, i)) for i in range(3)]
    entries.append(Entry("/sounds/z.wav", vectors=near(RAIN, 9)))
    add(library, entries)
    return entries


def mean(entries: list[Entry]) -> np.ndarray:
    """Return the mean of whole sounds as they are stored, unit norm."""
    total = np.sum([each.vectors[0].astype(np.float16).astype(np.float32) for each in entries], axis=0)
    return total / np.linalg.norm(total)


def by_sound(hits: list[Hit]) -> list[str]:
    """Return the paths of hits in their order by sound."""
    return paths(sorted((hit for hit in hits if "sound" in hit.places), key=lambda hit: hit.places["sound"]))


def test_the_order_by_sound_is_by_the_query_and_by_what_is_called_so(
    library: Library, rains: list[Entry], many: list[Entry]
) -> None:
    alone = ask(library, VECTOR, parse("rain"), mode="sound", top_k=1000)
    assert {hit.namesakes for hit in alone} == {None}
    hits = ask(library, VECTOR, parse("rain"), top_k=1000)
    namesakes = mean(rains[:3])
    both = VECTOR + namesakes
    expected = best([*many, *rains], both / np.linalg.norm(both))
    assert by_sound(hits) == expected
    unnamed = rains[-1].path  # rises because it is like them
    assert expected.index(unnamed) < paths(alone).index(unnamed)
    (hit,) = (hit for hit in hits if hit.path == Path(unnamed))
    assert hit.namesakes == pytest.approx(score(rains[-1], namesakes), abs=1e-6)
    assert hit.score == pytest.approx(score(rains[-1], VECTOR), abs=1e-6)  # still the cosine to the query


def test_names_teach_the_less_the_less_they_say(library: Library, rains: list[Entry]) -> None:
    unnamed = Path(rains[-1].path)

    def place(text: str) -> int:
        hits = ask(library, VECTOR, parse(text), top_k=1000)
        return next(hit.places["sound"] for hit in hits if hit.path == unnamed)

    places = [place(text) for text in ("rain", "rain zeppelin", "rain zeppelin gondola hangar")]
    assert places == sorted(set(places))


def test_only_what_says_most_of_the_query_teaches(library: Library, rains: list[Entry]) -> None:
    other = Entry("/sounds/heavy rain.wav", vectors=near(ELSE, 1))
    add(library, [other])
    likeness = {str(hit.path): hit.namesakes for hit in ask(library, VECTOR, parse("heavy rain"), top_k=1000)}
    for entry in [*rains, other]:
        assert likeness[entry.path] == pytest.approx(score(entry, mean([other])), abs=1e-6)


def test_a_sound_in_the_query_leaves_names_less_to_say() -> None:
    assert parse("2:rain like:a.wav").share_in_words == pytest.approx(2 / 3)
    assert parse("rain -thunder -like:a.wav").share_in_words == 1
    assert parse("like:a.wav").share_in_words == 0


def test_names_of_the_opposite_leave_the_query_as_it_is(library: Library, many: list[Entry]) -> None:
    add(library, [Entry("/sounds/rain.wav", vectors=far())])
    hits = ask(library, VECTOR, parse("rain"), top_k=1000)
    assert paths([hit for hit in hits if "name" not in hit.places]) == best(many)[: len(hits) - 1]


@pytest.mark.parametrize("least", [-0.05, 0.02, 0.2, 0.999_99])
def test_all_of_the_lowest_score_wanted_are_found_whatever_names_teach(
    library: Library, rains: list[Entry], many: list[Entry], least: float
) -> None:
    found = ask(library, VECTOR, replace(parse("rain"), min_score=least), top_k=1000)
    expected = [path for path in best([*many, *rains]) if score_of(path, [*many, *rains]) >= least]
    assert sorted(paths(found)) == sorted(expected)
    few = ask(library, VECTOR, replace(parse("rain"), min_score=least), top_k=3)
    assert paths(few) == paths(found)[:3]


def test_what_is_near_the_query_is_found_behind_many_that_are_nearer_to_what_names_teach(library: Library) -> None:
    called = Entry("/sounds/rain.wav", vectors=near(-VECTOR, 1))
    both = VECTOR + mean([called])
    crowd = [Entry(f"/sounds/{i}.wav", vectors=(both / np.linalg.norm(both))[None]) for i in range(250)]
    wanted = [Entry(f"/sounds/x{i}.wav", vectors=VECTOR[None]) for i in range(2)]
    add(library, [called, *crowd, *wanted])
    found = ask(library, VECTOR, replace(parse("rain"), min_score=0.9), top_k=5)
    assert paths(found) == [each.path for each in wanted]


def score_of(path: str, entries: list[Entry]) -> float:
    return next(score(each, VECTOR) for each in entries if each.path == path)


# Within filters.

FILTERS: dict[str, Callable[[Entry], bool]] = {
    "ext:wav": lambda each: each.path.endswith(".wav"),
    "in:/sounds/a": lambda each: each.path.startswith("/sounds/a/"),
    "dur:<3 sr:48k": lambda each: each.duration_s < 3 and each.sr == 48_000,
    "in:b -ext:mp3 dur:4": lambda each: "/b/" in each.path and not each.path.endswith("mp3") and each.duration_s == 4,
    "dur:>50": lambda each: False,
    "-ext:ogg": lambda each: True,
}


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("few", [finding.FEW, 0], ids=["from the few", "from all"])
@pytest.mark.parametrize("published", ["no snapshot", "half"])
def test_filters_are_exact(
    library: Library, text: str, few: int, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    monkeypatch.setattr(candidates, "_MIN_CANDIDATES", 4)
    monkeypatch.setattr(candidates, "_MAX_CANDIDATES", 50)  # so that a wide search gives up, too
    entries = shelf_of(120)
    add(library, entries[:60])
    if published == "half":
        assert snapshot.refresh(library)
    add(library, entries[60:])
    expected = best([each for each in entries if FILTERS[text](each)])
    for top_k in (1, 7, 1000):
        assert paths(ask(library, VECTOR, parse(text), top_k=top_k)) == expected[:top_k]
        for mode in ("sound", "hybrid"):  # the words are nobody's
            hits = ask(library, VECTOR, parse(f"rain {text}"), mode=mode, top_k=top_k)
            assert paths(hits) == expected[:top_k]
    assert paths(ask(library, None, parse(text), top_k=1000)) == sorted(expected)


@pytest.mark.parametrize("few", [finding.FEW, 0], ids=["from the few", "from all"])
def test_a_filter_whose_sounds_are_all_far_away(library: Library, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    monkeypatch.setattr(candidates, "_MAX_CANDIDATES", 100)
    near = [Entry(f"/sounds/{i:04}.wav", vectors=VECTOR[None]) for i in range(1500)]
    distant = [Entry(f"/sounds/{i:04}.aif", vectors=far()) for i in range(3)]
    add(library, [*near, *distant])
    assert paths(ask(library, VECTOR, parse("ext:aif"))) == [each.path for each in distant]


def test_words_meet_filters(library: Library) -> None:
    add(library, [Entry("/sounds/a/rain.wav"), Entry("/sounds/b/rain.wav"), Entry("/sounds/b/rain.mp3")])
    for mode in ("words", "hybrid"):
        assert paths(ask(library, VECTOR, parse("rain in:/sounds/b -ext:mp3"), mode=mode)) == ["/sounds/b/rain.wav"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("few", [finding.FEW, 0], ids=["from the few", "from all"])
def test_what_is_missing_or_excluded_is_not_found(
    library: Library, few: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    names = [f"/sounds/rain {i}.wav" for i in range(6)]
    add(library, [Entry(name) for name in names])
    with library.writing() as writing:
        writing.mark_missing([1], missing_since=5.0)
    for text in ("rain", "rain ext:wav"):
        hits = ask(library, VECTOR, parse(text), mode=mode, exclude=[Path(names[2])])
        assert sorted(paths(hits)) == [names[1], *names[3:]]


@pytest.mark.parametrize("text", ["rain", "ext:wav"])
def test_what_is_excluded_takes_nobodys_place(library: Library, text: str) -> None:
    entries = [Entry(f"/sounds/rain {i:04}.wav") for i in range(400)]
    add(library, entries)
    hits = ask(library, None, parse(text), top_k=300, mode="words", exclude=[Path(entries[3].path)])
    assert len(hits) == 300


def test_roots_that_are_not_there_are_left_out_of_every_order(library: Library, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "rain.wav").touch()
    entries = [Entry(f"{tmp_path}/here/rain.wav"), Entry(f"{tmp_path}/gone/rain.wav")]
    add(library, entries, roots=[f"{tmp_path}/here", f"{tmp_path}/gone"])
    for mode in MODES:
        for text in ("rain", "rain ext:wav"):
            hits = ask(library, VECTOR, parse(text), mode=mode)
            assert [(str(hit.path), hit.is_offline) for hit in hits if hit.is_offline] == [(entries[1].path, True)]
            from clapsearch.search import search

            assert paths(search(library, VECTOR, parse(text), mode=mode)) == [entries[0].path]


# Scores, takes, standing.


@pytest.mark.parametrize("mode", ["hybrid", "sound"])
@pytest.mark.parametrize("least", [-1.0, 0.0, 0.5, 0.99, 1.0])
def test_the_lowest_score_wanted(library: Library, many: list[Entry], mode: str, least: float) -> None:
    query = replace(parse("rain"), min_score=least)
    expected = [path for path in best(many) if score(Entry(path), VECTOR) >= least]
    assert paths(ask(library, VECTOR, query, mode=mode, top_k=1000)) == expected
    assert paths(ask(library, VECTOR, query, mode=mode, top_k=5)) == expected[:5]


@pytest.mark.parametrize(("text", "mode"), [("rain", "words"), ("ext:wav", "hybrid"), ("ext:wav", "words")])
def test_a_lowest_score_of_what_has_none_is_refused(library: Library, many: list[Entry], text: str, mode: str) -> None:
    with pytest.raises(UsageError, match=r"--min-score is a cosine, and .* none; leave"):
        ask(library, None, parse(text, min_score=0.1), mode=mode)


@pytest.mark.parametrize("least", [math.nan, 1.1, -1.1, math.inf])
def test_a_lowest_score_is_a_cosine(library: Library, least: float) -> None:
    with pytest.raises(UsageError, match="it is a cosine, from -1 to 1"):
        ask(library, VECTOR, parse("rain", min_score=least))


def test_a_score_that_nothing_has_does_not_rank_the_whole_library(
    library: Library, many: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    by_sound = candidates.Candidates.by_sound

    def counted(self: candidates.Candidates, vector: np.ndarray, n: int) -> list:
        asked.append(n)
        return by_sound(self, vector, n)

    monkeypatch.setattr(candidates.Candidates, "by_sound", counted)
    assert ask(library, VECTOR, replace(parse("rain"), min_score=0.999_99)) == []
    assert asked == [200]


def test_the_lowest_score_wanted_holds_for_names_too(library: Library, many: list[Entry]) -> None:
    add(library, [Entry("/sounds/rain.wav", vectors=far())])
    assert "/sounds/rain.wav" not in paths(ask(library, VECTOR, replace(parse("rain"), min_score=0.0), top_k=1000))


@pytest.fixture
def takes(library: Library) -> list[Entry]:
    """Three takes of one sound, one longer, and another sound."""
    near = VECTOR + 0.02 * unit_rows(3, seed=1)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    entries = [Entry(f"/sounds/take {i}.wav", vectors=near[i, None]) for i in range(3)]
    entries += [Entry("/sounds/long.wav", 5.0, vectors=near[:1]), Entry("/sounds/other.wav", vectors=far())]
    add(library, entries)
    return entries


def test_takes_that_are_nearly_the_same_are_one_hit(library: Library, takes: list[Entry]) -> None:
    hits = ask(library, VECTOR, collapse=True)
    ranked = best(takes)
    first = [path for path in ranked if "take" in path]
    long = next(i for i, hit in enumerate(hits) if hit.path.name == "long.wav")
    assert paths(hits[1 - long : 2 - long]) == first[:1]
    assert [str(path) for path in hits[1 - long].takes] == first[1:]
    assert [hit.takes for hit in hits if "take" not in hit.path.name] == [(), ()]
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_all_shows_every_take(library: Library, takes: list[Entry]) -> None:
    hits = ask(library, VECTOR, collapse=False)
    assert paths(hits) == best(takes)
    assert all(hit.takes == () for hit in hits)


def test_what_filters_list_is_never_folded(library: Library, takes: list[Entry]) -> None:
    hits = ask(library, None, parse("ext:wav"), collapse=True)
    assert paths(hits) == sorted(each.path for each in takes)
    assert all(hit.takes == () for hit in hits)
    assert len(ask(library, VECTOR, parse("take ext:wav"), collapse=True)) < len(takes)


def test_takes_do_not_use_up_the_results(library: Library, many: list[Entry]) -> None:
    add(library, [Entry(f"/sounds/take {i:03}.wav", 99.0, vectors=VECTOR[None]) for i in range(400)])
    hits = ask(library, VECTOR, collapse=True, top_k=3)
    assert len(hits) == 3
    assert len(hits[0].takes) == 399
    words = ask(library, None, parse("take"), mode="words", collapse=True)
    assert len(words) == 1


def test_standing_is_the_share_of_ordinary_texts_that_find_nothing_as_near(library: Library, many: list[Entry]) -> None:
    scores = np.array([-0.5, 0.0, 0.5, 0.9], "<f4")
    with library.writing() as writing:
        writing.set_background(scores.tobytes())
    for hit in ask(library, VECTOR, parse("rain"), top_k=300):
        assert hit.standing == (scores < hit.score).mean()
    assert all(hit.standing is None for hit in ask(library, None, parse("0001"), mode="words"))
    for text in ("like:a.wav", "rain like:a.wav", "rain -thunder", "ext:wav"):
        assert {hit.standing for hit in ask(library, VECTOR, parse(text))} == {None}, text


def test_standing_is_of_the_checkpoint_that_searches(library: Library, many: list[Entry]) -> None:
    with library.writing() as writing:
        writing.set_background(np.zeros(4, "<f4").tobytes())
        writing.activate(writing.add_checkpoint(replace(CHECKPOINT, backend="torch-cuda")))
    assert {hit.standing for hit in ask(library, VECTOR, parse("rain"))} == {None}


def test_filters_alone_are_a_list_by_path(library: Library, many: list[Entry]) -> None:
    hits = ask(library, None, parse("ext:flac dur:<4"), top_k=5)
    expected = [each.path for each in many if PurePath(each.path).suffix == ".flac" and each.duration_s < 4]
    assert paths(hits) == sorted(expected)[:5]
    assert all(math.isnan(hit.score) and hit.places == {} for hit in hits)
    assert ask(library, None, Query(), top_k=1000)
