"""The scalars of the format: times, numbers, sizes, names, choices."""

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from wan_render.model.spelling import Misspelt, Role, Spelling, did_you_mean, shown
from wan_render.take import Size

DAY = 24 * 60 * 60
"""The longest time of the format, in seconds; also keeps numbers short enough to compute with."""

HIGHEST_RATE = 48
RASTER_MULTIPLE = 16
LONGEST_SIDE = 8192
SLUG_BYTES, ID_BYTES = 120, 48
"""So that `<slug>_sc<scene>_sh<shot>_t02.mkv` stays within the 255 bytes of a file's name, in UTF-8."""

PREVIOUS = "previous"
"""`from: previous`; so no keyframe can be called that."""


class Frozen(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True, defer_build=True
    )


class Time(Frozen):
    """A length or a moment: seconds plus delivered frames. `5s` is (5, 0), `81f` is (0, 81),
    the timecode `00:00:05:12` is (5, 12). Negative where a moment may lie before its shot."""

    seconds: Fraction = Fraction(0)
    frames: int = 0

    def at(self, rate: Fraction) -> Fraction:
        """In seconds, for a film delivered at `rate` frames per second."""
        return self.seconds + Fraction(self.frames) / rate


class Transition(Frozen):
    """A joint to the next shot. A dissolve or a fade has a `length`, the others have none."""

    kind: Literal["continuous", "cut", "dissolve", "fade"]
    length: Time | None = None


class Circle(Frozen):
    """The take that goes into the film; with `pin` (the first digits of a take's key), that very clip."""

    take: int
    pin: str | None = None


# --- text ---------------------------------------------------------------------------------------

ANY_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}


def _text(noun: str = "a text", role: Role | None = None) -> Spelling:
    return Spelling(noun, str, str, ANY_SCALAR, role, free=True)


def _name(noun: str, role: Role) -> Spelling:
    """A keyframe's name, in one Unicode form, so that equal ones are equal."""
    return Spelling(noun, partial(unicodedata.normalize, "NFC"), str, ANY_SCALAR, role, free=True)


Text = Annotated[str, _text()]
StartName = Annotated[str, _name("a keyframe's name or 'previous'", Role.START)]
KeyframeName = Annotated[str, _name("a keyframe's name", Role.KEYFRAME)]
ModelName = Annotated[str, _text("a model's name or folder", Role.MODEL)]
PicturePath = Annotated[str, _text("the path of a picture", Role.PICTURE)]
SoundPath = Annotated[str, _text("the path of a sound", Role.SOUND)]
LoraPath = Annotated[str, _text("the path of a LoRA", Role.LORA)]
ClipPath = Annotated[str, _text("the path of a clip", Role.CLIP)]


def is_word(text: str) -> bool:
    """Letters, marks and digits of any script, `-`, `_` and `.`; not dots alone."""
    return text.strip(".") != "" and all(c in "-_." or unicodedata.category(c)[0] in "LMN" for c in text)


def _word_rule(most: int) -> str:
    return f"allowed: letters and digits of any script, '-', '_', '.', at most {most} bytes in UTF-8"


def read_id(text: str) -> str:
    """An identifier of a scene or a shot: text, in one Unicode form, so that equal ones are equal."""
    name = unicodedata.normalize("NFC", text)
    if is_word(name) and len(name.encode()) <= ID_BYTES:
        return name
    raise Misspelt(_word_rule(ID_BYTES))


def slug_of(title: str) -> str:
    """A file name made of a title: its words in lower case, joined with `-`; "" where it has none."""
    folded = unicodedata.normalize("NFKC", title).lower()
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
    return "-".join(words).encode()[:SLUG_BYTES].decode(errors="ignore").strip("-")


def read_slug(text: str) -> str:
    """A slug as given: a word that does not begin with a dot or a dash."""
    name = unicodedata.normalize("NFC", text)
    if is_word(name) and name[0] not in ".-" and len(name.encode()) <= SLUG_BYTES:
        return name
    proposal = slug_of(text)
    raise Misspelt(_word_rule(SLUG_BYTES), f"write {shown(proposal)}" if proposal else "leave it out")


Id = Annotated[str, Spelling("an identifier", read_id, str, ANY_SCALAR)]
Slug = Annotated[str, Spelling("a slug", read_slug, str, ANY_SCALAR)]


