"""Dates as recorders and taggers write them."""

from datetime import UTC, datetime

import pytest

from clapsearch.metadata.dates import unix_s


def unix(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "date", ["2021-05-04", "2021:05:04", "2021_05_04", "2021/05/04", "2021.05.04", "20210504", " 2021 05 04 "]
)
@pytest.mark.parametrize("time", ["12:34:56", "12-34-56", "12.34.56", "123456"])
def test_separators_differ(date: str, time: str) -> None:
    assert unix_s(date, time) == unix(2021, 5, 4, 12, 34, 56)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2021", (2021, 1, 1)),
        ("2021-05", (2021, 5, 1)),
        ("2021-05-04", (2021, 5, 4)),
        ("2021-05-04T12:34:56", (2021, 5, 4, 12, 34, 56)),
        ("2021-05-04T12:34:56.789Z", (2021, 5, 4, 12, 34, 56)),
        ("2021-05-04 12:34", (2021, 5, 4, 12, 34)),
        ("2021-05-04T12:34:56+02:00", (2021, 5, 4, 10, 34, 56)),
        ("2021-05-04T22:34:56-0530", (2021, 5, 5, 4, 4, 56)),
        ("2021-05-04T99:99:99", (2021, 5, 4)),
        ("2021-05-04 around noon", (2021, 5, 4)),
        ("1970", (1970, 1, 1)),  # a year is no clock
    ],
)
def test_dates_of_tags(text: str, when: tuple[int, ...]) -> None:
    assert unix_s(text) == unix(*when)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "0000-00-00",
        "2021-13-01",
        "2021-02-30",
        "1600-01-01",
        "9999",
        "1970-01-01",
        "1904-01-01T00:00:00Z",
        "04.05.2021",
        "٢٠٢١",
    ],
)
def test_what_makes_no_sense_is_none(text: str) -> None:
    assert unix_s(text, "12:00:00") is None
