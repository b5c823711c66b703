"""Any sound file, or the sound of a video → samples of one form, block by block. Nothing in the file is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wan_render.errors import InputError, Problem
from wan_render.foreign_container import decoder_words, opened_container
from wan_render.sound.soundtrack import RATE

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = NDArray[np.float32]
"""(samples, 2) float32: left and right, 48,000 a second; full scale is -1 to 1."""

DEMUXERS = (
    *("wav", "w64", "flac", "mp3", "ogg", "aac", "aiff", "caf", "au", "ac3", "eac3", "wv", "tta", "amr"),
    *("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "mpegts", "mpeg", "asf", "flv", "mxf", "nut"),
)
"""FFmpeg's demuxers of files that are whole in themselves. A playlist would open other files, or the network."""

EXACT_LENGTHS = frozenset({"wav", "w64", "flac", "aiff", "caf", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Demuxers of files whose headers say how long they are. An MP3's length is often a guess."""

MOST_SECONDS = 4 * 60 * 60
"""The longest sound. Decoding it takes about half a minute."""

MOST_CHANNELS, MOST_RATE = 64, 768_000

_ALLOWED = "a sound file, for example WAV, FLAC, MP3, OGG or M4A"
_AGAIN = "write or copy the file again"
_CUT_OFF_SECONDS = 0.25
"""How much shorter than its header says a sound may be."""


def read_sound(file: Path) -> Iterator[Samples]:
    """The samples of a file's first sound, resampled to 48 kHz and mixed to stereo, in blocks.

    A single channel is heard on both sides, 3 dB lower on each. Surround sound is mixed down by the usual matrix.
    Raises InputError for a file that is missing, empty, damaged, cut off, too long, or has no sound.
    """
    with _opened(file) as container:
        yield from _resampled(file, container, sound_stream(file, container))


@contextmanager
def opened_sound(file: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The open file and its first sound. Raises InputError."""
    with _opened(file) as container:
        yield container, sound_stream(file, container)


def unusable(file: Path, found: str, allowed: str = _ALLOWED, remedy: str = "") -> InputError:
    """The error for a file that cannot be used as a sound."""
    return InputError(Problem(str(file), found, allowed, remedy))


@contextmanager
def _opened(file: Path) -> Iterator[InputContainer]:
    """The open file. Whatever its decoders raise becomes an InputError: any byte of a stranger's file may be wrong."""
    if file.exists() and file.stat().st_size == 0:
        raise unusable(file, "is empty (0 bytes)", remedy=_AGAIN)

    def unreadable(words: str) -> InputError:
        remedy = "if another program plays it, write it again as WAV or FLAC"
        return unusable(file, f"cannot be read as sound: {words}", remedy=remedy)

    with opened_container(file, DEMUXERS, unreadable) as container:
        yield container


def sound_stream(file: Path, container: InputContainer) -> AudioStream:
    """The first sound of an open file. Raises InputError if there is none that can be decoded."""
    if not container.streams.audio:
        has_video = any(stream.type == "video" for stream in container.streams)
        found = "is a video without sound" if has_video else "has no sound"
        raise unusable(file, found, remedy="name another file")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None:  # PyAV's types do not say so: the codec is unknown
        raise unusable(file, "has sound of an unknown kind", remedy="write it again as WAV or FLAC")
    if not 1 <= context.channels <= MOST_CHANNELS or not 1 <= context.sample_rate <= MOST_RATE:
        found = f"has {context.channels} channels at {context.sample_rate} Hz"
        allowed = f"at most {MOST_CHANNELS} channels and {MOST_RATE:,} Hz"
        raise unusable(file, found, allowed, "write it again as stereo at 48,000 Hz")
    return stream


def _resampled(file: Path, container: InputContainer, stream: AudioStream) -> Iterator[Samples]:
    promised = _promised_seconds(container, stream)
    most = MOST_SECONDS * RATE if promised is None else round(promised * RATE)
    count = 0
    for block in _converted(file, container, stream):
        kept = block[: most - count]  # an encoder may add silence at the end, beyond what the header says
        count += len(kept)
        if count == MOST_SECONDS * RATE:
            raise unusable(file, f"is {MOST_SECONDS // 3600} hours long or longer", "", "cut off what is not needed")
        if len(kept):
            yield kept
    if count == 0:
        raise unusable(file, "has no samples", remedy=_AGAIN)
    if promised is not None and promised - count / RATE > _CUT_OFF_SECONDS:
        found = f"is cut off: it ends after {count / RATE:.2f} of {promised:.2f} seconds"
        raise unusable(file, found, "", _AGAIN)


def _converted(file: Path, container: InputContainer, stream: AudioStream) -> Iterator[Samples]:
    import av

    context = stream.codec_context
    form = (context.sample_rate, context.channels)
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
    is_fed = False
    for frame in _decoded(file, container, stream):
        if (frame.sample_rate, len(frame.layout.channels)) != form:
            raise unusable(file, "changes its rate or its channels", "one form", "write it again as WAV")
        frame.pts = None  # samples follow each other, whatever the file says of their times
        is_fed = True
        yield from map(_samples, resampler.resample(frame))
    if is_fed:
        yield from map(_samples, resampler.resample(None))


def _promised_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    """The length according to the header; None if it does not say, or only guesses."""
    if container.format.name not in EXACT_LENGTHS or not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


def _decoded(file: Path, container: InputContainer, stream: AudioStream) -> Iterator[Any]:
    import av

    packets: Iterator[Any] = container.demux(stream)
    for packet in packets:
        if packet.is_corrupt:
            raise unusable(file, "is damaged or cut off: a packet is incomplete", "", _AGAIN)
        try:
            yield from packet.decode()
        except av.InvalidDataError as error:
            at = f" at {float(packet.pts * packet.time_base):.2f} s" if packet.pts is not None else ""
            raise unusable(file, f"is damaged{at}: {decoder_words(error)}", "", _AGAIN) from error


def _samples(block: Any) -> Samples:
    return np.asarray(block.to_ndarray(), np.float32).reshape(-1, 2)
