"""Charts: what a terminal shows of a timeline, and pictures."""

import os
import sys

import numpy as np
import pytest
from matplotlib import image

from clapsearch.chart import picture, text_chart
from clapsearch.errors import ClapsearchError, UsageError
from clapsearch.timeline import Timeline


def bump(at_s: float, *, duration_s: float = 120.0, window_s: float = 3.0) -> Timeline:
    """One peak, its window in the middle at `at_s`."""
    start_s = np.arange(0, duration_s - window_s + 0.01, window_s / 2)
    scores = np.exp(-(((start_s + window_s / 2 - at_s) / 5) ** 2))
    return Timeline(start_s, start_s + window_s, scores, duration_s)


@pytest.mark.parametrize("width", [20, 61, 80, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_chart_fits_and_marks_the_peak_where_it_is(width, unicode):
    line = bump(60.0)
    chart = text_chart(line, line.peaks(1), width=width, unicode=unicode)
    lines = chart.splitlines()
    assert len(lines) == 7
    assert max(map(len, lines)) <= width
    assert abs(lines[0].index("1") - width / 2) <= 1 + width / 80
    top = lines[1]
    assert abs((len(top) + len(top) - len(top.lstrip())) / 2 - width / 2) <= 1 + width / 80
    assert chart.isascii() is not unicode


def test_height_is_the_score():
    line = Timeline(np.arange(8) * 10.0, np.arange(8) * 10.0 + 10, np.arange(8.0), 80.0)
    curve = text_chart(line, [], width=80).splitlines()[1:5]
    heights = [sum(" ▁▂▃▄▅▆▇█".index(row.ljust(80)[column]) for row in curve) for column in range(5, 80, 10)]
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (1, 32)


def test_times_stand_where_they_are():
    line = bump(100.0, duration_s=7300.0, window_s=10.0)
    axis, times = text_chart(line, [], width=73).splitlines()[-2:]
    assert times.split() == ["0:00", "20:00", "40:00", "1:00:00", "1:20:00", "1:40:00"] or times.split()[0] == "0:00"
    for label, at_s in (("0:00", 0), ("1:00:00", 3600)):
        assert times.index(label) == int(at_s / 7300 * 73)
        assert axis[times.index(label)] == "┬"


@pytest.mark.parametrize("scores", [[1.0], [2.0, 2.0, 2.0], [-5.0, -4.0]])
def test_flat_and_tiny_ones(scores):
    start_s = np.arange(len(scores)) * 0.1
    line = Timeline(start_s, start_s + 0.1, np.array(scores), 0.3)
    assert "0:00" in text_chart(line, line.peaks(), width=40)


def test_a_long_recording_shows_a_short_peak():
    """The best window of a column counts, not the mean."""
    start_s = np.arange(0, 7200, 1.5)
    scores = np.zeros(len(start_s))
    scores[2400] = 1.0
    chart = text_chart(Timeline(start_s, start_s + 3, scores, 7201.5), [], width=80).splitlines()
    assert chart[1].strip() == "█"


def test_a_pause_is_blank():
    line = Timeline(np.array([0.0, 30.0]), np.array([10.0, 40.0]), np.array([1.0, 2.0]), 40.0)
    *_, lowest, _axis, _times = text_chart(line, [], width=40).splitlines()
    assert lowest.strip("▁█ ") == ""
    assert lowest[2:8].strip() == "▁" * 5 or lowest[3:7] == "▁" * 4
    assert lowest[12:30].strip() == ""
    assert lowest[33:37] == "█" * 4


def test_a_picture(tmp_path):
    line = bump(60.0)
    picture(tmp_path / "line.png", line, line.peaks(), title="$rain_1$ \N{CJK UNIFIED IDEOGRAPH-96E8}\n")
    assert image.imread(tmp_path / "line.png").std() > 0.01
    assert os.listdir(tmp_path) == ["line.png"]


def test_pictures_that_cannot_be(tmp_path, monkeypatch):
    line = bump(60.0)
    with pytest.raises(UsageError, match=r"ends in \.png"):
        picture(tmp_path / "line.txt", line, [], title="")
    with pytest.raises(ClapsearchError, match="no such folder"):
        picture(tmp_path / "no" / "line.png", line, [], title="")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ClapsearchError, match=r"needs matplotlib; pip install 'clapsearch\[eval\]'"):
        picture(tmp_path / "line.png", line, [], title="")
    assert os.listdir(tmp_path) == []


def test_a_picture_on_a_full_disk(small_disk):
    status = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize))
    with pytest.raises(ClapsearchError, match=r"cannot write .*line\.png: No space"):
        picture(small_disk / "line.png", bump(60.0), [], title="")
    assert os.listdir(small_disk) == ["ballast"]
