"""Water, animals and bodies."""

import numpy as np

from clapsearch.demo.signals import (
    Curve,
    Points,
    Signal,
    add,
    as_signal,
    convolve,
    drift,
    drops,
    envelope,
    equalise,
    modal,
    noise,
    pulses,
    random_modes,
    silence,
    time_axis,
    tone,
)
from clapsearch.training.synthesis.parts import (
    band,
    between,
    blow,
    burst,
    mixed,
    recorded,
    repeat,
    swell,
)
from clapsearch.training.synthesis.recording import Captioned, Kinds, pick


def _bubble(rng: np.random.Generator, sr: int, ring_hz: float) -> Signal:
    """One bubble: a damped sine that rises as it nears the surface; low ones ring longer."""
    t60_s = min(0.25, 40.0 / ring_hz) * rng.uniform(0.6, 1.3)
    t = time_axis(1.1 * t60_s, sr)
    turn = ring_hz * (t + rng.uniform(0.3, 3.0) * t**2)
    return as_signal(np.sin(2 * np.pi * turn) * np.exp(-6.9 * t / t60_s) * np.minimum(t / 0.002, 1.0))


def _bubbling(
    rng: np.random.Generator, sr: int, duration_s: float, rate_hz: float, band_hz: tuple[float, float]
) -> Signal:
    """Bubbles of many sizes at random times."""
    track = silence(duration_s, sr)
    made = [_bubble(rng, sr, between(rng, *band_hz)) for _ in range(min(80, int(rate_hz * duration_s) + 1))]
    for at_s in rng.uniform(0.0, duration_s, max(2, int(rate_hz * duration_s))):
        add(track, made[int(rng.integers(len(made)))], float(at_s), sr, between(rng, 0.1, 1.0))
    return track


def river(rng: np.random.Generator, sr: int) -> Captioned:
    """A stream: steady wash with countless bubbles; a river has more wash, a creek more bubbles."""
    duration_s, size = rng.uniform(2.5, 8.0), rng.random()
    wash = noise(rng, duration_s, sr, [(80, -14 + 12 * size), (400, 0), (1500, -3), (5000, -10), (14000, -26)])
    gurgle = _bubbling(rng, sr, duration_s, between(rng, 60.0, 250.0), (350.0, 2800.0))
    moving = 0.7 + 0.6 * drift(rng, duration_s, sr, 2.0)
    total = mixed((wash * moving, -24.0 + 12.0 * size), (gurgle, -15.0 - 8.0 * size))
    texts = ("a river flowing", "a fast river") if size > 0.5 else ("a small stream trickling", "a creek")
    return pick(rng, "a river", "water flowing in a stream", *texts), recorded(rng, total, sr, outdoors=True)


def bubbles(rng: np.random.Generator, sr: int) -> Captioned:
    """Bubbles under water, blown or boiling."""
    duration_s, low_hz, rate_hz = rng.uniform(0.8, 5.0), between(rng, 120.0, 600.0), between(rng, 5.0, 70.0)
    rising = _bubbling(rng, sr, duration_s, rate_hz, (low_hz, low_hz * rng.uniform(1.8, 5.0)))
    total = mixed((rising * (0.3 + drift(rng, duration_s, sr, 3.0)), -14.0), (drops(rng, duration_s, sr, 500.0), -60.0))
    texts = ("a pot bubbling", "liquid bubbling fast") if rate_hz > 25.0 else ("a few bubbles rising", "slow bubbling")
    return pick(rng, "bubbles", "bubbles under water", "water bubbling", *texts), recorded(
        rng, total, sr, outdoors=False
    )


def water(rng: np.random.Generator, sr: int) -> Captioned:
    """Water poured into a vessel (its resonance rises as it fills), or a splash."""
    if rng.random() < 0.35:
        splash = burst(rng, sr, rng.uniform(0.3, 1.0), [(150, -6), (600, 0), (3000, -4), (10000, -14)], 0.01)
        drip = _bubbling(rng, sr, splash.size / sr, 25.0, (400.0, 2500.0)) * swell(splash.size / sr, sr, 0.3)
        caption = pick(rng, "a splash", "something falling into water", "a water splash")
        return caption, recorded(rng, mixed((splash, -16.0), (drip, -20.0)), sr, outdoors=True)
    duration_s, start_hz = rng.uniform(1.0, 5.0), between(rng, 250.0, 700.0)
    pour = noise(rng, duration_s, sr, [(300, -14), (1200, 0), (6000, -6), (14000, -20)])
    gurgle = _bubbling(rng, sr, duration_s, between(rng, 40.0, 150.0), (500.0, 3000.0))
    rise = start_hz * envelope(duration_s, sr, [(0, 1.0), (duration_s, rng.uniform(1.3, 3.0))])
    slow = noise(rng, duration_s, sr, [(1, 0), (40, 0), (160, -40)])
    total = mixed((pour, -22.0), (gurgle, -17.0), (slow * tone(rise, sr, (1.0, 0.3, 0.15)), -20.0))
    total *= envelope(duration_s, sr, [(0, 0), (0.1, 1), (duration_s - 0.15, 1), (duration_s, 0)])
    caption = pick(rng, "pouring water into a glass", "water pouring", "filling a cup with water", "running water")
    return caption, recorded(rng, total, sr, outdoors=False)


