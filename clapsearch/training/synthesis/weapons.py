"""Fire, air and weapons: hisses, flames, whooshes, blasts and shots."""

import numpy as np

from clapsearch.demo.signals import (
    Points,
    Signal,
    add,
    as_signal,
    convolve,
    decay,
    drift,
    drops,
    envelope,
    equalise,
    level,
    modal,
    noise,
    random_modes,
    silence,
    time_axis,
    tone,
)
from clapsearch.training.synthesis.parts import (
    WHITE_DB,
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

BLAST_DB: Points = [(25, -4), (60, 0), (200, -4), (700, -12), (2500, -24), (8000, -44)]
FLAME_DB: Points = [(30, -4), (90, 0), (300, -4), (900, -10), (3000, -22), (10000, -38)]


def hiss(rng: np.random.Generator, sr: int) -> Captioned:
    """Gas or steam that escapes: bright turbulence, steady, dying away or in a short puff."""
    shape = pick(rng, "steady", "falling", "short")
    duration_s = between(rng, 0.3, 0.9) if shape == "short" else rng.uniform(1.0, 6.0)
    centre_hz = between(rng, 2500.0, 9000.0)
    points = [(200, -34), (0.4 * centre_hz, -12), (centre_hz, 0), (2 * centre_hz, -3), (18000, -14)]
    jet = noise(rng, duration_s, sr, points) * (0.85 + 0.3 * drift(rng, duration_s, sr, 20.0))
    ends = [(0, 0), (between(rng, 0.005, 0.15), 1), (duration_s - 0.1, 0.9 if shape == "steady" else 0.05)]
    total = jet * envelope(duration_s, sr, [*ends, (duration_s, 0)])
    texts = {
        "steady": ("steam hissing", "gas hissing from a pipe", "a steady hiss", "compressed air hissing"),
        "falling": ("air escaping with a hiss", "a hiss dying away", "pressure being released"),
        "short": ("a short hiss", "a burst of compressed air", "a quick hiss of gas", "air brakes hissing"),
    }
    return pick(rng, *texts[shape]), recorded(rng, total, sr, outdoors=False)


def _flame(rng: np.random.Generator, sr: int, duration_s: float, flutter_hz: float) -> Signal:
    """The low flutter of burning gas."""
    flutter = 0.15 + 1.5 * drift(rng, duration_s, sr, flutter_hz) ** 2
    return flutter * noise(rng, duration_s, sr, FLAME_DB)


def fireball(rng: np.random.Generator, sr: int) -> Captioned:
    """A ball of fire: a whoosh that ignites, roars and flies away."""
    duration_s, lit = rng.uniform(0.8, 3.5), rng.uniform(0.1, 0.35)
    roar = _flame(rng, sr, duration_s, between(rng, 8.0, 20.0)) * swell(duration_s, sr, lit, 0.7)
    rush = swell(duration_s, sr, lit, 1.5) * noise(rng, duration_s, sr, band(between(rng, 350.0, 1200.0), 1.3))
    spit = convolve(drops(rng, duration_s, sr, 30.0), burst(rng, sr, 0.01, WHITE_DB)) * swell(duration_s, sr, lit, 0.5)
    total = mixed((roar, -14.0), (rush, -16.0), (spit, -32.0))
    hit = rng.random() < 0.3
    if hit:
        add(total, level(burst(rng, sr, 0.9, BLAST_DB, 0.005), -12.0), 0.6 * duration_s, sr)
    texts = ("a fireball exploding", "a fireball hitting") if hit else ("a fireball flying past", "fire whooshing by")
    return pick(rng, "a fireball", "a burst of flame", "a fire spell", *texts), recorded(rng, total, sr, outdoors=True)


def torch(rng: np.random.Generator, sr: int) -> Captioned:
    """A torch: fluttering flame with crackles; waved, it whooshes."""
    duration_s, waves = rng.uniform(1.5, 6.0), int(rng.integers(0, 4))
    flame = _flame(rng, sr, duration_s, between(rng, 6.0, 14.0))
    for _ in range(waves):
        wave_s = rng.uniform(0.35, 0.9)
        gust = _flame(rng, sr, wave_s, 15.0) * swell(wave_s, sr, 0.4)
        add(flame, gust, rng.uniform(0.0, duration_s - wave_s), sr, rng.uniform(2.0, 5.0))
    snap = burst(rng, sr, 0.008, [(400, -12), (1800, 0), (9000, -4)])
    crackle = convolve(drops(rng, duration_s, sr, between(rng, 3.0, 30.0), 1.2), snap)
    total = mixed((flame, -14.0), (crackle, -28.0 + 8.0 * rng.random()))
    texts = ("a torch being waved", "a flaming torch whooshing") if waves else ("a torch burning", "a torch flame")
    return pick(rng, "a burning torch", *texts), recorded(rng, total, sr, outdoors=True)


def whoosh(rng: np.random.Generator, sr: int) -> Captioned:
    """Something fast through the air: noise whose colour rises and falls with the speed."""
    duration_s, centre_hz = between(rng, 0.3, 1.8), between(rng, 350.0, 2500.0)
    peak_at = rng.uniform(0.3, 0.65)
    low = noise(rng, duration_s, sr, band(centre_hz, 1.0)) * swell(duration_s, sr, peak_at, 1.0)
    high = noise(rng, duration_s, sr, band(2.5 * centre_hz, 0.8)) * swell(duration_s, sr, peak_at, 2.5)
    total = mixed((low, -14.0), (high, -20.0 + 6.0 * rng.random()))
    if rng.random() < 0.25:
        total = np.concatenate([total, total[:: 1 if rng.random() < 0.5 else -1]])
        return pick(rng, "two whooshes", "a stick swishing through the air twice"), recorded(
            rng, total, sr, outdoors=False
        )
    quick = ("a quick swish", "a fast swoosh") if duration_s < 0.7 else ("a long whoosh", "a slow whoosh")
    texts = ("a whoosh", "a whoosh through the air", "something swinging through the air", *quick)
    return pick(rng, *texts), recorded(rng, total, sr, outdoors=False)


def explosion(rng: np.random.Generator, sr: int) -> Captioned:
    """An explosion: a blast, a long low rumble, and debris that falls."""
    duration_s, far = rng.uniform(1.8, 6.0), rng.random()
    dull: Points = [(40, 0), (150 + 800 * (1 - far), 0), (3000, -10 - 30 * far), (12000, -20 - 60 * far)]
    blast = silence(duration_s, sr)
    crack = burst(rng, sr, rng.uniform(0.15, 0.5), WHITE_DB, 0.0008 + 0.01 * far)
    add(blast, equalise(crack, sr, dull), 0.05, sr, 0.5)
    add(blast, burst(rng, sr, duration_s * rng.uniform(0.6, 0.95), BLAST_DB, 0.01 + 0.1 * far), 0.05, sr)
    blast *= 0.6 + 0.8 * drift(rng, duration_s, sr, 9.0)
    clipped = as_signal(np.tanh(1.5 * blast / np.abs(blast).max() * between(rng, 1.0, 5.0)))
    if far < 0.6 and rng.random() < 0.6:
        debris = convolve(drops(rng, duration_s, sr, 25.0, 1.4), blow(rng, sr, (300.0, 4000.0), 0.08))
        clipped += level(debris * swell(duration_s, sr, 0.35), -30.0)
    near = ("a loud explosion", "an explosion with debris") if far < 0.5 else ("a distant explosion", "a far off blast")
    return pick(rng, "an explosion", "a bomb exploding", *near), recorded(rng, clipped, sr, outdoors=True)


def _shot(rng: np.random.Generator, sr: int, weight: float) -> Signal:
    """A muzzle blast: a steep crack and a body that is longer and lower with ``weight`` 0 to 1."""
    duration_s = 0.25 + 0.9 * weight
    shot = silence(duration_s, sr)
    add(shot, burst(rng, sr, 0.03 + 0.05 * weight, WHITE_DB, 0.0002), 0.0, sr, 1.0)
    boom: Points = [(60, -6 + 6 * weight), (250, 0), (900, -2), (3000, -10 - 8 * weight), (10000, -30)]
    add(shot, burst(rng, sr, duration_s * 0.8, boom, 0.001), 0.0, sr, 0.5)
    return as_signal(np.tanh(2.0 * shot))


def _echoes(rng: np.random.Generator, sr: int, dry: Signal) -> Signal:
    """A few dull reflections from walls or hills."""
    track = np.concatenate([dry, silence(rng.uniform(0.3, 1.5), sr)])
    dull = equalise(dry, sr, [(100, 0), (600, -2), (2500, -16), (9000, -40)])
    for _ in range(int(rng.integers(0, 5))):
        add(track, dull, rng.uniform(0.06, 0.9), sr, rng.uniform(0.05, 0.35))
    return track


def gunshot(rng: np.random.Generator, sr: int) -> Captioned:
    """One or a few shots with their echoes."""
    weight, count = rng.random(), int(rng.choice((1, 1, 1, 2, 3, 5)))
    shots = repeat(rng, sr, lambda: _shot(rng, sr, weight), count, between(rng, 0.2, 1.0), 0.15)
    gun = "pistol" if weight < 0.4 else "rifle" if weight < 0.75 else "shotgun"
    one = ("a gunshot", f"a {gun} shot", f"a {gun} being fired")
    many = ("several gunshots", f"a {gun} firing several times", "gunshots")
    texts = one if count == 1 else many
    return pick(rng, *texts), recorded(rng, _echoes(rng, sr, shots), sr, outdoors=True)


def machine_gun(rng: np.random.Generator, sr: int) -> Captioned:
    """A machine gun: bursts of equal shots, ten or so a second."""
    weight, every_s = rng.uniform(0.0, 0.5), 1.0 / between(rng, 7.0, 18.0)
    shot = _shot(rng, sr, weight)
    bursts = [repeat(rng, sr, lambda: shot, int(rng.integers(4, 25)), every_s, 0.03) for _ in range(rng.integers(1, 4))]
    caption = pick(rng, "a machine gun firing", "automatic gunfire", "a burst of machine gun fire")
    return caption, recorded(rng, _echoes(rng, sr, np.concatenate(bursts)), sr, outdoors=True)


def fireworks(rng: np.random.Generator, sr: int) -> Captioned:
    """Fireworks: whistling rise, bang, and the crackle of stars."""
    duration_s, count = rng.uniform(2.5, 8.0), int(rng.integers(1, 7))
    sky = silence(duration_s, sr)
    spark = burst(rng, sr, 0.015, [(500, -8), (2500, 0), (10000, -4)], 0.0005)
    for _ in range(count):
        at_s = rng.uniform(0.05, 0.7 * duration_s)
        if rng.random() < 0.5:
            climb_s = rng.uniform(0.4, 1.2)
            pitch_hz = envelope(climb_s, sr, [(0, between(rng, 800, 1800)), (climb_s, between(rng, 2000, 4500))])
            add(sky, tone(pitch_hz, sr, (1.0, 0.3)) * swell(climb_s, sr, 0.6, 0.5), at_s, sr, rng.uniform(0.02, 0.15))
            at_s += climb_s
        bang = _shot(rng, sr, rng.uniform(0.4, 1.0))
        dulled = equalise(bang, sr, [(60, 0), (400, 0), (2500, -12 - 12 * rng.random()), (9000, -40)])
        add(sky, dulled / np.abs(dulled).max(), at_s, sr, rng.uniform(0.4, 1.0))
        stars = convolve(drops(rng, 1.2, sr, between(rng, 20.0, 150.0)), spark) * decay(1.2, sr, 2.0, 0.2)
        add(sky, level(stars, -30.0), at_s + 0.2, sr, rng.uniform(0.0, 1.5))
    one = ("a firework going off", "a firework rocket") if count < 3 else ("fireworks", "fireworks going off")
    return pick(rng, *one, "fireworks bursting and crackling"), recorded(rng, sky, sr, outdoors=True)


def bow_and_arrow(rng: np.random.Generator, sr: int) -> Captioned:
    """A bow: the string's twang, the arrow's swish and often its hit in wood."""
    track, hits = silence(rng.uniform(0.7, 1.4), sr), rng.random() < 0.6
    base_hz = between(rng, 70.0, 190.0)
    twang = modal(0.4, sr, [(base_hz * k, 0.25 / k**0.5, 1.0 / k) for k in range(1, 9)])
    add(track, level(twang, -18.0), 0.03, sr)
    add(track, level(burst(rng, sr, 0.03, band(1500.0, 1.5)), -16.0), 0.03, sr)
    swish_s = rng.uniform(0.15, 0.4)
    swish = noise(rng, swish_s, sr, band(between(rng, 1500.0, 5000.0), 0.8)) * swell(swish_s, sr, 0.3)
    add(track, level(swish, -20.0), 0.05, sr)
    if hits:
        add(track, blow(rng, sr, (120.0, 1500.0), 0.15), 0.05 + swish_s, sr, 0.4)
    texts = (
        ("an arrow hitting a target", "an arrow hitting wood") if hits else ("an arrow flying", "a bow string twang")
    )
    return pick(rng, "a bow shooting an arrow", "an arrow being shot", *texts), recorded(rng, track, sr, outdoors=True)


def electric_spark(rng: np.random.Generator, sr: int) -> Captioned:
    """Electricity: a hum at twice the mains frequency broken into crackling arcs."""
    duration_s, mains_hz = rng.uniform(0.5, 3.5), float(rng.choice((50.0, 60.0)))
    arcing = (drift(rng, duration_s, sr, between(rng, 3.0, 12.0)) > rng.uniform(0.3, 0.6)).astype(np.float32)
    gate = np.abs(np.sin(2 * np.pi * mains_hz * time_axis(duration_s, sr))) ** 4
    zap = gate * noise(rng, duration_s, sr, [(300, -14), (2000, 0), (9000, 0), (18000, -10)])
    snaps = convolve(drops(rng, duration_s, sr, between(rng, 10.0, 80.0), 1.2), burst(rng, sr, 0.006, WHITE_DB, 0.0002))
    hum = tone(np.full(zap.size, 2 * mains_hz), sr, [1.0 / k for k in range(1, 16)])
    total = mixed((arcing * zap + 0.01 * zap, -16.0), (arcing * snaps + 0.05 * snaps, -16.0))
    total += level(hum, -40.0 + 14.0 * rng.random())
    caption = pick(rng, "electric sparks", "electricity crackling", "an electric arc zapping", "sparks from a wire")
    return caption, recorded(rng, total, sr, outdoors=False)


def metal_scrape(rng: np.random.Generator, sr: int) -> Captioned:
    """Metal dragged over metal: rough noise through the plate's modes, shrill."""
    duration_s, lowest_hz = rng.uniform(0.4, 2.5), between(rng, 500.0, 2000.0)
    plate = modal(0.4, sr, random_modes(rng, 24, (lowest_hz, 9000.0), rng.uniform(0.05, 0.35), tilt=0.1))
    rub = noise(rng, duration_s, sr, WHITE_DB) * (0.2 + drift(rng, duration_s, sr, between(rng, 10.0, 60.0)) ** 2)
    total = mixed((convolve(rub, plate), -14.0), (rub, -28.0)) * swell(duration_s, sr, rng.uniform(0.3, 0.8), 0.4)
    caption = pick(rng, "metal scraping", "a sword being drawn", "metal scraping on metal", "a blade scraping")
    return caption, recorded(rng, total, sr, outdoors=False)


KINDS: Kinds = {
    "hiss": hiss,
    "fireball": fireball,
    "torch": torch,
    "whoosh": whoosh,
    "explosion": explosion,
    "gunshot": gunshot,
    "machine gun": machine_gun,
    "fireworks": fireworks,
    "bow and arrow": bow_and_arrow,
    "electric spark": electric_spark,
    "metal scrape": metal_scrape,
}
