"""Vehicles of the air, the road, the rails and the water."""

import numpy as np

from clapsearch.demo.machines import engine
from clapsearch.demo.signals import (
    Points,
    Signal,
    add,
    as_signal,
    convolve,
    drift,
    envelope,
    equalise,
    level,
    noise,
    phase,
    pulses,
    silence,
    tone,
)
from clapsearch.training.synthesis.parts import (
    band,
    between,
    blow,
    burst,
    mixed,
    pass_by,
    recorded,
    swell,
)
from clapsearch.training.synthesis.recording import Captioned, Kinds, pick


def airplane(rng: np.random.Generator, sr: int) -> Captioned:
    """A jet: broad rumble that brightens towards the nearest point, with the whine of its fans."""
    duration_s, near = rng.uniform(4.0, 10.0), rng.random()
    at_s = duration_s * rng.uniform(0.35, 0.65)
    loud, ratio = pass_by(duration_s, sr, at_s, rng.uniform(60.0, 130.0), between(rng, 40.0, 350.0))
    rumble = noise(rng, duration_s, sr, [(25, -8), (70, 0), (250, -3), (700, -10), (2000, -24), (6000, -50)])
    roar = noise(rng, duration_s, sr, [(80, -12), (400, 0), (1500, -4), (5000, -14), (14000, -36)])
    whine = tone(ratio * between(rng, 900.0, 3200.0), sr, (1.0, 0.4, 0.2)) * (ratio > 1.0 - 0.4 * rng.random())
    flutter = 0.6 + 0.8 * drift(rng, duration_s, sr, 7.0)
    jet = loud * flutter * level(rumble, -16.0) + loud**1.6 * level(roar, -22.0 + 8.0 * near)
    jet += loud**2 * level(whine, -46.0 + 14.0 * near * rng.random())
    caption = pick(
        rng,
        "a jet airplane passing over" if near < 0.5 else "a jet plane flying by close",
        "an airplane flying past",
        "jet aircraft passing by",
        "a plane taking off",
    )
    return caption, recorded(rng, jet, sr, outdoors=True)


def propeller_plane(rng: np.random.Generator, sr: int) -> Captioned:
    """A propeller aircraft: a drone of blade harmonics with a Doppler fall."""
    duration_s, blade_hz = rng.uniform(3.0, 9.0), between(rng, 55.0, 130.0)
    passing = rng.random() < 0.7
    speed, distance = (rng.uniform(40.0, 90.0), between(rng, 30.0, 200.0)) if passing else (0.0, 50.0)
    loud, ratio = pass_by(duration_s, sr, duration_s * rng.uniform(0.35, 0.65), speed, distance)
    pitch_hz = blade_hz * ratio * (1.0 + 0.01 * drift(rng, duration_s, sr, 2.0))
    drone = tone(pitch_hz, sr, [1.0 / k**0.9 for k in range(1, 18)])
    if rng.random() < 0.5:
        drone += tone(pitch_hz * rng.uniform(1.004, 1.02), sr, [0.8 / k for k in range(1, 14)])
    motor = engine(rng, sr, duration_s=duration_s, firing_hz=[(0, blade_hz)], diesel=-6.0)
    air = noise(rng, duration_s, sr, [(80, 0), (500, -4), (2000, -14), (8000, -36)])
    total = loud * mixed((drone, -14.0), (motor, -18.0), (air, -24.0))
    caption = pick(
        rng,
        "a propeller plane flying by" if passing else "a propeller airplane engine running",
        "a small airplane with a propeller",
        "a light aircraft droning",
        "propeller aircraft passing" if passing else "propeller aircraft in flight",
    )
    return caption, recorded(rng, total, sr, outdoors=True)


def rocket(rng: np.random.Generator, sr: int) -> Captioned:
    """A rocket: ignition, a crackling roar and the slow fall of its level."""
    duration_s, start_s = rng.uniform(3.0, 9.0), rng.uniform(0.05, 0.8)
    loud = envelope(duration_s, sr, [(0, 0.02), (start_s, 1), (0.6 * duration_s, 0.8), (duration_s, 0.08)])
    roar = noise(rng, duration_s, sr, [(25, 0), (90, 2), (400, -2), (1500, -10), (6000, -22), (14000, -40)])
    crackle = np.sign(roar) * np.square(noise(rng, duration_s, sr, band(between(rng, 500.0, 1500.0), 1.5)))
    flutter = 0.4 + 1.2 * drift(rng, duration_s, sr, 14.0)
    total = loud * flutter * mixed((roar, -14.0), (crackle, -22.0 + 6.0 * rng.random()))
    caption = pick(
        rng, "a rocket launching", "rocket engine roaring", "a rocket taking off", "a missile being launched"
    )
    return caption, recorded(rng, total, sr, outdoors=True)


