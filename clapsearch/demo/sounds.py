"""The catalogue of the demo sounds, and the writer that puts them into a folder."""

import csv
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clapsearch.demo import alerts, animals, machines, people, things, trains, water, weather
from clapsearch.demo.places import CAVE, GARDEN, PATH, ROOM, STREET, THEATRE, VALLEY, Place
from clapsearch.demo.signals import Signal, finish

# One fixed seed for the catalogue; the name is mixed in, so that adding a sound leaves the others as they are.
SEED = 20_261
PEAK_DB = -3.0
CD_SR = 44_100
VIDEO_SR = 48_000


@dataclass(frozen=True)
class DemoSound:
    """One file of the demo library.

    Parameters
    ----------
    name : str
        Path relative to the demo folder; its suffix decides the file format.
    kind : str
        What it is a sound of; questions name the kinds they accept.
    sr : int
        Sample rate in Hz.
    synthesise : callable
        Takes a random generator, returns float32 of shape (n_samples,) or (n_samples, n_channels), in [-1, 1].
    """

    name: str
    kind: str
    sr: int
    synthesise: Callable[[np.random.Generator], Signal]


def seeded(name: str) -> np.random.Generator:
    """The generator that belongs to the sound called ``name``, the same in every run."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def write_sounds(folder: Path) -> list[Path]:
    """Synthesise every demo sound into ``folder``, 16 bit.

    Parameters
    ----------
    folder : Path
        Created when missing; files of the same name are replaced.

    Returns
    -------
    list of Path
        The files written, in catalogue order.
    """
    import soundfile

    paths = []
    for sound in SOUNDS:
        path = folder / sound.name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound.synthesise(seeded(sound.name)), sound.sr, subtype="PCM_16")
        paths.append(path)
    return paths


def write_manifest(path: Path, sounds: str) -> None:
    """Write a manifest for ``clapsearch eval``: a row for each demo sound, its kind as the label.

    Parameters
    ----------
    path : Path
        The file to write.
    sounds : str
        The sounds' folder, relative to the file's.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        rows.writerows([f"{sounds}/{sound.name}", sound.kind] for sound in SOUNDS)


def _sound(
    name: str, kind: str, make: Callable[..., Signal], sr: int = CD_SR, place: Place | None = None, **options: Any
) -> DemoSound:
    return DemoSound(name, kind, sr, partial(_recorded, make=partial(make, **options), sr=sr, place=place))


def _recorded(rng: np.random.Generator, make: Callable[..., Signal], sr: int, place: Place | None) -> Signal:
    dry = make(rng, sr)
    return finish(dry if place is None else place.around(rng, dry, sr), sr, PEAK_DB)


_IDLE = ((0.0, 24.0), (9.0, 24.0))
_DRIVE = ((0, 26), (6, 30), (9, 85), (10, 60), (16, 120), (17, 80), (28, 130), (40, 110), (50, 120), (58, 40), (64, 26))
_REVS = ((0.0, 28.0), (1.5, 28.0), (2.2, 110.0), (3.2, 45.0), (4.0, 130.0), (5.5, 40.0), (8.0, 28.0))

