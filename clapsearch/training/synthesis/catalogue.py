"""Every kind of sound that is synthesised for training, by its label."""

from collections.abc import Mapping

from clapsearch.training.synthesis import appliances, household, nature, variations, vehicles, weapons
from clapsearch.training.synthesis.recording import Make

KINDS: Mapping[str, Make] = {
    **appliances.KINDS,
    **household.KINDS,
    **nature.KINDS,
    **vehicles.KINDS,
    **weapons.KINDS,
    **variations.KINDS,
}
