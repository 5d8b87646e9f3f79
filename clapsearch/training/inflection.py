"""English inflection by rule: good enough for phrases about sounds, where the first or last word takes the ending."""

import re
from collections.abc import Callable, Mapping

_IRREGULAR_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "goose": "geese", "mouse": "mice",
    "wolf": "wolves", "leaf": "leaves", "knife": "knives", "calf": "calves", "sheep": "sheep", "scissors": "scissors",
    "dice": "dice", "deer": "deer", "group of people": "groups of people",
}  # fmt: skip


def gerund(verb: str) -> str:
    """Return the -ing form: ``walk on`` to ``walking on``, ``drip`` to ``dripping``."""
    word, *rest = verb.split(" ", 1)
    if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", word):
        word += word[-1]
    elif word.endswith("ie"):
        word = word[:-2] + "y"
    elif word.endswith("e") and not word.endswith(("ee", "ye", "oe")):
        word = word[:-1]
    return " ".join([word + "ing", *rest])


def third_person(verb: str) -> str:
    """Return the -s form: ``cry out`` to ``cries out``."""
    word, *rest = verb.split(" ", 1)
    return " ".join([_with_s(word), *rest])


def plural(noun: str) -> str:
    """Return the plural: ``car door`` to ``car doors``."""
    return _IRREGULAR_PLURALS.get(noun, _with_s(noun))


def with_article(noun: str) -> str:
    """Put ``a`` or ``an`` in front, but where there is an article already."""
    if noun.startswith(("a ", "an ", "the ")):
        return noun
    return f"{'an' if noun[0] in 'aeio' or noun.startswith('un') else 'a'} {noun}"


def without_article(noun: str) -> str:
    """Take a leading article away."""
    return re.sub(r"^(an?|the) (?=.)", "", noun, flags=re.IGNORECASE)


INFLECTIONS: Mapping[str, Callable[[str], str]] = {
    "": str, "ing": gerund, "s": third_person, "plural": plural, "a": with_article, "bare": without_article,
}  # fmt: skip


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"
