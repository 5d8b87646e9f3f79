"""Variations of the demo's weather, water, animals and machines, with captions that say what was drawn."""

import numpy as np

from clapsearch.demo import animals, machines, trains, water, weather
from clapsearch.demo.signals import Points, finish, length, level
from clapsearch.training.synthesis.recording import (
    HALL,
    INDOORS,
    OUTDOORS,
    VALLEYS,
    Captioned,
    pick,
    record,
    somewhere,
)


def rain(rng: np.random.Generator, sr: int) -> Captioned:
    """Light, steady or heavy rain, or rain on metal."""
    duration_s = rng.uniform(3.0, 9.0)
    if rng.random() < 0.25:
        captions = [
            "rain on a metal roof",
            "rain drumming on metal",
            "raindrops hitting a metal sheet",
            "rain on metal",
        ]
        return pick(rng, *captions), record(rng, sr, weather.rain_on_metal, OUTDOORS, duration_s=duration_s)
    strength = rng.uniform()
    drop_rate_hz, wash_db = 20.0 * 80.0**strength, -36.0 + 24.0 * strength + rng.uniform(-3.0, 3.0)
    captions = ["rain falling", "steady rain", "the sound of rain", "rain falling on the ground"]
    if strength < 0.35:
        captions = ["light rain", "light rain falling", "a drizzle", "soft rain pattering"]
    elif strength > 0.7:
        captions = ["heavy rain", "heavy rain falling", "pouring rain", "it is raining hard"]
    options = {"duration_s": duration_s, "drop_rate_hz": drop_rate_hz, "wash_db": wash_db}
    return pick(rng, *captions), record(rng, sr, weather.rain, OUTDOORS, **options)


def thunder(rng: np.random.Generator, sr: int) -> Captioned:
    """A near or far thunder, sometimes with rain behind it."""
    duration_s, distance = rng.uniform(4.0, 9.0), rng.uniform()
    captions = ["thunder", "thunder rumbling", "the rumble of thunder"]
    if distance < 0.3:
        captions = ["loud thunder", "thunder crashing nearby", "a loud crack of thunder", "lightning striking close by"]
    elif distance > 0.65:
        captions = ["distant thunder", "thunder rumbling far away", "faint thunder", "thunder growling far off"]
    track = finish(weather.thunder(rng, sr, duration_s=duration_s, distance=distance), sr, 0.0)
    if rng.random() < 0.4:
        captions = [f"{caption} {pick(rng, 'and rain', 'with rain falling')}" for caption in captions]
        captions.append("a thunderstorm")
        falling = weather.rain(rng, sr, duration_s=duration_s, drop_rate_hz=rng.uniform(60.0, 600.0), wash_db=-20.0)
        track += level(falling, rng.uniform(-36.0, -24.0))
    return pick(rng, *captions), somewhere(rng, sr, track, VALLEYS)


def wind(rng: np.random.Generator, sr: int) -> Captioned:
    """Wind, plain or howling."""
    howl = rng.uniform(0.0, 0.25) if rng.random() < 0.5 else rng.uniform(0.5, 1.8)
    captions = ["wind blowing", "strong wind", "gusts of wind", "a windy day outdoors"]
    if howl > 0.4:
        captions = ["wind howling", "wind whistling", "howling wind", "wind moaning around a house"]
    options = {"duration_s": rng.uniform(4.0, 9.3), "howl": howl}
    return pick(rng, *captions), record(rng, sr, weather.wind, OUTDOORS, **options)


def sea(rng: np.random.Generator, sr: int) -> Captioned:
    """Waves on sand or pebbles; the start falls anywhere between two waves."""
    pebbles = rng.uniform(0.25, 1.0) if rng.random() < 0.4 else 0.0
    captions = ["sea waves", "waves on the shore", "waves rolling onto a sandy beach", "the sea"]
    if pebbles:
        captions = ["waves on a pebble beach", "waves washing over stones", "sea waves on a rocky shore", "sea waves"]
    period_s, begin_s = rng.uniform(3.5, 9.0), rng.uniform(0.5, 5.0)
    waves = water.sea(rng, sr, duration_s=begin_s + rng.uniform(5.0, 9.0), period_s=period_s, pebbles=pebbles)
    return pick(rng, *captions), somewhere(rng, sr, waves[length(begin_s, sr) :], OUTDOORS)