SOUNDS: tuple[DemoSound, ...] = (
    _sound("weather/rain_light.wav", "rain", weather.rain, duration_s=9, drop_rate_hz=60, wash_db=-28),
    _sound("weather/rain_heavy.flac", "rain", weather.rain, VIDEO_SR, duration_s=10, drop_rate_hz=900, wash_db=-15),
    _sound("weather/rain_metal.wav", "rain", weather.rain_on_metal, duration_s=9),
    _sound("weather/storm_evening.flac", "thunderstorm", weather.thunderstorm, duration_s=64, thunder_at_s=40),
    _sound("weather/thunder_near.wav", "thunder", weather.thunder, VIDEO_SR, place=VALLEY, duration_s=8, distance=0.05),
    _sound("weather/thunder_far.wav", "thunder", weather.thunder, place=VALLEY, duration_s=10, distance=0.9),
    _sound("weather/wind_plain.flac", "wind", weather.wind, duration_s=66, howl=0.1),
    _sound("weather/wind_attic.wav", "wind", weather.wind, duration_s=10, howl=1.2),
    _sound("water/shore_sand.flac", "sea", water.sea, duration_s=72, period_s=8.5, pebbles=0.0),
    _sound("water/shore_stones.wav", "sea", water.sea, VIDEO_SR, duration_s=10, period_s=6.0, pebbles=0.5),
    _sound("water/drip_cave.wav", "drips", water.dripping, place=CAVE, duration_s=9, interval_s=1.1),
    _sound("water/drip_sink.wav", "drips", water.dripping, place=ROOM, duration_s=8, interval_s=0.6),
    _sound("fire/camp.wav", "fire", weather.fire, place=GARDEN, duration_s=10, crackle_hz=28, roar=6),
    _sound("fire/stove.wav", "fire", weather.fire, VIDEO_SR, place=GARDEN, duration_s=9, crackle_hz=70, roar=-6),
    _sound("animals/birds_garden.wav", "birds", animals.birds, place=GARDEN, duration_s=9, n_birds=4),
    _sound("animals/birds_one.wav", "birds", animals.birds, VIDEO_SR, place=GARDEN, duration_s=8, n_birds=1),
    _sound("animals/birds_dawn.flac", "birds", animals.birds, place=GARDEN, duration_s=62, n_birds=7),
    _sound("animals/crickets_field.wav", "crickets", animals.crickets, place=GARDEN, duration_s=9, n_crickets=5),
    _sound(
        "animals/crickets_close.wav", "crickets", animals.crickets, VIDEO_SR, place=GARDEN, duration_s=7, n_crickets=1
    ),
    _sound("animals/yard_at_night.flac", "night", animals.night, place=GARDEN, duration_s=63, bark_at_s=47),
    _sound("animals/dog_large.wav", "dog", animals.dog, place=GARDEN, duration_s=5, pitch_hz=440, n_barks=6),
    _sound("animals/dog_small.wav", "dog", animals.dog, place=GARDEN, duration_s=4, pitch_hz=820, n_barks=6),
    _sound("animals/cat_hungry.wav", "cat", animals.cat, place=ROOM, duration_s=4, pitch_hz=620, n_meows=3),
    _sound("animals/cat_kitten.wav", "cat", animals.cat, VIDEO_SR, place=ROOM, duration_s=3, pitch_hz=900, n_meows=2),
    _sound("machines/motor_idle.wav", "engine", machines.engine, place=GARDEN, duration_s=9, firing_hz=_IDLE, diesel=5),
    _sound(
        "machines/motor_revs.wav",
        "engine",
        machines.engine,
        VIDEO_SR,
        place=GARDEN,
        duration_s=8,
        firing_hz=_REVS,
        diesel=0,
    ),
    _sound(
        "machines/motor_drive.flac", "engine", machines.engine, place=GARDEN, duration_s=64, firing_hz=_DRIVE, diesel=0
    ),
    _sound(
        "machines/heli_hover.wav",
        "helicopter",
        machines.helicopter,
        place=GARDEN,
        duration_s=9,
        blade_hz=11.5,
        passing=False,
    ),
    _sound(
        "machines/heli_pass.wav",
        "helicopter",
        machines.helicopter,
        place=GARDEN,
        duration_s=10,
        blade_hz=17,
        passing=True,
    ),
    _sound("machines/goods_train.flac", "train", trains.train_passing, place=STREET, duration_s=61, wheels_hz=1.1),
    _sound(
        "machines/steam_start.wav",
        "train",
        trains.steam_train,
        place=STREET,
        duration_s=10,
        chuff_hz=((0, 2.0), (10, 5.5)),
        whistle_at_s=6.5,
    ),
    _sound("alerts/siren_wail.wav", "siren", alerts.siren, place=STREET, duration_s=10, pattern="wail"),
    _sound("alerts/siren_yelp.wav", "siren", alerts.siren, VIDEO_SR, place=STREET, duration_s=6, pattern="yelp"),
    _sound("alerts/siren_hilo.wav", "siren", alerts.siren, place=STREET, duration_s=8, pattern="hilo"),
    _sound(
        "alerts/bell_tower.wav", "bell", alerts.bell, place=STREET, duration_s=10, strike_hz=440, ring_s=9, every_s=2.4
    ),
    _sound(
        "alerts/bell_hand.wav",
        "bell",
        alerts.bell,
        VIDEO_SR,
        place=STREET,
        duration_s=5,
        strike_hz=1320,
        ring_s=3,
        every_s=0.5,
    ),
    _sound("alerts/phone_dial.wav", "telephone", alerts.bell_telephone, place=ROOM, duration_s=8, on_s=2.3, off_s=1.7),
    _sound(
        "alerts/phone_desk.wav",
        "telephone",
        alerts.electronic_telephone,
        place=ROOM,
        duration_s=6,
        notes_hz=(1100, 1400, 1750),
    ),
    _sound(
        "alerts/alarm_digital.wav",
        "alarm",
        alerts.beeping_alarm,
        place=ROOM,
        duration_s=6,
        pitch_hz=2050,
        n_beeps=4,
        beep_s=0.06,
        pause_s=0.5,
    ),
    _sound("alerts/alarm_wind_up.wav", "alarm", alerts.bell_alarm, place=ROOM, duration_s=5),
    _sound(
        "people/steps_path.wav",
        "footsteps",
        people.footsteps,
        place=PATH,
        duration_s=8,
        steps_hz=1.7,
        ground="gravel",
    ),
    _sound(
        "people/steps_hall.wav",
        "footsteps",
        people.footsteps,
        VIDEO_SR,
        place=ROOM,
        duration_s=7,
        steps_hz=1.9,
        ground="wood",
    ),
    _sound(
        "people/clap_theatre.wav", "applause", people.applause, place=THEATRE, duration_s=9, n_people=110, n_cheers=7
    ),
    _sound("people/clap_few.wav", "applause", people.applause, place=THEATRE, duration_s=6, n_people=5, n_cheers=0),
    _sound(
        "people/knock_visitor.wav",
        "knock",
        people.knocking,
        place=ROOM,
        duration_s=4,
        rounds=2,
        n_knocks=3,
        every_s=0.22,
    ),
    _sound(
        "people/knock_police.wav",
        "knock",
        people.knocking,
        place=ROOM,
        duration_s=4,
        rounds=1,
        n_knocks=7,
        every_s=0.16,
    ),
    _sound("things/clock_kitchen.wav", "clock", things.clock, place=ROOM, duration_s=8, ticks_hz=2.0, body_hz=700),
    _sound(
        "things/clock_hall.wav", "clock", things.clock, VIDEO_SR, place=ROOM, duration_s=9, ticks_hz=1.0, body_hz=180
    ),
    _sound("things/glass_toast.wav", "glass", things.toast, place=ROOM, duration_s=5, n_clinks=4),
    _sound("things/glass_window.wav", "glass", things.breaking_glass, place=ROOM, duration_s=3),
    _sound("things/radio_static.wav", "radio", things.radio, duration_s=8, whistle=0),
    _sound("things/radio_tuning.wav", "radio", things.radio, duration_s=9, whistle=36),
    _sound("games/zap_single.wav", "laser", things.laser, duration_s=1.2, shots=1, top_hz=3800, shot_s=0.45, fading=1),
    _sound(
        "games/zap_burst.wav",
        "laser",
        things.laser,
        VIDEO_SR,
        duration_s=2.4,
        shots=6,
        top_hz=3400,
        shot_s=0.3,
        fading=0.75,
    ),
)
