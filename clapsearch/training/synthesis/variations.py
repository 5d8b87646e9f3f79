"""Variations of the demo's alerts, people and things, and the catalogue of all variations.

Parameters come from wide ranges and captions say what was drawn; the demo's own sounds stay out of the training.
"""

import numpy as np

from clapsearch.demo import alerts, people, things
from clapsearch.demo.signals import Signal, length, level
from clapsearch.training.synthesis import outdoors
from clapsearch.training.synthesis.recording import HALL, INDOORS, OUTDOORS, Captioned, Kinds, pick, record, somewhere

SIREN_CAPTIONS = {
    "wail": ("a police siren", "an emergency siren wailing", "a police car siren", "a siren"),
    "yelp": ("a fast police siren", "a siren yelping", "a police siren", "an emergency vehicle siren"),
    "hilo": ("an ambulance siren", "a two tone siren", "a fire engine siren", "a siren"),
}


def siren(rng: np.random.Generator, sr: int) -> Captioned:
    """A wailing, yelping or two-tone siren."""
    pattern = pick(rng, *tuple(SIREN_CAPTIONS))
    options = {"duration_s": rng.uniform(3.0, 9.0), "pattern": pattern}
    return pick(rng, *SIREN_CAPTIONS[pattern]), record(rng, sr, alerts.siren, OUTDOORS, **options)


def car_alarm(rng: np.random.Generator, sr: int) -> Captioned:
    """A cycle of fast sirens and beeps, or one of them only."""
    cycle = np.concatenate([_alarm_piece(rng, sr) for _ in range(int(rng.integers(1, 6)))])
    track = np.resize(cycle, length(rng.uniform(4.0, 9.0), sr))
    captions = (
        "a car alarm",
        "a car alarm going off",
        "a car alarm sounding in the street",
        "the alarm of a parked car",
    )
    return pick(rng, *captions), somewhere(rng, sr, track, OUTDOORS)


def _alarm_piece(rng: np.random.Generator, sr: int) -> Signal:
    """A second or two of one pattern; played from a lower rate, sirens get higher and faster."""
    duration_s, faster = rng.uniform(1.5, 3.5), rng.uniform(1.1, 2.0)
    if rng.random() < 0.6:
        pattern = pick(rng, "yelp", "yelp", "hilo")
        return level(alerts.siren(rng, round(sr / faster), duration_s=duration_s, pattern=pattern), -12.0)
    pitch_hz = rng.uniform(350.0, 520.0) if rng.random() < 0.3 else rng.uniform(900.0, 2600.0)
    beeps = {"pitch_hz": pitch_hz, "beep_s": rng.uniform(0.06, 0.3), "pause_s": 0.0}
    return level(alerts.beeping_alarm(rng, sr, duration_s=duration_s, n_beeps=4, **beeps), -12.0)


def bell(rng: np.random.Generator, sr: int) -> Captioned:
    """A church bell or a hand bell."""
    if rng.random() < 0.55:
        captions = ["a church bell ringing", "a church bell tolling", "a large bell ringing", "a bell in a tower"]
        every_s = rng.uniform(1.0, 3.6)
        bronze = {"strike_hz": rng.uniform(170.0, 720.0), "ring_s": rng.uniform(4.0, 10.0), "every_s": every_s}
        return pick(rng, *captions), record(rng, sr, alerts.bell, OUTDOORS, duration_s=rng.uniform(5.0, 9.0), **bronze)
    captions = ["a hand bell ringing", "a small bell ringing", "a bell ringing", "a school bell rung by hand"]
    brass = {"strike_hz": rng.uniform(850.0, 2500.0), "ring_s": rng.uniform(0.8, 3.5), "every_s": rng.uniform(0.2, 0.9)}
    return pick(rng, *captions), record(rng, sr, alerts.bell, INDOORS, duration_s=rng.uniform(2.0, 7.0), **brass)


def telephone(rng: np.random.Generator, sr: int) -> Captioned:
    """A telephone with a bell or an electronic one."""
    duration_s = rng.uniform(3.0, 9.0)
    if rng.random() < 0.5:
        captions = ["a telephone ringing", "a rotary phone ringing", "a vintage phone ringing", "a phone bell ringing"]
        bursts = {"on_s": rng.uniform(0.5, 3.2), "off_s": rng.uniform(0.4, 2.5)}
        return pick(rng, *captions), record(rng, sr, alerts.bell_telephone, INDOORS, duration_s=duration_s, **bursts)
    captions = ["an electronic phone ringing", "an office phone ringing", "a phone ringing", "a cordless phone ringing"]
    options = {"duration_s": duration_s, "notes_hz": rng.uniform(650.0, 2400.0, int(rng.integers(2, 6)))}
    return pick(rng, *captions), record(rng, sr, alerts.electronic_telephone, INDOORS, **options)


