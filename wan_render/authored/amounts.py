"""Numbers: whole numbers, finite numbers and decibels, all within bounds."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Literal

from wan_render.authored.spelling import Misspelt, Spelling

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
NUMBER = re.compile(r"[+-]?([0-9]{1,19}\.?[0-9]{0,19}|\.[0-9]{1,19})([eE][+-]?[0-9]{1,2})?")


def whole(lowest: int, highest: int, noun: str = "a whole number") -> Spelling:
    """A whole number within bounds. It is decimal even if it begins with zeros."""

    def parse(text: str) -> int:
        if _WHOLE.fullmatch(text) and lowest <= int(text) <= highest:
            return int(text)
        raise Misspelt(f"allowed: a whole number from {lowest} to {highest}")

    schema = {"anyOf": [{"type": "integer", "minimum": lowest}, {"type": "string", "pattern": "^[+-]?[0-9]+$"}]}
    return Spelling(noun, parse, int, schema)


def number_in(text: str, lowest: float, highest: float, allowed: str) -> str:
    """The text, if it is a number within bounds. It stays text, so that it is not rounded. Else raises Misspelt."""
    if NUMBER.fullmatch(text) and lowest <= float(text) <= highest:
        return text
    raise Misspelt(allowed)


NUMBER_TEXT = {"type": "string", "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"}


def number(lowest: float, highest: float, noun: str = "a number") -> Spelling:
    """A finite number within bounds."""
    allowed = f"allowed: a number from {lowest:g} to {highest:g}"
    schema = {"anyOf": [{"type": "number", "minimum": lowest, "maximum": highest}, NUMBER_TEXT]}
    return Spelling(noun, lambda text: float(number_in(text, lowest, highest, allowed)), (int, float), schema)


def read_part(text: str) -> Fraction:
    """A part of a picture's side, 0 to 1, exactly as written."""
    return Fraction(number_in(text, 0, 1, "allowed: a number from 0 to 1"))


Seed = Annotated[int, whole(0, 2**63 - 1, "a seed")]
Takes = Annotated[int, whole(1, 999)]
TakeNumber = Annotated[int, whole(1, 9999, "a take's number")]
Steps = Annotated[int, whole(1, 1000)]
Retakes = Annotated[int, whole(0, 100)]
Priority = Annotated[int, whole(0, 1000, "a priority")]
FrameCount = Annotated[int, whole(1, 10_000, "a number of frames")]
Guidance = Annotated[float, number(0, 100)]
Shift = Annotated[float, number(0.01, 1000)]
WorkflowRate = Annotated[float, number(1, 240, "frames per second")]
LoraScale = Annotated[float, number(-10, 10)]
Strength = Annotated[float, number(0, 1, "a share")]
Part = Annotated[
    Fraction,
    Spelling(
        "a part of the picture's side",
        read_part,
        Fraction,
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, NUMBER_TEXT]},
    ),
]


def _decibels(text: str, lowest: float, highest: float, units: str = "dB") -> float:
    """A number of decibels within bounds, with or without a unit."""
    allowed = f"allowed: decibels from {lowest:g}dB to {highest:g}dB"
    return float(number_in(re.sub(rf"\s*({units})$", "", text, flags=re.IGNORECASE), lowest, highest, allowed))


def read_gain(text: str) -> float:
    """Decibels, -120 to 40: `-18dB`, `-18`."""
    return _decibels(text, -120, 40)


def read_duck(text: str) -> float:
    """Decibels, -60 to 0: `-9dB`; 0 for `off`."""
    return 0.0 if text.lower() == "off" else _decibels(text, -60, 0)


def read_clip_sound(text: str) -> float | Literal["off"]:
    """The gain of a clip's own sound: 0 for `on`, decibels; or `off`."""
    if text.lower() in ("on", "off"):
        return 0.0 if text.lower() == "on" else "off"
    try:
        return read_gain(text)
    except Misspelt:
        raise Misspelt("allowed: on, off, or decibels from -120dB to 40dB") from None


def read_peak(text: str) -> float:
    """The highest true peak, -20 to 0: `-1.5dB`, `-1.5 dBTP`."""
    return _decibels(text, -20, 0, "dBTP|dB")


def read_loudness(text: str) -> float | Literal["off"]:
    """LUFS, -40 to -5: `-16`, `-23 LUFS`; or `off`."""
    if text.lower() == "off":
        return "off"
    allowed = "allowed: a loudness from -40 to -5 LUFS (-14, -16, -23), or off"
    return float(number_in(re.sub(r"\s*LU(FS)?$", "", text, flags=re.IGNORECASE), -40, -5, allowed))


def _level(noun: str, parse: Callable[[str], float | str], units: str, *words: str) -> Spelling:
    texts = "|".join((rf"[+-]?[0-9.eE+-]+ *({units})?", *words))
    schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^({texts})$"}]}
    return Spelling(noun, parse, (int, float), schema)


Gain = Annotated[
    float,
    Spelling(
        "a gain",
        read_gain,
        (int, float),
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[+-]?[0-9.eE+-]+ *([dD][bB])?$"}]},
    ),
]
ClipSound = Annotated[
    float | Literal["off"], _level("on, off or a gain", read_clip_sound, "[dD][bB]", "[oO][nN]", "[oO][fF][fF]")
]
Duck = Annotated[float, _level("how much quieter a sound is under speech", read_duck, "[dD][bB]", "[oO][fF][fF]")]
Peak = Annotated[float, _level("a peak", read_peak, "[dD][bB]([tT][pP])?")]
Loudness = Annotated[float | Literal["off"], _level("a loudness", read_loudness, "[lL][uU]([fF][sS])?", "[oO][fF][fF]")]
