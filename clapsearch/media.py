"""Sound that libsndfile does not read (AAC, ALAC, WMA, Matroska, videos), through ffmpeg; the only home of PyAV.

Files are hostile, so ffmpeg gets the bytes of one file and can open nothing else, takes them for a few kinds of
container only, never decodes a picture, and works in one thread.
"""

import contextlib
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from io import FileIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from clapsearch.errors import AudioError, UnreadableError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.filter import Graph
    from av.packet import Packet

AUDIO_SUFFIXES = frozenset(b".m4a .m4b .m4p .m4r .aac .wma .mka .weba .ape .wv .tta .mpc .ac3 .ec3 .eac3 .amr".split())
# Not .ts: most files of that name are source code.
VIDEO_SUFFIXES = frozenset(
    b".mp4 .m4v .mov .qt .3gp .3g2 .mkv .webm .avi .divx .wmv .asf .flv .f4v".split()
    + b".mpg .mpeg .vob .mts .m2ts .m2t .ogv .mxf".split()
)
# ffmpeg's names of what these hold. None of them is a playlist, or names another file that ffmpeg would read.
_CONTAINERS = "aac,ac3,amr,ape,asf,avi,eac3,flv,matroska,mov,mpc,mpc8,mpeg,mpegts,mxf,ogg,tta,wv"
# Where the length of a track is exact. In Matroska and ASF it is the whole file's, with its pictures.
_EXACT = frozenset({"ape", "mov", "tta", "wv"})
_EXACT_AS_A_WHOLE = frozenset({"asf", "matroska"})
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
# Encoder delay is in the header's length and is not decoded; clocks of containers are rounded.
_SLACK_S = 0.1
# Protected MP4: FairPlay, Audible, Common Encryption.
_PROTECTED = frozenset({"drms", "aavd", "enca"})
_ENCRYPTED = "it is encrypted (DRM) and cannot be decoded"
_NO_SOUND = "no sound in it"


class Media:
    """The sound of one file, opened by ffmpeg: the track marked as default, or the first.

    Attributes
    ----------
    n_samples : int
        Samples per channel as the header says; 0 where it does not say so exactly.
    sr : int
        Sample rate in Hz.
    channels : int
    format : str
        Container and codec, such as ``MOV/AAC``.

    Raises
    ------
    UnreadableError
        If the bytes cannot be read.
    AudioError
        If there is no sound in it that ffmpeg decodes, or it is encrypted.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._end_s = 0.0
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(open(path, "rb", buffering=0))
            with _translated(lambda: "not a sound file that can be decoded, or cut short"):
                container = opened.enter_context(_open(file))
                track = _sound_track(container)
                _prepare(container, track)
            self._kind, self._promised_s = _kind(container), _promised_s(container, track)
            self._frames = self._decode(container, track)
            with _translated(self._damage):
                self._first = self._read_first()
            self._close = opened.pop_all().close
        self.sr, self.channels = self._first.sample_rate, self._first.layout.nb_channels
        self.n_samples = round(self._promised_s * self.sr)
        self.format = f"{self._kind}/{track.codec.canonical_name}".upper()

    def blocks(self, n_block: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the sound in blocks of `n_block` samples, shape (n, channels); AudioError where it is damaged."""
        with _translated(self._damage):
            graph, signal = _to_float32(self._first, n_block), _signal(self._first)
            for frame in itertools.chain([self._first], self._frames):
                if _signal(frame) != signal:
                    change = f"its sound changes from {signal} to {_signal(frame)} after {self._end_s:.2f} s"
                    raise AudioError(f"{change}; convert the file")
                graph.push(frame)
                yield from _pulled(graph, self.channels)
            graph.push(None)
            yield from _pulled(graph, self.channels)
        self._check_complete()

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _decode(self, container: "InputContainer", track: "AudioStream") -> Iterator["AudioFrame"]:
        from av.error import FFmpegError

        try:
            for packet in container.demux(track):
                for frame in self._frames_of(packet):
                    start_s = self._end_s if frame.time is None else frame.time
                    self._end_s = max(self._end_s, start_s + frame.samples / frame.sample_rate)
                    yield frame
        except FFmpegError:
            if self._is_cut_short():  # otherwise what follows is a tag
                raise

    def _frames_of(self, packet: "Packet[AudioStream]") -> list["AudioFrame"]:
        from av.error import FFmpegError

        if packet.has_sidedata("encryption_info"):
            raise AudioError(_ENCRYPTED)
        try:
            return packet.decode()
        except FFmpegError:
            if self._promised_s:
                raise
            return []  # a stream, made to be cut anywhere: taken as far as it goes, like an MP3

    def _read_first(self) -> "AudioFrame":
        if (first := next(self._frames, None)) is None:
            self._check_complete()
            raise AudioError(_NO_SOUND)
        return first

    def _is_cut_short(self) -> bool:
        return self._end_s < 0.99 * self._promised_s - _SLACK_S

    def _check_complete(self) -> None:
        if self._is_cut_short():
            said_s, got_s = self._promised_s, self._end_s
            raise AudioError(f"truncated: the header promises {said_s:.2f} s, the file holds {got_s:.2f} s")

    def _damage(self) -> str:
        return f"damaged or truncated: decoding fails after {self._end_s:.2f} s"


