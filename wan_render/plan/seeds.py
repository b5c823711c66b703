"""Seeds and numbers of takes. A take's seed depends only on (seed, number). So renaming, moving or adding shots changes
no seeds, and two equal shots share their takes."""

from __future__ import annotations

from itertools import count, islice

from wan_render.keys import content_key

DEFAULT_SEED = 1
"""The seed if the storyboard names none. A constant, so that every run gives the same takes."""


def take_seed(seed: int, number: int) -> int:
    """The seed of take `number` (from 1): `seed` itself for take 1, else the first 32 bits of
    content_key("take-seed/1", (seed, number))."""
    return seed if number == 1 else int(content_key("take-seed/1", (seed, number))[:8], 16)


def wanted_numbers(takes: int, refused: tuple[int, ...], circled: int | None) -> tuple[int, ...]:
    """The first `takes` numbers that are not refused, and the circled one, in order."""
    accepted = islice((number for number in count(1) if number not in refused), takes)
    return tuple(sorted({*accepted, *(() if circled is None else (circled,))}))