def drip(rng: np.random.Generator, sr: int) -> Captioned:
    """Drops into still water, slow or fast, in a room or a cave."""
    interval_s, cave = 0.2 * 10.0 ** rng.uniform(), rng.random() < 0.35
    captions = ["water dripping", "drops of water falling", "water drops", "a tap dripping"]
    if interval_s > 1.1:
        captions = ["water dripping slowly", "a slow drip of water", "single drops of water"]
    elif interval_s < 0.4:
        captions = ["water dripping fast", "water dripping quickly into a bowl", "many drops of water"]
    if cave:
        captions += ["water dripping in a cave", "echoing drops of water"]
    options = {"duration_s": rng.uniform(3.0, 8.0), "interval_s": interval_s}
    return pick(rng, *captions), record(rng, sr, water.dripping, HALL if cave else INDOORS, **options)


def fire(rng: np.random.Generator, sr: int) -> Captioned:
    """A small or a large fire."""
    roar = rng.uniform(-12.0, 14.0)
    captions = ["a fire crackling", "wood crackling in a fireplace", "fire", "a campfire crackling", "flames crackling"]
    if roar > 7.0:
        captions = ["a fire roaring", "a large fire burning", "flames roaring", "a bonfire burning", "a big blaze"]
    options = {"duration_s": rng.uniform(3.0, 9.0), "crackle_hz": 8.0 * 15.0 ** rng.uniform(), "roar": roar}
    return pick(rng, *captions), record(rng, sr, weather.fire, OUTDOORS, **options)


def birds(rng: np.random.Generator, sr: int) -> Captioned:
    """One bird or several."""
    n_birds = int(rng.choice((1, 1, 2, 3, 5, 6, 8, 10)))
    captions = ["birds singing", "birds chirping", "birds tweeting", "birds singing in the trees"]
    if n_birds == 1:
        captions = ["a bird singing", "a bird chirping", "a single bird tweeting", "bird song"]
    elif n_birds > 5:
        captions = ["many birds singing", "lots of birds chirping", "birds chirping in a forest", "a flock of birds"]
    options = {"duration_s": rng.uniform(4.0, 9.0), "n_birds": n_birds}
    return pick(rng, *captions), record(rng, sr, animals.birds, OUTDOORS, **options)


def crickets(rng: np.random.Generator, sr: int) -> Captioned:
    """One cricket or a field of them."""
    n_crickets = int(rng.choice((1, 2, 3, 6, 8, 10)))
    captions = ["crickets chirping", "crickets", "crickets chirping at night", "insects chirping in a field"]
    if n_crickets == 1:
        captions = ["a cricket chirping", "a single cricket", "a cricket", "an insect chirping"]
    options = {"duration_s": rng.uniform(3.0, 8.5), "n_crickets": n_crickets}
    return pick(rng, *captions), record(rng, sr, animals.crickets, OUTDOORS, **options)


def dog(rng: np.random.Generator, sr: int) -> Captioned:
    """Barks of a large, middling or small dog."""
    pitch_hz, n_barks = 330.0 * 3.2 ** rng.uniform(), int(rng.integers(1, 9))
    captions = ["a dog barking", "dog barks", "a dog barking at someone", "barking"]
    if pitch_hz < 480.0:
        captions = ["a large dog barking", "a big dog barking", "a dog barking", "a deep bark"]
    elif pitch_hz > 700.0:
        captions = ["a small dog barking", "a little dog yapping", "a dog barking", "a puppy barking"]
    if n_barks == 1:
        captions = ["a dog barking once", "a single bark of a dog", "a dog bark"]
    options = {"duration_s": 0.8 + 0.65 * n_barks, "pitch_hz": pitch_hz, "n_barks": n_barks}
    return pick(rng, *captions), record(rng, sr, animals.dog, OUTDOORS if rng.random() < 0.7 else INDOORS, **options)


def cat(rng: np.random.Generator, sr: int) -> Captioned:
    """Meows of a cat or a kitten."""
    pitch_hz, n_meows = rng.uniform(450.0, 1100.0), int(rng.integers(1, 6))
    captions = ["a cat meowing", "a cat", "a hungry cat meowing", "a meowing cat"]
    if pitch_hz > 820.0:
        captions = ["a kitten meowing", "a young cat meowing", "a cat meowing", "a kitten crying"]
    if n_meows == 1:
        captions.append("a single meow")
    options = {"duration_s": 0.6 + n_meows * rng.uniform(1.0, 1.6), "pitch_hz": pitch_hz, "n_meows": n_meows}
    return pick(rng, *captions), record(rng, sr, animals.cat, INDOORS, **options)


