"""Every kind of sound that is synthesised for training, by its label."""

from clapsearch.training.synthesis import appliances, household, nature, variations, vehicles, weapons
from clapsearch.training.synthesis.recording import Kinds

KINDS: Kinds = {
    **appliances.KINDS,
    **household.KINDS,
    **nature.KINDS,
    **vehicles.KINDS,
    **weapons.KINDS,
    **variations.KINDS,
}