def _open(file: FileIO) -> "InputContainer":
    """Open without a name, so that a suffix cannot speak for a content that speaks for nothing."""
    import av

    source = SimpleNamespace(read=file.read, seek=functools.partial(_seek, file), tell=file.tell)
    return av.open(source, "r", container_options=demuxer_options(), metadata_errors="replace", io_open=refuse)


def _seek(file: FileIO, offset: int, whence: int) -> int:
    """Seek, but not from the end: where a header knows no length, ffmpeg would guess one from the size of the file."""
    try:
        return -1 if whence == os.SEEK_END else file.seek(offset, whence)
    except OSError:  # to where no file can end
        return -1


def is_media(path: str | bytes | os.PathLike[str]) -> bool:
    """Whether a file is read here, by its suffix: ffmpeg finds some sound in almost anything."""
    return os.path.splitext(os.fsencode(path))[1].lower() in AUDIO_SUFFIXES | VIDEO_SUFFIXES


def refuse(*_: object) -> NoReturn:
    """Open nothing else than the file asked for."""
    raise AudioError("it refers to other files, which are not opened")


@functools.cache
def demuxer_options() -> dict[str, str]:
    """Return what keeps FFmpeg to containers that refer to no other file."""
    import av

    decoders = ",".join(sorted(name for name in av.codecs_available if _decodes_sound(name)))
    return {"format_whitelist": _CONTAINERS, "codec_whitelist": decoders, "protocol_whitelist": "none"}


def _decodes_sound(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return Codec(name, "r").type == "audio"
    except UnknownCodecError:  # it only encodes
        return False


def _kind(container: "InputContainer") -> str:
    return container.format.name.partition(",")[0]


def _sound_track(container: "InputContainer") -> "AudioStream":
    from av.stream import Disposition

    tracks = [track for track in container.streams.audio if track.codec_context is not None]
    if not container.streams.audio:
        raise AudioError(_NO_SOUND)
    if not tracks:
        raise AudioError("its sound is in a codec that cannot be decoded; convert it to WAV or FLAC")
    chosen = next((track for track in tracks if track.disposition & Disposition.default), tracks[0])
    if _is_encrypted(container, chosen):
        raise AudioError(_ENCRYPTED)
    return chosen


def _is_encrypted(container: "InputContainer", track: "AudioStream") -> bool:
    if _kind(container) == "asf":
        return "encryption" in container.metadata
    try:
        return _kind(container) == "mov" and track.codec_tag in _PROTECTED
    except UnicodeDecodeError:  # a tag is any four bytes
        return False


def _prepare(container: "InputContainer", track: "AudioStream") -> None:
    """Let ffmpeg decode one track, in one thread."""
    from av.stream import Discard

    for other in container.streams:
        if other is not track:
            other.discard = Discard.all
    track.codec_context.thread_count = 1
    if track.codec.lossless:  # these have checksums; where a lossy one has, damage is played on
        track.codec_context.options = {"err_detect": "crccheck+explode"}
    # PyAV frees an unusual order of channels with every frame that shares it; only their number matters here.
    if n_channels := track.codec_context.layout.nb_channels:
        track.codec_context.layout = f"{n_channels} channels"


def _promised_s(container: "InputContainer", track: "AudioStream") -> float:
    """When the header says that a track ends, in seconds; 0 where it does not say so exactly."""
    if _kind(container) in _EXACT and track.duration and track.time_base:
        return float(((track.start_time or 0) + track.duration) * track.time_base)
    if _kind(container) not in _EXACT_AS_A_WHOLE or not container.duration:
        return 0.0
    whole_s = container.duration / 1e6
    if clock := _CLOCK.match(track.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, clock.groups())
        return min(whole_s, 3600 * hours + 60 * minutes + seconds)
    return whole_s if sum(other.type in {"audio", "video"} for other in container.streams) == 1 else 0.0


def _to_float32(frame: "AudioFrame", n_block: int) -> "Graph":
    """Make a converter of frames to packed float32 of `n_block` samples each.

    Packed, for PyAV reads past the planes of a frame with more than eight channels.
    """
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout.name, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add("aformat", sample_fmts="flt"), graph.add("abuffersink")).configure()
    graph.set_audio_frame_size(n_block)
    return graph


def _pulled(graph: "Graph", channels: int) -> Iterator[npt.NDArray[np.float32]]:
    with contextlib.suppress(BlockingIOError, EOFError):  # it wants more; it is empty
        while True:
            yield np.asarray(graph.pull().to_ndarray(), np.float32).reshape(-1, channels)


@contextlib.contextmanager
def _translated(describe: Callable[[], str]) -> Iterator[None]:
    """Turn what ffmpeg raises into an AudioError; an error of reading into an UnreadableError."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        # Errors of the system come from below as they are: one of ffmpeg's own only means that there is no more.
        reason = "it ends early" if isinstance(error, EOFError | OSError) else error.strerror
        raise AudioError(f"{describe()} ({reason})") from error
    except MemoryError as error:
        raise AudioError(f"{describe()} (it asks for more memory than there is)") from error
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error


def _signal(frame: "AudioFrame") -> str:
    return f"{frame.sample_rate} Hz {frame.layout.name} {frame.format.name}"
