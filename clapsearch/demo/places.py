"""Where a sound is heard: the tail a place adds to it, and the noise that is always there."""

from dataclasses import dataclass

import numpy as np

from clapsearch.demo.signals import Points, Signal, finish, level, noise, room

OUTDOOR_NOISE_DB: Points = [(30, -6), (80, 0), (250, -9), (1000, -20), (4000, -32), (12000, -46)]
INDOOR_NOISE_DB: Points = [(40, 0), (120, -4), (500, -16), (2000, -28), (8000, -38), (16000, -46)]


@dataclass(frozen=True)
class Place:
    """A room or a landscape.

    Parameters
    ----------
    t60_s : float
        Time in which its echo falls by 60 dB.
    wet : float
        Share of the echo in the energy, 0 to 1.
    bright_hz : float
        Frequency above which the echo is dull.
    noise_db : float
        Level of its background noise in dBFS (RMS), for a sound that peaks at 0 dBFS.
    spectrum_db : sequence of (frequency in Hz, level in dB)
        Colour of that noise.
    """

    t60_s: float
    wet: float
    bright_hz: float
    noise_db: float
    spectrum_db: Points

    def around(self, rng: np.random.Generator, waveform: Signal, sr: int) -> Signal:
        """``waveform``, shape (n_samples,), as a microphone in this place would record it."""
        echoing = room(rng, finish(waveform, sr, 0.0), sr, self.t60_s, self.wet, self.bright_hz)
        return echoing + level(noise(rng, waveform.size / sr, sr, self.spectrum_db), self.noise_db)


GARDEN = Place(0.5, 0.04, 6000.0, -48.0, OUTDOOR_NOISE_DB)
# Quiet sounds are recorded with the gain turned up, and the noise of the place comes up with them.
PATH = Place(0.5, 0.04, 6000.0, -32.0, OUTDOOR_NOISE_DB)
STREET = Place(1.3, 0.2, 3500.0, -40.0, OUTDOOR_NOISE_DB)
VALLEY = Place(2.8, 0.3, 900.0, -50.0, OUTDOOR_NOISE_DB)
ROOM = Place(0.45, 0.1, 4500.0, -54.0, INDOOR_NOISE_DB)
THEATRE = Place(1.3, 0.25, 4000.0, -44.0, INDOOR_NOISE_DB)
CAVE = Place(1.5, 0.12, 3000.0, -52.0, INDOOR_NOISE_DB)
