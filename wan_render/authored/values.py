"""Values of the format that are more than a number or a text."""

from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True, defer_build=True
    )


class Time(Frozen):
    """A length or a moment: seconds plus delivered frames. `5s` is (5, 0), `81f` is (0, 81),
    the timecode `00:00:05:12` is (5, 12). Negative where a moment may lie before its shot.

    is_timecode: whether it was written as a timecode, whose frames are fewer than a second has."""

    seconds: Fraction = Fraction(0)
    frames: int = 0
    is_timecode: bool = False

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