def engine(rng: np.random.Generator, sr: int) -> Captioned:
    """A petrol or diesel engine: idling, revving or driving."""
    duration_s, diesel = rng.uniform(4.0, 9.0), rng.random() < 0.4
    name = pick(rng, *("a diesel engine", "a truck engine") if diesel else ("a car engine", "an engine", "a motor"))
    idle_hz = rng.uniform(12.0, 40.0)
    verb, firing_hz = (_idling, _revving, _driving)[int(rng.integers(3))](rng, duration_s, idle_hz)
    clatter_db = rng.uniform(4.0, 14.0) if diesel else rng.uniform(-6.0, 2.0)
    options = {"duration_s": duration_s, "firing_hz": firing_hz, "diesel": clatter_db}
    return f"{name} {verb}", record(rng, sr, machines.engine, OUTDOORS, **options)


def _idling(rng: np.random.Generator, duration_s: float, idle_hz: float) -> tuple[str, Points]:
    verb = pick(rng, "idling", "running steadily", "running slowly", "humming")
    return verb, [(0.0, idle_hz), (duration_s, idle_hz * rng.uniform(0.95, 1.05))]


def _revving(rng: np.random.Generator, duration_s: float, idle_hz: float) -> tuple[str, Points]:
    points, at_s = [(0.0, idle_hz)], rng.uniform(0.2, 1.5)
    while at_s < duration_s:
        up_s, down_s = rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.6)
        points += [(at_s, idle_hz), (at_s + up_s, idle_hz * rng.uniform(2.5, 5.0)), (at_s + up_s + down_s, idle_hz)]
        at_s += up_s + down_s + rng.uniform(0.1, 1.2)
    return pick(rng, "revving", "revving up", "being revved", "revving loudly"), points


def _driving(rng: np.random.Generator, duration_s: float, idle_hz: float) -> tuple[str, Points]:
    gear_s, low, high = rng.uniform(1.5, 4.0), idle_hz * rng.uniform(1.5, 2.2), idle_hz * rng.uniform(3.0, 5.0)
    points = [(0.0, idle_hz)]
    for at_s in np.arange(0.5, duration_s, gear_s + 0.4):
        points += [(at_s + gear_s, high * rng.uniform(0.85, 1.1)), (at_s + gear_s + 0.35, low)]
    return pick(rng, "accelerating", "speeding up", "driving", "shifting gears"), points


def helicopter(rng: np.random.Generator, sr: int) -> Captioned:
    """A helicopter that hovers or flies past."""
    passing = bool(rng.random() < 0.5)
    captions = ["a helicopter", "a helicopter hovering", "helicopter rotor blades", "a helicopter in the air"]
    if passing:
        captions = ["a helicopter flying past", "a helicopter flying by", "a helicopter passing", "a helicopter flying"]
    options = {"duration_s": rng.uniform(4.0, 9.3), "blade_hz": rng.uniform(8.0, 24.0), "passing": passing}
    return pick(rng, *captions), record(rng, sr, machines.helicopter, OUTDOORS, **options)


def train(rng: np.random.Generator, sr: int) -> Captioned:
    """A goods train that passes, or a steam train that starts or runs."""
    duration_s = rng.uniform(6.0, 9.3)
    if rng.random() < 0.5:
        captions = [
            "a train passing",
            "a train going by",
            "a train horn and wheels on rails",
            "a freight train passing",
        ]
        options = {"duration_s": duration_s, "wheels_hz": rng.uniform(0.8, 2.6)}
        return pick(rng, *captions), record(rng, sr, trains.train_passing, OUTDOORS, **options)
    slow, fast = rng.uniform(1.2, 3.5), rng.uniform(4.0, 9.0)
    whistle_at_s = rng.uniform(0.5, 1.8 * duration_s)
    captions = ["a steam train", "a steam engine chuffing", "a steam train gathering speed", "a steam train running"]
    if whistle_at_s < duration_s - 1.5:
        captions = ["a steam train whistle", "a steam train whistling", "a train whistle blowing", "a steam train"]
    steam = {"duration_s": duration_s, "chuff_hz": ((0.0, slow), (duration_s, fast)), "whistle_at_s": whistle_at_s}
    return pick(rng, *captions), record(rng, sr, trains.steam_train, OUTDOORS, **steam)