def steam_engine(rng: np.random.Generator, sr: int) -> Captioned:
    """A steam engine: chuffs of exhaust steam, four to a turn of the wheels."""
    duration_s, chuff_hz = rng.uniform(3.0, 8.0), between(rng, 1.0, 7.0)
    speeding = rng.uniform(0.8, 1.6)
    rate_hz = chuff_hz * envelope(duration_s, sr, [(0, 1.0), (duration_s, speeding)])
    turn = phase(rate_hz, sr)
    beat = 0.6 + 0.4 * np.cos(2 * np.pi * np.floor(turn) / 4.0 + rng.uniform(0, 6.28))
    puff = np.exp(-(turn % 1.0) * rng.uniform(3.0, 6.0)) * np.minimum((turn % 1.0) / 0.06, 1.0) * beat
    steam = noise(rng, duration_s, sr, [(80, -6), (300, 0), (1200, -2), (4000, -8), (12000, -24)])
    rods = convolve(pulses(rng, rate_hz, sr, 0.3), blow(rng, sr, (250.0, 3000.0), 0.15))
    leak = noise(rng, duration_s, sr, [(1500, -20), (5000, 0), (12000, -4)])
    total = mixed((puff * steam, -14.0), (rods, -30.0), (leak, -38.0 + 10.0 * rng.random()))
    if rng.random() < 0.35:
        add(total, level(_steam_whistle(rng, sr), -14.0), rng.uniform(0.2, duration_s - 1.5), sr)
        return pick(rng, "a steam train whistle blowing", "a steam train with its whistle"), recorded(
            rng, total, sr, outdoors=True
        )
    caption = pick(rng, "a steam engine chuffing", "a steam train puffing", "an old steam train chugging")
    return caption, recorded(rng, total, sr, outdoors=True)


def _steam_whistle(rng: np.random.Generator, sr: int) -> Signal:
    duration_s, base_hz = rng.uniform(0.6, 1.6), between(rng, 300.0, 700.0)
    rise = envelope(duration_s, sr, [(0, 0.93), (0.15, 1.0), (duration_s, 0.99)])
    chord = sum((tone(base_hz * step * rise, sr, (1.0, 0.4, 0.2)) for step in (1.0, 1.26, 1.5)), np.zeros(1))
    breath = noise(rng, duration_s, sr, band(3.0 * base_hz, 1.5))
    return mixed((chord, -14.0), (breath, -26.0)) * swell(duration_s, sr, 0.4, 0.3)


def _horn(rng: np.random.Generator, sr: int, duration_s: float, notes_hz: list[float], throat: Points) -> Signal:
    """A buzzing diaphragm through a bell of spectrum ``throat``."""
    rise = envelope(duration_s, sr, [(0, 0.97), (0.08, 1.0), (duration_s, 0.995)])
    buzz = sum((tone(hz * rise, sr, [k**-0.5 for k in range(1, 24)]) for hz in notes_hz), np.zeros(1))
    gate = envelope(duration_s, sr, [(0, 0), (0.03, 1), (duration_s - 0.06, 0.95), (duration_s, 0)])
    rough = 1.0 + 0.1 * noise(rng, duration_s, sr, band(40.0))
    return equalise(buzz * rough, sr, throat) * gate


def ship_horn(rng: np.random.Generator, sr: int) -> Captioned:
    """A ship's horn: one or two long low notes and their echo."""
    base_hz, count = between(rng, 70.0, 220.0), int(rng.integers(1, 3))
    notes_hz = [base_hz] if rng.random() < 0.5 else [base_hz, base_hz * rng.uniform(1.2, 1.5)]
    throat: Points = [(60, -4), (200, 0), (600, -8), (1500, -22), (5000, -50)]
    blast_s, track = rng.uniform(1.2, 3.5), silence(0.3, sr)
    for _ in range(count):
        track = np.concatenate([track, _horn(rng, sr, blast_s, notes_hz, throat), silence(0.5, sr)])
    caption = pick(rng, "a ship horn blowing", "a foghorn", "the deep horn of a boat", "a ferry blowing its horn")
    return caption, recorded(rng, track, sr, outdoors=True)


def car_horn(rng: np.random.Generator, sr: int) -> Captioned:
    """A car's horn: two reed notes a third apart, short or held."""
    base_hz, count = between(rng, 300.0, 480.0), int(rng.integers(1, 5))
    notes_hz = [base_hz, base_hz * rng.uniform(1.18, 1.27)] if rng.random() < 0.75 else [base_hz]
    throat: Points = [(200, -14), (450, -6), (2000, 0), (4000, -6), (9000, -30)]
    track = silence(0.05, sr)
    for _ in range(count):
        honk = _horn(rng, sr, between(rng, 0.15, 1.8 if count < 3 else 0.5), notes_hz, throat)
        track = np.concatenate([track, honk, silence(rng.uniform(0.06, 0.35), sr)])
    many = ("a car honking several times", "car horn beeping") if count > 2 else ("a car honking", "a car horn blaring")
    return pick(rng, "a car horn", *many), recorded(rng, track, sr, outdoors=True)


