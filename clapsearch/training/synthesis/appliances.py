"""Motors of the house, and instruments that click, beep and whistle."""

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
    length,
    level,
    modal,
    noise,
    phase,
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


def geiger_counter(rng: np.random.Generator, sr: int) -> Captioned:
    """A Geiger counter: equal clicks at random times, few or many a second."""
    duration_s, rate_hz = rng.uniform(1.5, 6.0), between(rng, 3.0, 90.0)
    click_hz = between(rng, 1000.0, 4500.0)
    click = modal(0.012, sr, [(click_hz, rng.uniform(0.002, 0.01), 1.0), (2.7 * click_hz, 0.003, 0.5)])
    click[: length(0.0005, sr)] += 0.7
    rising = envelope(duration_s, sr, [(0, 1.0), (duration_s, between(rng, 0.3, 3.0))])
    chance = np.minimum(1.0, rate_hz * rising / sr)
    clicks = (rng.random(chance.size) < chance).astype(np.float32)
    clicks[length(rng.uniform(0.05, 0.3), sr)] = 1.0
    total = convolve(clicks, click)
    fast = ("a geiger counter clicking fast", "a geiger counter near strong radiation")
    slow = ("a geiger counter ticking slowly", "a radiation detector clicking")
    texts = fast if rate_hz > 25.0 else slow
    return pick(rng, "a geiger counter", *texts), recorded(rng, total, sr, outdoors=False, quiet_db=-52.0)


def typing(rng: np.random.Generator, sr: int) -> Captioned:
    """A keyboard: a press and a softer release each stroke, in uneven runs."""
    old = rng.random() < 0.3
    low_hz, high_hz = (300.0, 7000.0) if old else (between(rng, 300.0, 1200.0), 6000.0)

    def stroke() -> Signal:
        event = silence(0.2, sr)
        add(event, blow(rng, sr, (low_hz, high_hz), 0.06 if old else 0.025, 0.9), 0.0, sr)
        add(event, blow(rng, sr, (1.4 * low_hz, 1.2 * high_hz), 0.02, 0.6), rng.uniform(0.05, 0.11), sr, 0.4)
        return event

    track = repeat(rng, sr, stroke, int(rng.integers(8, 35)), between(rng, 0.09, 0.22), 0.35)
    texts = ("a typewriter", "typing on a typewriter") if old else ("typing on a keyboard", "a computer keyboard")
    return pick(rng, "someone typing", *texts), recorded(rng, track, sr, outdoors=False)


def camera(rng: np.random.Generator, sr: int) -> Captioned:
    """A camera: mirror up, shutter, mirror down, and at times the motor that winds the film."""
    event, gap_s = silence(0.35, sr), rng.uniform(0.04, 0.16)
    add(event, blow(rng, sr, (700.0, 6000.0), 0.03, 0.9), 0.02, sr)
    add(event, burst(rng, sr, 0.03, [(800, -8), (3000, 0), (10000, -6)]), 0.03, sr, 0.08)
    add(event, blow(rng, sr, (500.0, 7000.0), 0.05, 0.7), 0.02 + gap_s, sr, 0.8)
    winds = rng.random() < 0.4
    if winds:
        wind_s = rng.uniform(0.3, 1.0)
        pitch_hz = between(rng, 250.0, 600.0) * envelope(wind_s, sr, [(0, 0.7), (0.1, 1.0), (wind_s, 1.1)])
        whirr = tone(pitch_hz, sr, [1.0 / k**0.7 for k in range(1, 12)]) * swell(wind_s, sr, 0.5, 0.2)
        event = np.concatenate([event, level(whirr + 0.4 * noise(rng, wind_s, sr, band(3000.0)), -26.0)])
    count = int(rng.choice((1, 1, 2, 4)))
    track = repeat(rng, sr, lambda: event, count, max(event.size / sr, rng.uniform(0.2, 0.9)), 0.03)
    texts = ("a camera winding its film",) if winds else ("a camera clicking", "taking a photo")
    return pick(rng, "a camera shutter", "a camera taking a picture", *texts), recorded(rng, track, sr, outdoors=False)