def toilet_flush(rng: np.random.Generator, sr: int) -> Captioned:
    """A flush: the lever, a rush of water, a gurgle, and the tank that fills again."""
    duration_s, rush_s = rng.uniform(4.0, 9.0), rng.uniform(1.5, 3.0)
    curve = envelope(duration_s, sr, [(0, 0), (0.35, 1), (rush_s, 0.8), (rush_s + 0.9, 0.06), (duration_s, 0.03)])
    rush = curve * noise(rng, duration_s, sr, [(80, -6), (300, 0), (1200, -3), (5000, -12), (14000, -28)])
    drain = _bubbling(rng, sr, duration_s, 40.0, (150.0, 900.0))
    drain *= swell(duration_s, sr, min(0.8, (rush_s + 0.4) / duration_s), 2.0)
    fill = noise(rng, duration_s, sr, [(500, -20), (2500, 0), (8000, -4)])
    total = mixed((rush, -14.0), (drain, -20.0), (fill, -36.0))
    add(total, blow(rng, sr, (300.0, 2500.0), 0.06), 0.05, sr, 0.3)
    return pick(rng, "a toilet flushing", "flushing a toilet", "a toilet flush"), recorded(
        rng, total, sr, outdoors=False
    )


def _voice(
    rng: np.random.Generator, sr: int, pitch_hz: Curve, throat: Points, *, breath_db: float, rough: float
) -> Signal:
    """A buzzy source with ``rough`` jitter and some breath, through a ``throat``."""
    duration_s = pitch_hz.size / sr
    shaken = pitch_hz * (1.0 + rough * noise(rng, duration_s, sr, [(20, 0), (90, 0), (300, -40)])[: pitch_hz.size])
    buzz = pulses(rng, shaken, sr, min(0.5, 6.0 * rough))
    breath = noise(rng, duration_s, sr, [(300, -12), (1200, 0), (6000, -8)])[: pitch_hz.size]
    return equalise(mixed((buzz, -14.0), (breath, breath_db)), sr, throat)


def duck(rng: np.random.Generator, sr: int) -> Captioned:
    """A duck: buzzy nasal calls, the first ones longer and louder."""
    pitch_hz, count, size = between(rng, 110.0, 320.0), int(rng.integers(1, 9)), rng.uniform(0.8, 1.25)
    throat: Points = [(300, -30), (900 * size, -8), (1300 * size, 0), (1800 * size, -6), (2600 * size, -1), (7000, -28)]

    def call() -> Signal:
        length_s = rng.uniform(0.1, 0.32)
        bend = envelope(length_s, sr, [(0, 0.9), (0.3 * length_s, 1.1), (length_s, 0.8)])
        quack = _voice(rng, sr, pitch_hz * rng.uniform(0.92, 1.08) * bend, throat, breath_db=-28.0, rough=0.03)
        return quack * swell(length_s, sr, 0.3, 0.4)

    track = repeat(rng, sr, call, count, rng.uniform(0.25, 0.6), 0.1)
    texts = ("a duck quack",) if count == 1 else ("ducks calling", "a duck calling several times")
    return pick(rng, "a duck", "duck calls", "a duck going quack quack", *texts), recorded(
        rng, track, sr, outdoors=True
    )


