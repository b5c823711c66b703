"""Which frames of its clip each film frame of an event lies between. Pure.

Frame `at` of the event shows the source at `Event.source_position(at)`. If that is a whole number, it is that frame,
bit for bit. Otherwise it is made from the two frames around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from wan_render.cut import Event


@dataclass(frozen=True)
class Gap:
    """The film frames between two neighbouring source frames, `left` and `left + 1`.

    parts: the place of each film frame between the two, from 0 (it is `left`) to less than 1.
    meets: whether the gap ends on the first frame of the next shot instead of `left + 1`.
    """

    left: int
    parts: tuple[Fraction, ...]
    meets: bool = False


def gaps(event: Event, film_rate: Fraction, *, continues: bool) -> tuple[Gap, ...]:
    """The gaps of an event, without its hold: together `event.frames` film frames, in order.

    continues: whether the next event shows a clip that begins where this one ends.
    """
    pairs = groupby(_moments(event, film_rate, continues=continues), key=lambda moment: (moment[0], moment[1]))
    return tuple(Gap(left, tuple(part for _, _, part in moments), meets) for (left, meets), moments in pairs)


def _moments(event: Event, film_rate: Fraction, *, continues: bool) -> Iterator[tuple[int, bool, Fraction]]:
    """(left, meets, part) of every film frame."""
    end = (event.first + event.frames) * (event.rate or film_rate) / film_rate
    for at in range(event.frames):
        position = event.source_position(at, film_rate)
        left, part = position.__floor__(), position % 1
        meets = continues and part > 0 and event.hold == 0 and left + 1 >= end
        yield left, meets, (position - left) / (end - left) if meets else part
