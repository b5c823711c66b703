"""Times, joints (some have a length in time), and circled takes."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Literal

from wan_render.authored.amounts import NUMBER
from wan_render.authored.spelling import Misspelt, Spelling, did_you_mean
from wan_render.authored.values import Circle, Time, Transition
from wan_render.authored.words import any_case

DAY = 24 * 60 * 60
"""The longest time of the format, in seconds. It also keeps numbers short enough to compute with."""

HIGHEST_RATE = 48

_SECONDS = re.compile(r"([+-]?)([0-9]{1,6}\.?[0-9]{0,9}|\.[0-9]{1,9})\s*s?", re.IGNORECASE)
_FRAMES = re.compile(r"([+-]?)([0-9]{1,7})\s*f", re.IGNORECASE)
_TIMECODE = re.compile(r"([+-]?)([0-9]{2}):([0-5][0-9]):([0-5][0-9]):([0-4][0-9])")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5]?[0-9])")
TIMES = "allowed: seconds (5s, 2.5), frames (81f) or a timecode (00:00:05:00)"
TIME_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+) *[sSfF]?$"},
        {"type": "string", "pattern": "^[+-]?[0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{2}$"},
    ]
}


def read_time(text: str) -> Time:
    """`5s`, `5.0`, `81f`, `00:00:05:00`. A sign is read; the field decides whether it is allowed."""
    for pattern, build in ((_SECONDS, _from_seconds), (_FRAMES, _from_frames), (_TIMECODE, _from_timecode)):
        if match := pattern.fullmatch(text):
            time = build(*match.groups())
            if abs(time.seconds) > DAY or abs(time.frames) > DAY * HIGHEST_RATE:
                raise Misspelt("allowed: at most 24 hours")
            return time
    raise Misspelt(TIMES, _clock_hint(text))


def _from_seconds(sign: str, seconds: str) -> Time:
    return Time(seconds=Fraction(sign + seconds))


def _from_frames(sign: str, frames: str) -> Time:
    return Time(frames=int(sign + frames))


def _from_timecode(sign: str, hours: str, minutes: str, seconds: str, frames: str) -> Time:
    one = -1 if sign == "-" else 1
    return Time(
        seconds=Fraction(one * (int(hours) * 3600 + int(minutes) * 60 + int(seconds))),
        frames=one * int(frames),
        is_timecode=True,
    )


def _clock_hint(text: str) -> str:
    if not (match := _CLOCK.fullmatch(text)):
        return ""
    minutes, seconds = int(match[1]), int(match[2])
    return f"for {minutes} min {seconds} s write {minutes * 60 + seconds}s"


def _time(noun: str, fits: Callable[[Time], bool], wanted: str) -> Spelling:
    def parse(text: str) -> Time:
        time = read_time(text)
        if fits(time):
            return time
        raise Misspelt(f"allowed: {wanted}")

    return Spelling(noun, parse, Time, TIME_SCHEMA)


Length = Annotated[
    Time, _time("a length of time", lambda time: time.seconds > 0 or time.frames > 0, "a time longer than 0")
]
Moment = Annotated[Time, _time("a time", lambda time: time.seconds >= 0 and time.frames >= 0, "a time from 0 on")]
Offset = Annotated[Time, Spelling("a time", read_time, Time, TIME_SCHEMA)]


def read_clip_frame(text: str) -> Literal["first", "last"] | int | Time:
    """A frame of a video file: `first`, `last`, its number from 0, or a time: `2.5s`."""
    words: tuple[Literal["first", "last"], ...] = ("first", "last")
    for word in words:
        if text.lower() == word:
            return word
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    allowed = "allowed: first, last, a frame's number (17), or a time (2.5s)"
    try:
        time = read_time(text)
    except Misspelt:
        raise Misspelt(allowed) from None
    if time.frames or time.seconds < 0:
        raise Misspelt(allowed, "write a number without `f`, or seconds")
    return time


_FRAME_TEXT = {"type": "string", "pattern": r"^[0-9.]+ *[sS]?$"}

ClipFrame = Annotated[
    Literal["first", "last"] | int | Time,
    Spelling(
        "a frame of a video file",
        read_clip_frame,
        (int, Time),
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                _FRAME_TEXT,
                any_case("first", "last"),
            ]
        },
    ),
]

NARRATION: Literal["narration"] = "narration"
"""The word in `duration: narration`."""


def read_duration(text: str) -> Time | Literal["narration"]:
    """A length of time, or `narration`: as long as the shot's narration."""
    if text.lower() == NARRATION:
        return NARRATION
    time = read_time(text)
    if time.seconds > 0 or time.frames > 0:
        return time
    raise Misspelt("allowed: a time longer than 0, or narration")