def cash_register(rng: np.random.Generator, sr: int) -> Captioned:
    """A till: keys, a bell and the drawer that slides open."""
    track, at_s = silence(rng.uniform(1.5, 2.5), sr), 0.05
    for _ in range(int(rng.integers(1, 5))):
        add(track, blow(rng, sr, (250.0, 5000.0), 0.06, 0.9), at_s, sr, 0.6)
        at_s += rng.uniform(0.08, 0.2)
    base_hz = between(rng, 1800.0, 3800.0)
    bell = modal(1.2, sr, [(base_hz * r, 1.1 / r, 1.0 / r) for r in (1.0, 1.003, 2.1, 2.76, 4.2)])
    add(track, bell, at_s, sr, 0.5)
    slide = noise(rng, 0.3, sr, band(1200.0, 1.5)) * swell(0.3, sr, 0.6)
    add(track, slide, at_s + 0.05, sr, 0.06)
    add(track, blow(rng, sr, (120.0, 3000.0), 0.2), at_s + 0.33, sr, 0.8)
    coins = convolve(drops(rng, 0.5, sr, 30.0), modal(0.15, sr, random_modes(rng, 8, (3000.0, 12000.0), 0.1)))
    add(track, level(coins, -28.0), at_s + 0.3, sr)
    return pick(rng, "a cash register", "a cash register opening", "the bell of a till"), recorded(
        rng, track, sr, outdoors=False
    )


def _motor(
    rng: np.random.Generator, sr: int, speed_hz: Signal, air_db: Points, *, whine: float, air: float, rattle: float
) -> Signal:
    """A motor that turns at ``speed_hz``: harmonics of the rotor, its brushes, and the air it moves; levels in dB."""
    duration_s = speed_hz.size / sr
    partials = [rng.uniform(0.1, 1.0) / k**0.5 for k in range(1, 25)]
    rotor = tone(speed_hz * (1.0 + 0.004 * drift(rng, duration_s, sr, 5.0)), sr, partials)
    wind = noise(rng, duration_s, sr, air_db) * (0.6 + 0.4 * speed_hz / speed_hz.max())
    brush = convolve(pulses(rng, speed_hz, sr, 0.5), burst(rng, sr, 0.004, band(4000.0, 1.5), 0.0003))
    return mixed((rotor, whine), (wind, air), (brush, rattle))


def _running(rng: np.random.Generator, sr: int, duration_s: float, speed_hz: float) -> tuple[Signal, Signal]:
    """Speed and loudness of a motor that runs, or is switched on or off."""
    on_s = rng.uniform(0.2, 0.9) if rng.random() < 0.4 else 0.001
    off_s = rng.uniform(0.3, 1.2) if rng.random() < 0.4 else 0.001
    ends = [(0, 0.0), (on_s, 1.0), (duration_s - off_s, 1.0), (duration_s, 0.0)]
    curve = envelope(duration_s, sr, ends)
    return as_signal(speed_hz * (0.15 + 0.85 * curve**0.6)), curve


def vacuum_cleaner(rng: np.random.Generator, sr: int) -> Captioned:
    """A vacuum cleaner: a loud whine and a rush of air, dulled as its nozzle moves."""
    duration_s = rng.uniform(2.0, 7.0)
    speed_hz, loud = _running(rng, sr, duration_s, between(rng, 180.0, 550.0))
    air_db: Points = [(80, -8), (300, 0), (1200, -2), (4000, -8), (12000, -22)]
    hum = _motor(rng, sr, speed_hz, air_db, whine=-22.0 + 6.0 * rng.random(), air=-15.0, rattle=-34.0)
    total = hum * loud * (0.75 + 0.5 * drift(rng, duration_s, sr, 1.2))
    return pick(rng, "a vacuum cleaner", "vacuum cleaner running", "vacuuming a carpet"), recorded(
        rng, total, sr, outdoors=False
    )