def alarm(rng: np.random.Generator, sr: int) -> Captioned:
    """A beeping alarm, a smoke detector or a wind-up alarm clock."""
    duration_s = rng.uniform(3.0, 8.0)
    if rng.random() < 0.35:
        captions = ["an alarm bell ringing", "a mechanical alarm ringing", "a wind-up alarm going off"]
        return pick(rng, *captions), record(rng, sr, alerts.bell_alarm, INDOORS, duration_s=duration_s)
    smoke = rng.random() < 0.3
    captions = [
        "a digital alarm beeping",
        "a digital alarm beeping",
        "an alarm going off",
        "an electronic alarm beeping",
    ]
    if smoke:
        captions = ["a smoke alarm beeping", "a smoke detector beeping", "a fire alarm beeping", "a loud beeping alarm"]
    pitch_hz, beep_s = (rng.uniform(2800.0, 3600.0), 0.5) if smoke else (rng.uniform(700.0, 4200.0), 0.05)
    group = {"pitch_hz": pitch_hz, "beep_s": beep_s * rng.uniform(0.7, 4.0 - 5.0 * beep_s)}
    options = {"n_beeps": int(rng.integers(1, 7)), "pause_s": rng.uniform(0.1, 1.2), **group}
    return pick(rng, *captions), record(rng, sr, alerts.beeping_alarm, INDOORS, duration_s=duration_s, **options)


def footsteps(rng: np.random.Generator, sr: int) -> Captioned:
    """Steps on gravel or wood, slow to running."""
    steps_hz, gravel = rng.uniform(1.0, 3.3), rng.random() < 0.5
    on = pick(rng, *("on gravel", "on a gravel path") if gravel else ("on a wooden floor", "on floorboards", "on wood"))
    what = pick(rng, "footsteps", "someone taking steps", "steps of a person", "a person walking")
    if steps_hz > 2.5:
        what = pick(rng, "someone running", "fast footsteps", "running footsteps")
    elif steps_hz < 1.4:
        what = pick(rng, "slow footsteps", "someone walking slowly", "footsteps")
    options = {"duration_s": rng.uniform(3.0, 8.0), "steps_hz": steps_hz, "ground": "gravel" if gravel else "wood"}
    return f"{what} {on}", record(rng, sr, people.footsteps, OUTDOORS if gravel else INDOORS, **options)


def applause(rng: np.random.Generator, sr: int) -> Captioned:
    """A few people or a crowd that claps, some of them cheering."""
    few = rng.random() < 0.35
    n_people, n_cheers = int(rng.integers(2, 9) if few else rng.integers(25, 150)), 0
    captions = ["a few people clapping", "a small group clapping", "some people clapping their hands", "hand clapping"]
    if not few:
        captions = ["a large crowd clapping", "applause", "a crowd applauding", "loud applause in a hall"]
        if rng.random() < 0.5:
            captions = ["a crowd clapping and cheering", "applause and cheering", "people cheering and clapping"]
            n_cheers = int(rng.integers(4, 16))
    options = {"duration_s": rng.uniform(3.0, 9.0), "n_people": n_people, "n_cheers": n_cheers}
    return pick(rng, *captions), record(rng, sr, people.applause, INDOORS if few else HALL, **options)


def knock(rng: np.random.Generator, sr: int) -> Captioned:
    """Knocks on a door, one to three times."""
    rounds, n_knocks, every_s = int(rng.integers(1, 4)), int(rng.integers(2, 9)), rng.uniform(0.09, 0.42)
    captions = ["knocking on a door", "someone knocking at the door", "a knock on the door", "knocking on wood"]
    if every_s < 0.15:
        captions = ["fast knocking on a door", "rapid knocking", "someone knocking quickly on a wooden door"]
    elif every_s > 0.32:
        captions = ["slow knocking on a door", "someone knocking slowly", "knocking on a door"]
    options = {"duration_s": rounds * (n_knocks * every_s + rng.uniform(0.5, 0.9)) + 0.4, "every_s": every_s}
    return pick(rng, *captions), record(rng, sr, people.knocking, INDOORS, rounds=rounds, n_knocks=n_knocks, **options)