def sheep(rng: np.random.Generator, sr: int) -> Captioned:
    """A sheep or a lamb: a bleat with a fast tremolo."""
    pitch_hz = between(rng, 130.0, 480.0)
    young = 1.0 if pitch_hz > 280.0 else 0.0
    size = 1.0 + 0.35 * young
    throat: Points = [
        (200, -16),
        (650 * size, 0),
        (1100 * size, -8),
        (1700 * size, -2),
        (2700 * size, -10),
        (7000, -34),
    ]

    def bleat() -> Signal:
        length_s, shake_hz = rng.uniform(0.5, 1.5), rng.uniform(7.0, 14.0)
        shake = np.sin(2 * np.pi * shake_hz * time_axis(length_s, sr))
        bend = envelope(length_s, sr, [(0, 0.88), (0.15, 1.05), (length_s, 0.85)]) * (1 + 0.05 * shake)
        tremolo = 1.0 + rng.uniform(0.3, 0.7) * shake
        return as_signal(
            _voice(rng, sr, pitch_hz * bend, throat, breath_db=-26.0, rough=0.012)
            * tremolo
            * swell(length_s, sr, 0.3, 0.3)
        )

    track = repeat(rng, sr, bleat, int(rng.integers(1, 4)), rng.uniform(1.2, 2.4), 0.1)
    texts = ("a lamb bleating", "a young goat bleating") if young else ("a sheep bleating", "a sheep going baa")
    return pick(rng, "a sheep" if not young else "a lamb", *texts), recorded(rng, track, sr, outdoors=True)


def crow(rng: np.random.Generator, sr: int) -> Captioned:
    """A crow: hoarse caws, two to five in a row."""
    pitch_hz, count, length_s = between(rng, 280.0, 560.0), int(rng.integers(1, 6)), rng.uniform(0.2, 0.5)
    throat: Points = [(400, -24), (1100, -3), (1600, 0), (2400, -4), (4000, -16), (9000, -36)]

    def caw() -> Signal:
        bend = envelope(length_s, sr, [(0, 0.8), (0.25 * length_s, 1.08), (length_s, 0.85)])
        hoarse = _voice(rng, sr, pitch_hz * rng.uniform(0.95, 1.05) * bend, throat, breath_db=-20.0, rough=0.06)
        return hoarse * swell(length_s, sr, 0.35, 0.35)

    track = repeat(rng, sr, caw, count, length_s + rng.uniform(0.15, 0.5), 0.08)
    return pick(rng, "a crow cawing", "a crow", "a raven calling", "crows"), recorded(rng, track, sr, outdoors=True)


def frog(rng: np.random.Generator, sr: int) -> Captioned:
    """Frogs: croaks made of a train of short pulses, of one animal or of many."""
    duration_s, many = rng.uniform(1.5, 5.0), rng.random() < 0.4
    track = silence(duration_s, sr)
    for _ in range(int(rng.integers(4, 9)) if many else 1):
        body_hz, pulse_hz, croak_s = between(rng, 350.0, 2500.0), between(rng, 18.0, 90.0), rng.uniform(0.12, 0.7)
        body = modal(0.05, sr, [(body_hz, 0.03, 1.0), (1.9 * body_hz, 0.02, 0.5), (3.1 * body_hz, 0.015, 0.25)])
        at_s, gap_s, near = rng.uniform(0.02, 0.5), rng.uniform(0.15, 1.0), rng.uniform(0.3, 1.0)
        while at_s < duration_s - croak_s:
            rate = pulse_hz * envelope(croak_s, sr, [(0, 0.9), (croak_s, rng.uniform(1.0, 1.3))])
            croak = convolve(pulses(rng, rate, sr, 0.15), body) * swell(croak_s, sr, 0.6, 0.4)
            add(track, croak, at_s, sr, near)
            at_s += croak_s + gap_s * rng.uniform(0.8, 1.3)
    texts = ("frogs croaking", "a pond full of frogs") if many else ("a frog croaking", "a frog")
    return pick(rng, *texts), recorded(rng, track, sr, outdoors=True)


def horse(rng: np.random.Generator, sr: int) -> Captioned:
    """Hooves: four even beats at a walk, two at a trot, three and a pause at a canter."""
    gait = pick(rng, "walking", "trotting", "cantering")
    stride_s, beats = {
        "walking": (rng.uniform(1.0, 1.3), (0.0, 0.25, 0.5, 0.75)),
        "trotting": (rng.uniform(0.6, 0.8), (0.0, 0.5)),
        "cantering": (rng.uniform(0.45, 0.65), (0.0, 0.24, 0.45)),
    }[gait]
    hard, track = rng.random() < 0.6, silence(rng.uniform(2.5, 6.0), sr)
    low_hz, t60_s = (between(rng, 400.0, 900.0), 0.05) if hard else (between(rng, 70.0, 140.0), 0.1)
    feet = [blow(rng, sr, (low_hz, 5.0 * low_hz), t60_s, 0.5 if hard else 0.1) for _ in range(4)]
    soil = burst(rng, sr, 0.09, [(80, 0), (400, -4), (2000, -14), (8000, -30)], 0.004)
    for turn in range(int(track.size / sr / stride_s)):
        for number, beat in enumerate(beats):
            at_s = stride_s * (turn + beat) + rng.uniform(0.02, 0.05)
            add(track, feet[number], at_s, sr, rng.uniform(0.5, 1.0))
            add(track, soil, at_s, sr, rng.uniform(0.02, 0.06) if hard else rng.uniform(0.1, 0.25))
    on = "a road" if hard else "soft ground"
    return pick(rng, "horse hooves", f"a horse {gait}", f"a horse {gait} on {on}", "hoof beats"), recorded(
        rng, track, sr, outdoors=True
    )