def read_negative(text: str) -> str:
    """`official` and `none` in any case; every other text is the negative prompt itself."""
    return text.lower() if text.lower() in ("official", "none") else text


Negative = Annotated[str, Spelling("official, none or a text", read_negative, str, ANY_SCALAR, free=True)]


# --- choices ------------------------------------------------------------------------------------


def any_case(*words: str, then: str = "") -> dict[str, Any]:
    """The JSON Schema of one of some words, in upper or lower case; patterns of JSON know no flags."""
    spelt = ("".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return {"type": "string", "pattern": f"^({'|'.join(spelt)}){then}$"}


def choice(noun: str, *values: str | int) -> Spelling:
    """One of the given values, in upper or lower case."""
    by_text = {str(value): value for value in values}

    def parse(text: str) -> str | int:
        if text.lower() in by_text:
            return by_text[text.lower()]
        raise Misspelt("allowed: " + ", ".join(by_text), did_you_mean(text, by_text))

    return Spelling(noun, parse, (str, int), {"anyOf": [{"enum": list(values)}, any_case(*by_text)]})


Version = Annotated[Literal[1], choice("a version of the format that this wan-render reads", 1)]
Fit = Annotated[Literal["cover", "contain"], choice("a fit", "cover", "contain")]
Rate = Annotated[Literal["native", 16, 24, 25, 30, 48], choice("a rate", "native", 16, 24, 25, 30, 48)]
Profile = Annotated[
    Literal["exact", "fast", "balanced", "draft"], choice("a profile", "exact", "fast", "balanced", "draft")
]
Status = Annotated[Literal["omit"], choice("a status", "omit")]


# --- numbers ------------------------------------------------------------------------------------

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,19}\.?[0-9]{0,19}|\.[0-9]{1,19})([eE][+-]?[0-9]{1,2})?")


def whole(lowest: int, highest: int, noun: str = "a whole number") -> Spelling:
    """A whole number within bounds, in decimal whatever zeros it begins with."""

    def parse(text: str) -> int:
        if _WHOLE.fullmatch(text) and lowest <= int(text) <= highest:
            return int(text)
        raise Misspelt(f"allowed: a whole number from {lowest} to {highest}")

    schema = {"anyOf": [{"type": "integer", "minimum": lowest}, {"type": "string", "pattern": "^[+-]?[0-9]+$"}]}
    return Spelling(noun, parse, int, schema)


def _number_in(text: str, lowest: float, highest: float, allowed: str) -> str:
    if _NUMBER.fullmatch(text) and lowest <= float(text) <= highest:
        return text
    raise Misspelt(allowed)


NUMBER_TEXT = {"type": "string", "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"}


def number(lowest: float, highest: float, noun: str = "a number") -> Spelling:
    """A finite number within bounds."""
    allowed = f"allowed: a number from {lowest:g} to {highest:g}"
    schema = {"anyOf": [{"type": "number", "minimum": lowest, "maximum": highest}, NUMBER_TEXT]}
    return Spelling(noun, lambda text: float(_number_in(text, lowest, highest, allowed)), (int, float), schema)


def read_part(text: str) -> Fraction:
    """A part of a picture's side, 0 to 1, exactly as written."""
    return Fraction(_number_in(text, 0, 1, "allowed: a number from 0 to 1"))


Seed = Annotated[int, whole(0, 2**63 - 1, "a seed")]
Takes = Annotated[int, whole(1, 999)]
TakeNumber = Annotated[int, whole(1, 9999, "a take's number")]
Steps = Annotated[int, whole(1, 1000)]
Retakes = Annotated[int, whole(0, 100)]
FrameCount = Annotated[int, whole(1, 10_000, "a number of frames")]
Guidance = Annotated[float, number(0, 100)]
Shift = Annotated[float, number(0.01, 1000)]
LoraScale = Annotated[float, number(-10, 10)]
Part = Annotated[
    Fraction,
    Spelling(
        "a part of the picture's side",
        read_part,
        Fraction,
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, NUMBER_TEXT]},
    ),
]


def read_gain(text: str) -> float:
    """Decibels: `-18dB`, `-18`."""
    allowed = "allowed: decibels from -120dB to 40dB"
    return float(_number_in(re.sub(r"\s*dB$", "", text, flags=re.IGNORECASE), -120, 40, allowed))