def clock(rng: np.random.Generator, sr: int) -> Captioned:
    """A watch, a wall clock or a grandfather clock."""
    ticks_hz, body_hz = rng.uniform(0.8, 5.5), 110.0 * 11.0 ** rng.uniform()
    captions = ["ticking", "steady ticking", "a timer ticking", "tick tock"]
    if ticks_hz > 3.5:
        captions = ["a watch ticking", "fast ticking", "a small timepiece ticking", "quick ticking"]
    elif ticks_hz < 1.5 and body_hz < 320.0:
        captions = ["slow ticking", "a large timepiece ticking slowly", "a pendulum going tick tock"]
    options = {"duration_s": rng.uniform(3.0, 9.0), "ticks_hz": ticks_hz, "body_hz": body_hz}
    return pick(rng, *captions), record(rng, sr, things.clock, INDOORS, **options)


def glass(rng: np.random.Generator, sr: int) -> Captioned:
    """Glasses that touch, once or often."""
    n_clinks = int(rng.integers(1, 9))
    captions = ["glasses clinking", "wine glasses clinking together", "people clinking glasses", "glass clinking"]
    if n_clinks == 1:
        captions = ["two glasses clinking", "a clink of glasses", "a single clink of glass", "two glasses touching"]
    options = {"duration_s": 1.2 + n_clinks * rng.uniform(0.3, 1.0), "n_clinks": n_clinks}
    return pick(rng, *captions), record(rng, sr, things.toast, INDOORS, **options)


def glass_break(rng: np.random.Generator, sr: int) -> Captioned:
    """A pane that bursts."""
    captions = (
        "glass breaking",
        "glass shattering",
        "a window breaking",
        "a bottle breaking",
        "glass falling in pieces",
    )
    around = OUTDOORS if rng.random() < 0.3 else INDOORS
    return pick(rng, *captions), record(rng, sr, things.breaking_glass, around, duration_s=rng.uniform(1.3, 4.5))


def radio(rng: np.random.Generator, sr: int) -> Captioned:
    """Static, with or without the whistle of tuning."""
    tuning = rng.random() < 0.5
    captions = ["radio static", "static noise", "a radio hissing", "white noise from a radio"]
    if tuning:
        captions = ["tuning a radio", "a radio searching for a station", "a radio whistling", "shortwave radio static"]
    options = {"duration_s": rng.uniform(3.0, 9.0), "whistle": rng.uniform(28.0, 44.0) if tuning else 0.0}
    return pick(rng, *captions), record(rng, sr, things.radio, INDOORS, **options)


def laser(rng: np.random.Generator, sr: int) -> Captioned:
    """One zap of a game or a burst of them."""
    shots, shot_s = int(rng.integers(1, 12)), rng.uniform(0.12, 0.75)
    captions = ["laser shots", "laser guns firing", "video game laser zaps", "a ray gun firing", "a space battle"]
    if shots == 1:
        captions = ["a laser zap", "a laser shot", "a single zap of a ray gun", "a science fiction laser", "a zap"]
    options = {"duration_s": 0.9 + shots * rng.uniform(0.12, 0.6), "top_hz": rng.uniform(1200.0, 6500.0)}
    fading = rng.uniform(0.8, 1.0)
    return pick(rng, *captions), record(
        rng, sr, things.laser, INDOORS, shots=shots, shot_s=shot_s, fading=fading, **options
    )


KINDS: Kinds = {
    "rain": outdoors.rain,
    "thunder": outdoors.thunder,
    "wind": outdoors.wind,
    "sea waves": outdoors.sea,
    "water drip": outdoors.drip,
    "fire": outdoors.fire,
    "birds": outdoors.birds,
    "cricket": outdoors.crickets,
    "dog bark": outdoors.dog,
    "cat": outdoors.cat,
    "engine": outdoors.engine,
    "helicopter": outdoors.helicopter,
    "train": outdoors.train,
    "siren": siren,
    "car alarm": car_alarm,
    "bell": bell,
    "telephone": telephone,
    "alarm": alarm,
    "footsteps": footsteps,
    "applause": applause,
    "knock": knock,
    "ticking": clock,
    "glass": glass,
    "glass break": glass_break,
    "radio": radio,
    "laser": laser,
}
