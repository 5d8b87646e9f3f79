"""A query, understood."""

from dataclasses import dataclass, field
from pathlib import Path

from clapsearch.criteria import Criteria


@dataclass(frozen=True)
class Phrase:
    """Words to sound like, or, with a negative weight, not to.

    Attributes
    ----------
    text : str
    weight : float
    is_exact : bool
        Quoted: in names and metadata its words stand in a row.
    """

    text: str
    weight: float = 1.0
    is_exact: bool = False


@dataclass(frozen=True)
class Likeness:
    """A sound file to sound like, or not to."""

    file: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Query:
    """What to look for.

    Attributes
    ----------
    phrases : tuple of Phrase
    likenesses : tuple of Likeness
    criteria : Criteria
        What everything found must meet.
    min_score : float or None
        Lowest cosine.
    """

    phrases: tuple[Phrase, ...] = ()
    likenesses: tuple[Likeness, ...] = ()
    criteria: Criteria = field(default_factory=Criteria)
    min_score: float | None = None

    @property
    def wanted(self) -> tuple[Phrase, ...]:
        """The phrases to sound like."""
        return tuple(phrase for phrase in self.phrases if phrase.weight > 0)

    @property
    def share_in_words(self) -> float:
        """How much of what it wants it says in words, 0 to 1, and not by a sound."""
        said = sum(phrase.weight for phrase in self.wanted)
        shown = sum(each.weight for each in self.likenesses if each.weight > 0)
        return said / (said + shown) if said else 0.0

    @property
    def is_sounding(self) -> bool:
        """Whether it says what something is to sound like, and not only which files it may be."""
        return bool(self.phrases or self.likenesses)
