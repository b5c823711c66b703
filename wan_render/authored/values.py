"""Values of the format that are more than a number or a text."""

from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True, defer_build=True
    )


class Authored(Frozen):
    """A map of the file. shorthand: the key that a bare text stands for; "" if no bare text is allowed."""

    shorthand: ClassVar[str] = ""


class Time(Frozen):
    """A length or a moment: seconds plus frames of the film. `5s` is (5, 0), `81f` is (0, 81), the timecode
    `00:00:05:12` is (5, 12). Negative for a moment before its shot, where that is allowed.

    is_timecode: whether it was written as a timecode. Its frames must be fewer than the frame rate.
    """

    seconds: Fraction = Fraction(0)
    frames: int = 0
    is_timecode: bool = False

    def at(self, rate: Fraction) -> Fraction:
        """The time in seconds. rate: frames per second of the film."""
        return self.seconds + Fraction(self.frames) / rate


START = Time.model_construct()
"""0 seconds."""


class Transition(Frozen):
    """A joint to the next shot. Only a dissolve, a fade and a bridge have a `length`."""

    kind: Literal["continuous", "cut", "dissolve", "fade", "bridge"]
    length: Time | None = None


class Circle(Frozen):
    """The take that goes into the film. pin: the first digits of a take's key, to keep exactly that clip."""

    take: int
    pin: str | None = None