Duration = Annotated[
    Time | Literal["narration"],
    Spelling("a length of time", read_duration, Time, {"anyOf": [*TIME_SCHEMA["anyOf"], any_case(NARRATION)]}),
]

_LONG_JOINTS: tuple[Literal["dissolve", "fade", "bridge"], ...] = ("dissolve", "fade", "bridge")
_PLAIN_JOINTS: tuple[Literal["continuous", "cut"], ...] = ("continuous", "cut")
JOINTS = "allowed: continuous, cut, dissolve N, fade N, bridge N (N: 8f, 0.5s)"


def read_transition(text: str) -> Transition:
    """`continuous`, `cut`, `dissolve 8f`, `fade 0.5s`, `bridge 16f`. A bare number is refused: it could be frames or
    seconds."""
    word, _, length = text.strip().partition(" ")
    for joint in _PLAIN_JOINTS:
        if word.lower() == joint:
            if length:
                raise Misspelt(JOINTS, f"write {joint} without a length")
            return Transition(kind=joint)
    for long_joint in _LONG_JOINTS:
        if word.lower() == long_joint:
            return Transition(kind=long_joint, length=_joint_length(long_joint, length.strip()))
    raise Misspelt(JOINTS, did_you_mean(word, (*_PLAIN_JOINTS, *_LONG_JOINTS)))


def _joint_length(joint: str, text: str) -> Time:
    if not text:
        raise Misspelt(JOINTS, f"say how long: {joint} 8f")
    if NUMBER.fullmatch(text):
        raise Misspelt(JOINTS, f"write {joint} {text}f for frames or {joint} {text}s for seconds")
    length = read_time(text)
    if length.seconds <= 0 and length.frames <= 0:
        raise Misspelt(JOINTS, "a joint of no length is a cut")
    return length


Joint = Annotated[
    Transition,
    Spelling(
        "a transition",
        read_transition,
        Transition,
        {
            "anyOf": [
                {"enum": [*_PLAIN_JOINTS, *(f"{joint} {n}" for joint in _LONG_JOINTS for n in ("8f", "0.5s"))]},
                any_case(*_PLAIN_JOINTS),
                any_case(*_LONG_JOINTS, then=" +[0-9.:]+ *[sSfF]?"),
            ]
        },
    ),
]

_CIRCLE = re.compile(r"([0-9]{1,4})(?:@([0-9a-fA-F]{6,64}))?")


def read_circle(text: str) -> Circle:
    """`2`, or `2@7f3a91`: take 2 with the first digits of its key."""
    match = _CIRCLE.fullmatch(text)
    if not match or int(match[1]) < 1:
        raise Misspelt("allowed: a take's number (2), or with 6 or more digits of its key, to pin it (2@7f3a91)")
    return Circle(take=int(match[1]), pin=match[2].lower() if match[2] else None)


CircledTake = Annotated[
    Circle,
    Spelling(
        "a circled take",
        read_circle,
        Circle,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[0-9]{1,4}(@[0-9a-fA-F]{6,64})?$"},
            ]
        },
    ),
]
