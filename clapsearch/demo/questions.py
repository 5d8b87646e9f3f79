"""Everyday questions for the demo sounds, and the kinds of sound that answer each.

The questions were written before any of them was asked, and stay as they are: a hard one shows what a checkpoint
misses.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One text query and its right answers.

    Parameters
    ----------
    text : str
        What a user would type.
    kinds : frozenset of str
        The kinds of demo sound that count as right.
    """

    text: str
    kinds: frozenset[str]


QUESTIONS: tuple[Question, ...] = (
    Question("rain on a tin roof", frozenset({"rain", "thunderstorm"})),
    Question("a siren wailing", frozenset({"siren"})),
    Question("church bell", frozenset({"bell"})),
    Question("thunder rolling in the distance", frozenset({"thunder", "thunderstorm"})),
    Question("waves breaking on a beach", frozenset({"sea"})),
    Question("dog barking", frozenset({"dog", "night"})),
    Question("someone walking on gravel", frozenset({"footsteps"})),
    Question("birds singing in the morning", frozenset({"birds"})),
    Question("old telephone ringing", frozenset({"telephone"})),
    Question("laser gun", frozenset({"laser"})),
    Question("car engine running", frozenset({"engine"})),
    Question("people clapping", frozenset({"applause"})),
)
