"""What a search is limited to: place, name, metadata, numbers. Pure values; the store makes SQL of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; None is no limit.

    Attributes
    ----------
    has_low, has_high : bool
        Whether the limit itself is in it.
    """

    low: float | None = None
    high: float | None = None
    has_low: bool = True
    has_high: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether no number can be in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and not (self.has_low and self.has_high))

    @property
    def is_bounded(self) -> bool:
        """Whether it has both limits: a value, or from one to another."""
        return self.low is not None and self.high is not None

    @property
    def outside(self) -> "tuple[Range, ...]":
        """The ranges of the numbers that are not in it."""
        below = [] if self.low is None else [Range(None, self.low, has_high=not self.has_low)]
        above = [] if self.high is None else [Range(self.high, None, has_low=not self.has_high)]
        return (*below, *above)

    def __and__(self, other: "Range") -> "Range":
        """Return the numbers that are in both."""
        low, has_low = _tighter(self.low, self.has_low, other.low, other.has_low, max)
        high, has_high = _tighter(self.high, self.has_high, other.high, other.has_high, min)
        return Range(low, high, has_low, has_high)


def common(some: Iterable[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """Return the ranges of the numbers that are in one of some and in one of others."""
    both = (one & other for one in some for other in others)
    return tuple(each for each in both if not each.is_empty)


@dataclass(frozen=True)
class Choice:
    """Values of which one must apply, and values of which none may."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Criteria:
    """All must apply.

    Attributes
    ----------
    under : Choice
        Folders: absolute paths, or names (of one or several folders in a row) found anywhere in a path.
    ext : Choice
        Endings of file names, lower case, without the dot.
    cat : Choice
        UCS CatIDs or categories, lower case.
    name, tag : Choice
        Words in a row, in the name or in the metadata.
    numbers : tuple of (column, ranges)
        Column is ``duration_s``, ``sr`` (Hz), ``channels`` or ``dated`` (unix seconds). One of its ranges must apply;
        there is at least one.
    """

    under: Choice = field(default_factory=Choice)
    ext: Choice = field(default_factory=Choice)
    cat: Choice = field(default_factory=Choice)
    name: Choice = field(default_factory=Choice)
    tag: Choice = field(default_factory=Choice)
    numbers: tuple[tuple[str, tuple[Range, ...]], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self != Criteria()


def _tighter(
    one: float | None, has_one: bool, other: float | None, has_other: bool, of: object
) -> tuple[float | None, bool]:
    if one is None or other is None:
        return (other, has_other) if one is None else (one, has_one)
    if one == other:
        return one, has_one and has_other
    is_one = (one > other) == (of is max)
    return (one, has_one) if is_one else (other, has_other)
