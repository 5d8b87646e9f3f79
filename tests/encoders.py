"""Sounds and videos for tests, written by ffmpeg's own encoders; ways to damage a file, and to compare sounds."""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 6: "5.1", 12: "12 channels"}


def add_sound(to: av.container.OutputContainer, codec: str, sr: int, channels: int, sample_format: str | None = None):
    stream = to.add_stream(codec, rate=sr, options={"strict": "-2"})
    stream.codec_context.layout = LAYOUTS[channels]
    if sample_format:
        stream.codec_context.format = sample_format
    return stream


def frames_of(waveform: np.ndarray, sr: int, start: int = 0) -> Iterator[av.AudioFrame]:
    """Cut a waveform, shape (n,) or (n, channels), into frames of 0.1 s."""
    sound = np.ascontiguousarray(waveform.reshape(len(waveform), -1), np.float32)
    for at in range(0, len(sound), sr // 10):
        piece = sound[at : at + sr // 10].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=LAYOUTS[sound.shape[1]])
        frame.sample_rate, frame.pts, frame.time_base = sr, start + at, Fraction(1, sr)
        yield frame


def encode(to: av.container.OutputContainer, stream: av.AudioStream, frames: Iterator[av.AudioFrame]) -> None:
    context = stream.codec_context
    converter = av.AudioResampler(format=context.format.name, layout=context.layout.name, rate=context.sample_rate)
    for frame in [*frames, None]:
        for converted in converter.resample(frame):
            to.mux(stream.encode(converted))
    to.mux(stream.encode(None))


def write(
    path: Path,
    waveform: np.ndarray,
    sr: int = 48_000,
    *,
    codec: str = "aac",
    container: str | None = None,
    sample_format: str | None = None,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    with av.open(str(path), "w", format=container, options=options or {}) as to:
        stream = add_sound(to, codec, sr, channels, sample_format)
        if bit_rate:
            stream.bit_rate = bit_rate
        encode(to, stream, frames_of(waveform, sr))
    return path


def write_video(
    path: Path,
    tracks: Sequence[np.ndarray] = (),
    *,
    duration_s: float = 1.0,
    picture: str = "mpeg4",
    sound: str = "aac",
    default: int | None = None,
    size: int = 32,
) -> Path:
    """Write a video of noise, 25 pictures a second."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as to:
        pictures = to.add_stream(picture, rate=25)
        pictures.width = pictures.height = size
        pictures.pix_fmt = "yuvj420p" if picture == "mjpeg" else "yuv420p"
        streams = [add_sound(to, sound, 48_000, 1) for _ in tracks]
        for i, stream in enumerate(streams):
            stream.bit_rate = 128_000
            if default is not None:
                stream.disposition = int(i == default)
        for _ in range(round(25 * duration_s)):
            image = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
            to.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        to.mux(pictures.encode(None))
        for stream, waveform in zip(streams, tracks, strict=True):
            encode(to, stream, frames_of(waveform, 48_000))
    return path


def sixteen_bit(waveform: np.ndarray) -> np.ndarray:
    return (np.round(waveform * 2**15) / 2**15).astype(np.float32)


def tones(duration_s: float, sr: int = 48_000) -> np.ndarray:
    """Return a melody without a period, shape (n_samples,): no two places are alike."""
    time_s = np.arange(round(duration_s * sr)) / sr
    return (0.3 * np.sin(2 * np.pi * (300 + 400 * time_s) * time_s)).astype(np.float32)


def snr_db(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()))


def lag(found: np.ndarray, wanted: np.ndarray) -> int:
    """Return by how many samples a sound comes late, or (below zero) early."""
    n = len(found) + len(wanted)
    late = int(np.fft.irfft(np.fft.rfft(found, n) * np.conj(np.fft.rfft(wanted, n)), n).argmax())
    return late if late < len(found) else late - n


def patched(path: Path, marker: bytes, offset: int, value: bytes) -> Path:
    """Overwrite bytes `offset` after the first `marker`."""
    content = bytearray(path.read_bytes())
    at = content.index(marker) + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


def cut(path: Path, share: float) -> Path:
    os.truncate(path, int(path.stat().st_size * share))
    return path
