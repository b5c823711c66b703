"""The facts of a video file. It is decoded completely once; then its facts are cached by content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.errors import InputError, Problem, UsageError
from wan_render.facts import FactCache

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

KIND = "footage/1"
"""The kind under which facts are cached. Its number goes up whenever the facts of a video change."""

MOST_FRAMES, MOST_SECONDS = 250_000, 60 * 60
"""Of a file. Decoding an hour of 1920x1080 takes several minutes, once."""

LEAST_FOOTAGE_SIDE = 16
"""In pixels."""

STEADY_RATES = (Fraction(8), Fraction(120))
"""Slower and faster files are shown moment by moment, as those with uneven frames are."""

_UNEVEN = Fraction(1, 4)
"""How far a frame may be from its place at a steady rate, as a part of a frame; at least a millisecond, the unit of
many containers."""

_MILLISECOND = Fraction(1, 1000)

_USUAL_RATES = tuple(
    rate for whole in (24, 25, 30, 48, 50, 60, 120) for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
)


@dataclass(frozen=True)
class FootageFacts:
    """A usable video file.

    digest:   SHA-256 of the file's bytes.
    width, height: as shown: upright, with square pixels.
    rate:     frames per second; None if they are not evenly spaced, or very fast or slow.
    frames:   how many. seconds: from the beginning of the first to the end of the last.
    sound_at: when its first sound begins, in seconds from the first frame; None without sound.
    form:     `h264, 1920x1080, 29.97 fps`.
    notes:    what is done with its frames, in words. warnings: what the user may not expect.
    """

    digest: str
    width: int
    height: int
    rate: Fraction | None
    frames: int
    seconds: Fraction
    sound_at: Fraction | None
    form: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def footage_facts(file: Path, cache: FactCache) -> FootageFacts:
    """The facts of a video file. Decodes it completely unless its bytes are known.

    Raises InputError for any file that cannot be shown: missing, not a video, empty, damaged, cut off, too long or too
    large.
    """
    try:
        digest, known = cache.inspected(KIND, file, _inspect)
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise InputError(Problem(str(file), found, "", "check its name and its permissions")) from error
    return FootageFacts(
        digest,
        known["width"],
        known["height"],
        _fraction(known["rate"]),
        known["frames"],
        Fraction(known["seconds"]),
        _fraction(known["sound_at"]),
        known["form"],
        tuple(known["notes"]),
        tuple(known["warnings"]),
    )


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _inspect(file: Path) -> dict[str, Any]:
    from wan_render.footage.any_video import decoded_frames, opened_video, video_stream

    told: list[str] = []
    times: list[Fraction | None] = []
    size, interlaced = (0, 0), False
    with opened_video(file) as container:
        stream = video_stream(file, container)
        for decoded in decoded_frames(file, container, MOST_FRAMES, told.append, LEAST_FOOTAGE_SIDE):
            if not times:
                size, first = decoded.upright_size, decoded.time
            interlaced = interlaced or bool(decoded.frame.interlaced_frame)
            times.append(decoded.time)
            if decoded.time is not None and first is not None and decoded.time - first > MOST_SECONDS:
                raise _too_long(file)
        rates = _stated_rates(stream)
        rate, seconds = _spacing(times, rates)
        if seconds > MOST_SECONDS:
            raise _too_long(file)
        name = stream.codec_context.name
    warnings = [text for text in told if "HDR" in text]
    if interlaced:
        warnings.append("is interlaced: moving edges look like combs; deinterlace it first")
    spaced = f"{float(rate):.5g} fps" if rate is not None else f"{len(times)} frames, not evenly spaced"
    return {
        "width": size[0],
        "height": size[1],
        "rate": None if rate is None else str(rate),
        "frames": len(times),
        "seconds": str(seconds),
        "sound_at": _text(_sound_begins(file, times[0] or Fraction(0))),
        "form": f"{name}, {size[0]}x{size[1]}, {spaced}",
        "notes": [text for text in told if text not in warnings],
        "warnings": warnings,
    }


def _text(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _too_long(file: Path) -> UsageError:
    found = f"is longer than {MOST_SECONDS // 60} minutes"
    return UsageError(Problem(str(file), found, "a part of a film", "cut off what is not needed"))


def _stated_rates(stream: VideoStream) -> tuple[Fraction, ...]:
    stated = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    return tuple(dict.fromkeys(Fraction(rate) for rate in stated if rate))


def _spacing(times: Sequence[Fraction | None], stated: Iterable[Fraction]) -> tuple[Fraction | None, Fraction]:
    """The rate of evenly spaced frames, else None; and how long they are shown, in seconds."""
    usual = next(iter(stated), Fraction(25))
    known = [time for time in times if time is not None]
    if len(known) < len(times):  # a stream without times has one frame after the other
        return usual, len(times) / usual
    first = known[0]
    offsets = [time - first for time in known]
    if len(offsets) == 1:
        return None, 1 / usual
    steady = next((rate for rate in (*stated, *_near(offsets)) if _is_even(offsets, rate)), None)
    if steady is None:
        gaps = sorted(later - earlier for earlier, later in pairwise(offsets))
        return None, max(offsets) + max(gaps[len(gaps) // 2], Fraction(1, 1000))
    low, high = STEADY_RATES
    return (steady if low <= steady <= high else None), len(offsets) / steady


def _near(offsets: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Usual rates near the measured one, then that itself."""
    length = max(offsets)
    if not length:
        return ()
    measured = (len(offsets) - 1) / length
    near = sorted(_USUAL_RATES, key=lambda rate: abs(rate - measured))[:2]
    return (*near, measured.limit_denominator(1001))


def _is_even(offsets: Sequence[Fraction], rate: Fraction) -> bool:
    slack = max(_UNEVEN / rate, _MILLISECOND)
    return all(abs(offset - at / rate) <= slack for at, offset in enumerate(offsets))


def _sound_begins(file: Path, first: Fraction) -> Fraction | None:
    """When the first sound begins, in seconds after the first frame; None without sound."""
    from wan_render.footage.any_video import opened_video

    with opened_video(file) as container:
        if not container.streams.audio:
            return None
        return _first_time(container) - first


def _first_time(container: InputContainer) -> Fraction:
    """The time of the first samples that are heard. Where nothing says so, that of the file's beginning."""
    import av

    stream = container.streams.audio[0]
    if stream.codec_context is None:  # PyAV's types do not say so: the codec is unknown. Placing the sound says it
        return Fraction(0)
    try:
        for frame in container.decode(stream):
            if frame.samples and frame.pts is not None and frame.time_base is not None:
                return Fraction(frame.pts * frame.time_base)
    except av.FFmpegError:  # placing the sound says it
        pass
    return Fraction(0)