def fan(rng: np.random.Generator, sr: int) -> Captioned:
    """A fan: soft broad noise that beats with the blades, over a mains hum."""
    duration_s, blade_hz = rng.uniform(2.5, 7.0), between(rng, 8.0, 90.0)
    speed_hz, loud = _running(rng, sr, duration_s, blade_hz)
    beat = 1.0 + rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * phase(speed_hz, sr))
    air = noise(rng, duration_s, sr, [(40, -4), (150, 0), (600, -6), (2000, -16), (8000, -36)])
    hum = tone(np.full(air.size, float(rng.choice((100.0, 120.0)))), sr, (1.0, 0.5, 0.3, 0.2))
    total = mixed((beat * air, -15.0), (hum, -28.0 - 10.0 * rng.random())) * loud
    return pick(rng, "a fan", "an electric fan running", "a fan blowing air", "a ventilator humming"), recorded(
        rng, total, sr, outdoors=False
    )


def hair_dryer(rng: np.random.Generator, sr: int) -> Captioned:
    """A hair dryer: bright rush of air with a thin whine."""
    duration_s = rng.uniform(2.0, 6.0)
    speed_hz, loud = _running(rng, sr, duration_s, between(rng, 250.0, 600.0))
    air_db: Points = [(150, -14), (600, -3), (2000, 0), (6000, -4), (14000, -16)]
    total = _motor(rng, sr, speed_hz, air_db, whine=-28.0 + 6.0 * rng.random(), air=-14.0, rattle=-36.0) * loud
    return pick(rng, "a hair dryer", "blow drying hair", "a hair dryer running"), recorded(
        rng, total, sr, outdoors=False
    )


def electric_shaver(rng: np.random.Generator, sr: int) -> Captioned:
    """A shaver: a steady buzz of many harmonics that changes as it touches skin."""
    duration_s = rng.uniform(1.5, 5.0)
    speed_hz, loud = _running(rng, sr, duration_s, between(rng, 90.0, 220.0))
    pressed = as_signal(speed_hz * (1.0 - 0.08 * drift(rng, duration_s, sr, 1.5)))
    buzz = _motor(rng, sr, pressed, band(4000.0, 1.5), whine=-15.0, air=-26.0, rattle=-17.0)
    texts = ("an electric shaver", "shaving with an electric razor", "hair clippers buzzing", "an electric razor")
    return pick(rng, *texts), recorded(rng, buzz * loud, sr, outdoors=False)


def drill(rng: np.random.Generator, sr: int) -> Captioned:
    """A drill: the motor whines up, bites (lower and rougher), and stops; a hammer drill rattles."""
    duration_s, top_hz, hammers = rng.uniform(1.2, 5.0), between(rng, 200.0, 700.0), rng.random() < 0.3
    bite = rng.uniform(0.6, 0.9)
    ends = [(0, 0.1), (0.2, 1), (0.35 * duration_s, 1), (0.45 * duration_s, bite), (0.85 * duration_s, bite)]
    speed_hz = top_hz * envelope(duration_s, sr, [*ends, (duration_s, 0.1)])
    loud = envelope(
        duration_s, sr, [(0, 0), (0.12, 0.7), (0.45 * duration_s, 1), (0.85 * duration_s, 1), (duration_s, 0)]
    )
    total = _motor(rng, sr, speed_hz, band(2500.0, 1.8), whine=-15.0, air=-21.0, rattle=-22.0)
    if hammers:
        knock = pulses(rng, speed_hz * between(rng, 30.0, 60.0) / top_hz, sr, 0.2)
        total += level(convolve(knock, blow(rng, sr, (200.0, 5000.0), 0.05, 1.0)), -14.0)
    texts = ("a hammer drill", "drilling into a wall") if hammers else ("an electric drill", "drilling a hole")
    return pick(rng, "a drill", "a power drill", *texts), recorded(rng, total * loud, sr, outdoors=False)