def motorcycle(rng: np.random.Generator, sr: int) -> Captioned:
    """A motorcycle: uneven firing that revs, or passes by."""
    duration_s, idle_hz = rng.uniform(2.5, 7.0), between(rng, 14.0, 30.0)
    passing = rng.random() < 0.5
    if passing:
        fast_hz = idle_hz * rng.uniform(3.5, 7.0)
        loud, ratio = pass_by(duration_s, sr, 0.5 * duration_s, rng.uniform(15.0, 40.0), between(rng, 3.0, 15.0))
        firing = [(at, fast_hz * float(ratio[int(at * sr)])) for at in np.linspace(0.0, duration_s - 0.01, 40)]
    else:
        loud = np.ones(1, dtype=np.float32)
        revs = np.cumsum(rng.uniform(0.25, 0.8, 12))
        firing = [(at, idle_hz * (1.0 if n % 2 else rng.uniform(1.5, 6.0))) for n, at in enumerate(revs)]
    motor = engine(rng, sr, duration_s=duration_s, firing_hz=firing, diesel=-4.0)
    rasp = as_signal(np.tanh(motor / np.abs(motor).max() * between(rng, 2.0, 8.0))) * loud
    texts = ("a motorcycle passing by", "a motorbike driving past") if passing else ("a motorcycle revving",)
    return pick(rng, *texts, "a motorcycle engine", "a motorbike"), recorded(rng, rasp, sr, outdoors=True)


def car(rng: np.random.Generator, sr: int) -> Captioned:
    """A car passing by: tyres on the road, its engine below them, and the Doppler shift."""
    duration_s, speed = rng.uniform(2.5, 8.0), between(rng, 9.0, 40.0)
    loud, ratio = pass_by(duration_s, sr, duration_s * rng.uniform(0.35, 0.65), speed, between(rng, 2.5, 12.0))
    wet = rng.random() < 0.25
    low, high = (
        noise(rng, duration_s, sr, [(60, -10), (300, -2), (900 * bright, 0), (2500 * bright, -14), (9000, -38)])
        for bright in (0.8, 1.3)
    )
    tyres = loud * (low * (ratio < 1.0) + high * (ratio >= 1.0)) + loud**1.5 * (low + high)
    hum = loud * tone(ratio * between(rng, 50.0, 130.0), sr, [1.0 / k for k in range(1, 12)])
    spray = loud**2 * noise(rng, duration_s, sr, [(1000, -20), (4000, 0), (12000, -4)])
    total = mixed((tyres, -14.0), (hum, -26.0 + 6.0 * rng.random()), (spray, -18.0 if wet else -45.0))
    fast = ("a fast car driving past", "a car speeding by") if speed > 25.0 else ("a car driving past slowly",)
    texts = ("a car passing on a wet road",) if wet else (*fast, "a car passing by", "traffic passing on a road")
    return pick(rng, *texts), recorded(rng, total, sr, outdoors=True)


def boat(rng: np.random.Generator, sr: int) -> Captioned:
    """A motor boat: a small engine muffled by the water that it churns."""
    duration_s, firing_hz = rng.uniform(3.0, 8.0), between(rng, 18.0, 110.0)
    motor = engine(rng, sr, duration_s=duration_s, firing_hz=[(0, firing_hz)], diesel=-2.0)
    churn = noise(rng, duration_s, sr, [(150, -10), (500, 0), (2000, -6), (8000, -18)])
    slosh = (0.2 + drift(rng, duration_s, sr, 3.0)) ** 2 * (0.6 + 0.4 * np.sign(drift(rng, duration_s, sr, 15.0) - 0.5))
    splash = burst(rng, sr, 0.4, [(200, -6), (900, 0), (6000, -12)], attack_s=0.05)
    total = mixed((motor, -14.0), (slosh * churn, -18.0 - 8.0 * rng.random()))
    add(total, level(splash, -20.0), rng.uniform(0.3, duration_s - 1.0), sr)
    caption = pick(rng, "a motorboat on the water", "a boat with an outboard motor", "a boat engine", "a speedboat")
    return caption, recorded(rng, total, sr, outdoors=True)


KINDS: Kinds = {
    "airplane": airplane,
    "propeller plane": propeller_plane,
    "rocket": rocket,
    "steam engine": steam_engine,
    "ship horn": ship_horn,
    "car horn": car_horn,
    "motorcycle": motorcycle,
    "car": car,
    "boat": boat,
}
