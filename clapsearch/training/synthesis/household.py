"""Things in a house and a workshop: cracks, creaks, tools, coins and keys."""

import numpy as np

from clapsearch.demo.signals import (
    Signal,
    add,
    convolve,
    drift,
    drops,
    envelope,
    equalise,
    level,
    modal,
    noise,
    phase,
    pulses,
    random_modes,
    silence,
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


def egg_crack(rng: np.random.Generator, sr: int) -> Captioned:
    """An egg: a tap or two, a splintering crackle of the shell, and the wet drop of what was inside."""
    track, taps = silence(rng.uniform(0.5, 1.6), sr), int(rng.integers(1, 4))
    at_s = 0.04
    for _ in range(taps):
        add(track, blow(rng, sr, (500.0, 4500.0), 0.03, 0.8), at_s, sr, rng.uniform(0.5, 1.0))
        at_s += rng.uniform(0.1, 0.22)
    split_s = rng.uniform(0.08, 0.3)
    shard = burst(rng, sr, 0.006, [(800, -10), (3000, 0), (9000, -2)], 0.0003)
    crackle = convolve(drops(rng, split_s, sr, between(rng, 80.0, 350.0), 1.2), shard) * swell(split_s, sr, 0.3, 0.5)
    add(track, level(crackle, -17.0), at_s, sr)
    if rng.random() < 0.6:
        splat = burst(rng, sr, 0.08, [(120, -4), (400, 0), (1500, -10), (6000, -24)], 0.008)
        add(track, level(splat, -20.0), at_s + split_s, sr)
    texts = ("an egg cracking", "cracking an egg", "an eggshell breaking", "an egg being cracked open")
    return pick(rng, *texts, "an egg tapped and cracked" if taps > 1 else "an egg crack"), recorded(
        rng, track, sr, outdoors=False
    )


def _stick_slip(rng: np.random.Generator, sr: int, duration_s: float, rate_hz: float, body: Signal) -> Signal:
    """Pulses of rubbing surfaces at a rate that wanders around ``rate_hz``, through ``body``."""
    wander = rate_hz * 2.0 ** (rng.uniform(0.5, 2.5) * (drift(rng, duration_s, sr, between(rng, 1.0, 5.0)) - 0.5))
    return convolve(pulses(rng, wander, sr, 0.3), body) * swell(duration_s, sr, rng.uniform(0.3, 0.7), 0.4)


def door_creak(rng: np.random.Generator, sr: int) -> Captioned:
    """A hinge: slow stick-slip pulses through the resonances of the door."""
    duration_s = rng.uniform(0.6, 3.5)
    body = modal(0.12, sr, random_modes(rng, 14, (250.0, 3500.0), 0.06, tilt=0.2))
    creak = _stick_slip(rng, sr, duration_s, between(rng, 25.0, 250.0), body)
    groan = noise(rng, duration_s, sr, band(600.0, 1.5)) * swell(duration_s, sr, 0.5)
    total = mixed((creak, -14.0), (groan, -40.0))
    shut = rng.random() < 0.3
    if shut:
        total = np.concatenate([total, 0.9 * blow(rng, sr, (60.0, 1200.0), 0.25)])
    texts = ("a creaky door closing", "a door creaking shut") if shut else ("a door creaking open", "a door creaking")
    return pick(rng, *texts, "a creaking door", "a wooden creak"), recorded(rng, total, sr, outdoors=False)


def squeak(rng: np.random.Generator, sr: int) -> Captioned:
    """Squeaks: short high tones that glide, as of rubber, a toy or a wheel."""
    pitch_hz, bend, length_s = between(rng, 700.0, 3500.0), rng.uniform(-0.4, 0.6), between(rng, 0.06, 0.5)

    def one() -> Signal:
        rough = 1.0 + 0.02 * noise(rng, length_s, sr, band(80.0))
        glide = envelope(length_s, sr, [(0, 1.0), (0.6 * length_s, 1.0 + bend), (length_s, 1.0 + 0.5 * bend)])
        voice = tone(pitch_hz * glide * rough, sr, [k ** -rng.uniform(0.7, 1.5) for k in range(1, 9)])
        return voice * swell(length_s, sr, 0.4, 0.5)

    count = int(rng.integers(1, 8))
    track = repeat(rng, sr, one, count, length_s + between(rng, 0.05, 0.5), 0.12)
    many = ("a squeaky toy", "squeaking again and again", "a squeaky wheel") if count > 2 else ("a short squeak",)
    return pick(rng, "a squeak", "something squeaking", *many), recorded(rng, track, sr, outdoors=False)


def saw(rng: np.random.Generator, sr: int) -> Captioned:
    """A hand saw: strokes to and fro, teeth that rasp faster in the middle of each."""
    duration_s, stroke_hz = rng.uniform(2.0, 6.0), between(rng, 1.4, 4.5)
    pace = stroke_hz * (0.95 + 0.1 * drift(rng, duration_s, sr, 1.0))
    turn = phase(pace, sr)
    speed = np.abs(np.sin(np.pi * turn)) * np.where(np.floor(turn) % 2 > 0, rng.uniform(0.3, 0.8), 1.0)
    teeth = pulses(rng, 20.0 + between(rng, 120.0, 500.0) * speed, sr, 0.6)
    rasp = convolve(teeth, burst(rng, sr, 0.008, band(between(rng, 1200.0, 4000.0), 1.2), 0.0005))
    rub = noise(rng, duration_s, sr, [(200, -14), (900, 0), (4000, -3), (12000, -16)])
    ring = convolve(rasp, modal(0.1, sr, random_modes(rng, 8, (400.0, 3000.0), 0.06)))
    total = mixed((speed * rasp, -16.0), (speed**1.5 * rub, -16.0), (speed * ring, -26.0))
    return pick(rng, "sawing wood", "a hand saw cutting wood", "someone sawing", "a saw"), recorded(
        rng, total, sr, outdoors=False
    )


def hammering(rng: np.random.Generator, sr: int) -> Captioned:
    """A hammer on nails in wood, or on metal."""
    metal = rng.random() < 0.4
    band_hz = (between(rng, 600.0, 1500.0), 9000.0) if metal else (between(rng, 120.0, 300.0), 3500.0)
    t60_s, count = (rng.uniform(0.2, 0.9) if metal else rng.uniform(0.06, 0.2)), int(rng.integers(2, 10))
    modes = random_modes(rng, 18, band_hz, t60_s, tilt=0.2)

    def hit() -> Signal:
        body = modal(1.2 * t60_s, sr, [(hz, s, a * rng.uniform(0.5, 1.2)) for hz, s, a in modes])
        add(body, burst(rng, sr, 0.012, WHITE_DB), 0.0, sr, 0.6)
        return body

    track = repeat(rng, sr, hit, count, between(rng, 0.22, 0.8), 0.06)
    on = "metal" if metal else "wood"
    texts = ("a blacksmith hammering", "hammer on an anvil") if metal else ("hammering a nail", "a hammer on a nail")
    return pick(rng, "hammering", f"a hammer hitting {on}", *texts), recorded(rng, track, sr, outdoors=False)


def chopping_wood(rng: np.random.Generator, sr: int) -> Captioned:
    """An axe: a thud and a crack, then pieces that fall."""

    def chop() -> Signal:
        strike = blow(rng, sr, (90.0, 1600.0), rng.uniform(0.12, 0.3), 0.9)
        event = silence(0.8, sr)
        add(event, strike, 0.0, sr)
        add(event, burst(rng, sr, 0.06, [(300, -6), (1200, 0), (6000, -8)]), 0.0, sr, 0.25)
        if rng.random() < 0.5:
            for _ in range(2):
                add(event, blow(rng, sr, (300.0, 2200.0), 0.08), rng.uniform(0.15, 0.5), sr, rng.uniform(0.1, 0.3))
        return event

    count = int(rng.integers(1, 6))
    track = repeat(rng, sr, chop, count, rng.uniform(0.7, 1.7), 0.1)
    texts = ("chopping wood", "an axe chopping wood", "an axe hitting wood", "splitting wood with an axe")
    return pick(rng, *texts), recorded(rng, track, sr, outdoors=True)


def coin(rng: np.random.Generator, sr: int) -> Captioned:
    """Coins: bright inharmonic rings that bounce ever faster."""
    count, track = int(rng.choice((1, 1, 1, 3, 6, 12))), silence(rng.uniform(0.8, 2.2), sr)
    for _ in range(count):
        lowest_hz, ring_s = between(rng, 2500.0, 6500.0), rng.uniform(0.05, 0.5)
        modes = [(lowest_hz * r, ring_s / r**0.5, 1.0 / r) for r in (1.0, 1.006, 1.73, 2.33, 2.9)]
        at_s, gap_s = rng.uniform(0.02, 0.3), rng.uniform(0.12, 0.35)
        for bounce in range(int(rng.integers(3, 10))):
            add(track, modal(1.2 * ring_s, sr, modes), at_s, sr, 0.75**bounce * rng.uniform(0.5, 1.0))
            add(track, burst(rng, sr, 0.005, WHITE_DB), at_s, sr, 0.2 * 0.75**bounce)
            at_s += gap_s
            gap_s *= 0.72
    texts = ("a coin dropping", "a coin falling on a table") if count == 1 else ("coins falling", "coins clinking")
    return pick(rng, "a coin" if count == 1 else "coins", *texts), recorded(rng, track, sr, outdoors=False)


def keys(rng: np.random.Generator, sr: int) -> Captioned:
    """A bunch of keys: many small high clinks in clusters."""
    duration_s, rate_hz = rng.uniform(0.5, 3.5), between(rng, 12.0, 50.0)
    shake = drift(rng, duration_s, sr, between(rng, 3.0, 8.0)) ** 2
    track = silence(duration_s, sr)
    for _ in range(6):
        clink = modal(0.2, sr, random_modes(rng, 7, (between(rng, 2500.0, 5000.0), 14000.0), rng.uniform(0.05, 0.2)))
        track += convolve(shake * drops(rng, duration_s, sr, rate_hz / 6.0, 0.9), clink)
    return pick(rng, "keys jingling", "a bunch of keys", "shaking keys", "rattling keys"), recorded(
        rng, track, sr, outdoors=False
    )


def rolling(rng: np.random.Generator, sr: int) -> Captioned:
    """A ball or a wheel that rolls: a rough rumble that beats once a turn."""
    duration_s, turn_hz, size = rng.uniform(1.2, 4.0), between(rng, 1.5, 9.0), rng.random()
    slow = envelope(duration_s, sr, [(0, 1.0), (duration_s, rng.uniform(0.3, 1.0))])
    beat = 0.7 + 0.3 * np.sin(2 * np.pi * phase(turn_hz * slow, sr))
    bumps = drops(rng, duration_s, sr, between(rng, 150.0, 800.0), 0.8)
    body = blow(rng, sr, (600.0 - 520.0 * size, 5000.0 - 3500.0 * size), 0.05 + 0.1 * size, 0.2)
    low = noise(rng, duration_s, sr, band(500.0 - 380.0 * size, 1.5))
    total = mixed((convolve(bumps * beat * slow, body), -14.0), (low * beat * slow, -20.0))
    total *= envelope(duration_s, sr, [(0, 0), (0.1, 1), (0.7 * duration_s, 0.8), (duration_s, 0)])
    texts = (
        ("a heavy stone rolling", "a barrel rolling") if size > 0.5 else ("a marble rolling", "a small ball rolling")
    )
    return pick(rng, "something rolling", "a ball rolling on the floor", *texts), recorded(
        rng, total, sr, outdoors=False
    )


def dice(rng: np.random.Generator, sr: int) -> Captioned:
    """Dice: a rattle in the hand, then bounces on the table that get closer."""
    track = silence(rng.uniform(1.0, 1.8), sr)
    shaken = rng.random() < 0.6
    if shaken:
        for at_s in np.cumsum(rng.exponential(0.04, 14)):
            add(track, blow(rng, sr, (1200.0, 7000.0), 0.02), float(at_s), sr, rng.uniform(0.1, 0.4))
    for _ in range(int(rng.integers(1, 4))):
        at_s, gap_s = rng.uniform(0.6, 0.75) if shaken else rng.uniform(0.03, 0.12), rng.uniform(0.08, 0.2)
        for bounce in range(int(rng.integers(4, 9))):
            add(track, blow(rng, sr, (500.0, 5000.0), 0.04), at_s, sr, 0.8**bounce)
            at_s, gap_s = at_s + gap_s, gap_s * rng.uniform(0.6, 0.9)
    texts = ("shaking and throwing dice",) if shaken else ("dice thrown on a table",)
    return pick(rng, "rolling dice", "dice", *texts), recorded(rng, track, sr, outdoors=False)


def balloon(rng: np.random.Generator, sr: int) -> Captioned:
    """A balloon: rubbed, it squeaks; pricked, it pops."""
    popped = rng.random() < 0.5
    if popped:
        pop = burst(rng, sr, rng.uniform(0.04, 0.12), [(150, -4), (600, 0), (4000, -2), (14000, -12)], 0.0002)
        track = np.concatenate([silence(0.05, sr), pop, silence(0.3, sr)])
        return pick(rng, "a balloon popping", "a balloon bursting", "a pop"), recorded(rng, track, sr, outdoors=False)
    body = modal(0.05, sr, random_modes(rng, 10, (400.0, 4000.0), 0.03, tilt=0.2))
    rubs = [
        _stick_slip(rng, sr, rng.uniform(0.15, 0.7), between(rng, 150.0, 900.0), body)
        for _ in range(rng.integers(1, 5))
    ]
    caption = pick(rng, "rubbing a balloon", "a balloon squeaking", "a squeaky balloon")
    return caption, recorded(rng, np.concatenate(rubs), sr, outdoors=False)


def zipper(rng: np.random.Generator, sr: int) -> Captioned:
    """A zipper: clicks of teeth so fast that they buzz, rising with the pull."""
    duration_s, rate_hz, rise = rng.uniform(0.3, 1.2), between(rng, 70.0, 260.0), rng.uniform(0.8, 2.5)
    pace = rate_hz * envelope(duration_s, sr, [(0, 0.6), (0.3 * duration_s, 1.0), (duration_s, rise)])
    tooth = burst(rng, sr, 0.006, band(between(rng, 3000.0, 7000.0), 1.0), 0.0003)
    rub = noise(rng, duration_s, sr, [(500, -14), (3000, 0), (10000, -6)])
    total = mixed((convolve(pulses(rng, pace, sr, 0.3), tooth), -14.0), (rub, -26.0)) * swell(duration_s, sr, 0.6, 0.3)
    total = equalise(total, sr, [(300, -8), (2000, 0), (9000, 0), (16000, -8)])
    fast = "a quick zip" if duration_s < 0.6 else "a bag being zipped up"
    return pick(rng, "a zipper", "closing a zipper", "a zipper being pulled", fast), recorded(
        rng, total, sr, outdoors=False
    )


KINDS: Kinds = {
    "egg crack": egg_crack,
    "door creak": door_creak,
    "squeak": squeak,
    "saw": saw,
    "hammering": hammering,
    "chopping wood": chopping_wood,
    "coin": coin,
    "keys": keys,
    "rolling": rolling,
    "dice": dice,
    "balloon": balloon,
    "zipper": zipper,
}