def sonar(rng: np.random.Generator, sr: int) -> Captioned:
    """A sonar: a pure ping in a very long echo."""
    every_s, pitch_hz = rng.uniform(1.5, 3.5), between(rng, 450.0, 1800.0)
    ping_s, t60_s = rng.uniform(0.05, 0.3), rng.uniform(1.0, 3.0)
    slow = noise(rng, every_s, sr, [(1, 0), (8, 0), (40, -40)])
    t = time_axis(every_s, sr)
    carrier = np.sin(2 * np.pi * pitch_hz * t)
    gate = envelope(every_s, sr, [(0, 0), (0.01, 1), (ping_s, 1), (ping_s + 0.05, 0)])
    ping = as_signal(carrier * gate + rng.uniform(0.2, 0.6) * slow * carrier * decay(every_s, sr, t60_s, 0.05))
    deep = noise(rng, every_s, sr, [(30, 0), (120, -6), (600, -30)])
    track = np.concatenate([ping + 0.01 * deep for _ in range(int(rng.integers(1, 4)))])
    return pick(rng, "a sonar ping", "submarine sonar", "sonar pinging under water"), recorded(
        rng, track, sr, outdoors=False
    )


def robot_beeps(rng: np.random.Generator, sr: int) -> Captioned:
    """A robot: quick beeps, glides and warbles."""
    track = silence(0.03, sr)
    for _ in range(int(rng.integers(3, 18))):
        beep_s, start_hz = between(rng, 0.04, 0.3), between(rng, 300.0, 3500.0)
        end = between(rng, 0.4, 2.5) if rng.random() < 0.5 else 1.0
        warble = 1.0 + rng.choice((0.0, 0.1)) * np.sin(2 * np.pi * rng.uniform(15.0, 50.0) * time_axis(beep_s, sr))
        pitch_hz = start_hz * envelope(beep_s, sr, [(0, 1.0), (beep_s, end)]) * warble
        beep = tone(pitch_hz, sr, (1.0, 0.0, rng.uniform(0.0, 0.3), 0.0, rng.uniform(0.0, 0.2)))
        gap = silence(rng.uniform(0.0, 0.12), sr)
        track = np.concatenate([track, level(beep * swell(beep_s, sr, 0.4, 0.15), -14.0), gap])
    texts = ("robot beeps", "a robot beeping and chirping", "computer beeps", "a small robot talking in beeps")
    return pick(rng, *texts), recorded(rng, track, sr, outdoors=False)


def whistle(rng: np.random.Generator, sr: int) -> Captioned:
    """A pea whistle that trills, or lips that glide."""
    pea, length_s, track = rng.random() < 0.5, between(rng, 0.25, 1.5), silence(0.05, sr)
    for _ in range(int(rng.integers(1, 4))):
        t = time_axis(length_s, sr)
        base_hz = between(rng, 2300.0, 3800.0) if pea else between(rng, 800.0, 2200.0)
        trill = np.sin(2 * np.pi * rng.uniform(25.0, 50.0) * t)
        glide = envelope(
            length_s, sr, [(0, rng.uniform(0.6, 1.0)), (0.5 * length_s, 1.2), (length_s, rng.uniform(0.7, 1.4))]
        )
        pitch_hz = base_hz * ((1.0 + 0.03 * trill) if pea else glide)
        air = noise(rng, length_s, sr, band(1.3 * base_hz, 0.8))
        note = mixed((tone(pitch_hz, sr, (1.0, 0.1, 0.05)) * (1 + 0.5 * trill * pea), -14.0), (air, -34.0))
        track = np.concatenate([track, note * swell(length_s, sr, 0.4, 0.2), silence(rng.uniform(0.05, 0.3), sr)])
    texts = ("a referee whistle", "blowing a whistle") if pea else ("someone whistling", "a person whistling")
    return pick(rng, *texts, "a whistle"), recorded(rng, track, sr, outdoors=bool(rng.random() < 0.5))


KINDS: Kinds = {
    "geiger counter": geiger_counter,
    "typing": typing,
    "camera": camera,
    "cash register": cash_register,
    "vacuum cleaner": vacuum_cleaner,
    "fan": fan,
    "hair dryer": hair_dryer,
    "electric shaver": electric_shaver,
    "drill": drill,
    "sonar": sonar,
    "robot beeps": robot_beeps,
    "whistle": whistle,
}