Gain = Annotated[
    float,
    Spelling(
        "a gain",
        read_gain,
        (int, float),
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[+-]?[0-9.eE+-]+ *([dD][bB])?$"}]},
    ),
]


# --- time ---------------------------------------------------------------------------------------

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
    """`5s`, `5.0`, `81f`, `00:00:05:00`; a sign is read, whether it is allowed is the field's."""
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
        seconds=Fraction(one * (int(hours) * 3600 + int(minutes) * 60 + int(seconds))), frames=one * int(frames)
    )


def _clock_hint(text: str) -> str:
    if not (match := _CLOCK.fullmatch(text)):
        return ""
    minutes, seconds = int(match[1]), int(match[2])
    return f"for {minutes} minutes {seconds} seconds write {minutes * 60 + seconds}s"


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


# --- joints and circled takes -------------------------------------------------------------------

_LONG_JOINTS: tuple[Literal["dissolve", "fade"], ...] = ("dissolve", "fade")
_PLAIN_JOINTS: tuple[Literal["continuous", "cut"], ...] = ("continuous", "cut")
JOINTS = "allowed: continuous, cut, dissolve N, fade N (N: 8f, 0.5s)"


def read_transition(text: str) -> Transition:
    """`continuous`, `cut`, `dissolve 8f`, `fade 0.5s`. A bare number could be either unit, so it is refused."""
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
    if _NUMBER.fullmatch(text):
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
        raise Misspelt(
            "allowed: a take's number (2), or one pinned by the first 6 or more digits of its key (2@7f3a91)"
        )
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


# --- pictures' sizes ----------------------------------------------------------------------------

_SIZE = re.compile(r"([0-9]{1,5})\s*[xX×]\s*([0-9]{1,5})")
_RATIO = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5})?)(?:\s*[:/]\s*([0-9]{1,5}(?:\.[0-9]{1,5})?))?")
SIZE_PATTERN = "^[0-9]{1,5} *[xX×] *[0-9]{1,5}$"


def read_aspect(text: str) -> Fraction:
    """`16:9`, `2.39`, `2.39:1`: width over height."""
    match = _RATIO.fullmatch(text)
    height = Fraction(match[2] or 1) if match else Fraction(0)
    if match and height and Fraction(1, 4) <= Fraction(match[1]) / height <= 4:
        return Fraction(match[1]) / height
    raise Misspelt("allowed: 16:9, 9:16, 4:3, 3:4, 1:1, 2.39 or W:H, from 1:4 to 4:1")


Aspect = Annotated[
    Fraction,
    Spelling(
        "an aspect",
        read_aspect,
        Fraction,
        {
            "anyOf": [
                {"enum": ["16:9", "9:16", "4:3", "3:4", "1:1", 2.39]},
                {"type": "number", "minimum": 0.25, "maximum": 4},
                {"type": "string", "pattern": "^[0-9.]+( *[:/] *[0-9.]+)?$"},
            ]
        },
    ),
]


def _size(noun: str, names: tuple[str, ...], multiple: int) -> Spelling:
    """A name, or WIDTHxHEIGHT in multiples of `multiple`."""
    allowed = f"allowed: {', '.join(names)} or WIDTHxHEIGHT in multiples of {multiple} up to {LONGEST_SIDE}"

    def parse(text: str) -> str | Size:
        if text.lower() in names:
            return text.lower()
        if not (match := _SIZE.fullmatch(text)):
            raise Misspelt(allowed, did_you_mean(text, names))
        return _fitting(int(match[1]), int(match[2]), multiple, allowed)

    schema = {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": SIZE_PATTERN}, any_case(*names)]}
    return Spelling(noun, parse, (str, Size), schema)


def _fitting(width: int, height: int, multiple: int, allowed: str) -> Size:
    legal = [min(max(round(side / multiple), 1) * multiple, LONGEST_SIDE) for side in (width, height)]
    if legal != [width, height]:
        raise Misspelt(allowed, f"the nearest is {legal[0]}x{legal[1]}")
    return Size(width, height)


Raster = Annotated[
    Literal["480p", "720p"] | Size, _size("a size that models render", ("480p", "720p"), RASTER_MULTIPLE)
]
Delivery = Annotated[
    Literal["480p", "720p", "1080p", "4k"] | Size, _size("a size to deliver", ("480p", "720p", "1080p", "4k"), 2)
]