def heartbeat(rng: np.random.Generator, sr: int) -> Captioned:
    """A heart: two dull thuds a beat."""
    rate_hz, pitch_hz, split = between(rng, 0.8, 2.5), between(rng, 40.0, 90.0), rng.uniform(0.28, 0.36)

    def beat() -> Signal:
        pair = silence(0.6, sr)
        for at_s, strength, hz in ((0.0, 1.0, pitch_hz), (min(0.32, split / rate_hz), 0.6, 1.25 * pitch_hz)):
            thud = modal(0.2, sr, [(hz, 0.16, 1.0), (1.7 * hz, 0.1, 0.5), (2.9 * hz, 0.06, 0.2)])
            add(pair, thud * swell(0.2, sr, 0.15, 0.3), at_s, sr, strength)
        return pair

    track = repeat(rng, sr, beat, int(rng.integers(3, 9)), 1.0 / rate_hz, 0.02)
    pace = "a fast heartbeat" if rate_hz > 1.6 else "a slow heartbeat" if rate_hz < 1.0 else "a steady heartbeat"
    return pick(rng, "a heart beating", "a heartbeat", pace), recorded(rng, track, sr, outdoors=False, quiet_db=-50.0)


def bees(rng: np.random.Generator, sr: int) -> Captioned:
    """Bees, or one fly: buzzing wings whose pitch wanders as they come and go."""
    duration_s, count = rng.uniform(1.5, 5.0), int(rng.choice((1, 1, 4, 8)))
    track = silence(duration_s, sr)
    for _ in range(count):
        pitch_hz = between(rng, 150.0, 280.0) * (0.9 + 0.2 * drift(rng, duration_s, sr, 2.5))
        buzz = tone(pitch_hz, sr, [rng.uniform(0.4, 1.0) / k**0.6 for k in range(1, 16)])
        track += buzz * (0.1 + drift(rng, duration_s, sr, 1.5) ** 2)
    total = equalise(track, sr, [(100, -10), (300, 0), (2500, -4), (6000, -24)])
    texts = ("a bee buzzing", "a fly buzzing around") if count == 1 else ("a swarm of bees", "bees buzzing")
    return pick(rng, *texts, "insects buzzing" if count > 1 else "an insect buzzing"), recorded(
        rng, total, sr, outdoors=True
    )


def snake(rng: np.random.Generator, sr: int) -> Captioned:
    """A snake: a rattle of dry clicks, or a breathy hiss."""
    duration_s, rattles = rng.uniform(0.7, 3.0), rng.random() < 0.5
    loud = swell(duration_s, sr, rng.uniform(0.2, 0.5), 0.4)
    if rattles:
        rate = between(rng, 40.0, 90.0) * (0.95 + 0.1 * drift(rng, duration_s, sr, 3.0))
        click = modal(0.02, sr, random_modes(rng, 8, (3500.0, 13000.0), 0.012, tilt=0.1))
        total = mixed(
            (convolve(pulses(rng, rate, sr, 0.4), click), -14.0), (noise(rng, duration_s, sr, band(8e3)), -22.0)
        )
        return pick(rng, "a rattlesnake", "a snake rattling", "a rattlesnake's tail"), recorded(
            rng, total * loud, sr, outdoors=True
        )
    breath = noise(rng, duration_s, sr, [(800, -30), (3000, -6), (6500, 0), (12000, -8)])
    return pick(rng, "a snake hissing", "a snake"), recorded(rng, breath * loud, sr, outdoors=True)


KINDS: Kinds = {
    "river": river,
    "bubbles": bubbles,
    "duck": duck,
    "sheep": sheep,
    "crow": crow,
    "frog": frog,
    "horse": horse,
    "water": water,
    "toilet flush": toilet_flush,
    "heartbeat": heartbeat,
    "bees": bees,
    "snake": snake,
}
