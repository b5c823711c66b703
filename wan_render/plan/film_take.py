"""The rule that picks the take for the film, and which takes a shot gets after failed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from wan_render.plan.seeds import wanted_numbers


@dataclass(frozen=True)
class JudgedTake:
    """What the checks say of a take in the store.

    fails, flags: the names of the checks with these verdicts. A take that was not measured has none. badness: how far
    the failed checks are beyond their thresholds; only compared.
    given_up: it is not in the store, and this run could not render it. Then a failed take of its shot is better.
    """

    fails: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    badness: float = 0.0
    given_up: bool = False

    @property
    def is_failed(self) -> bool:
        """Whether a check failed. Takes without measurements did not fail."""
        return bool(self.fails)

    @property
    def rank(self) -> tuple[bool, int, float, int]:
        """The smallest is the best of several failed takes."""
        return self.given_up, len(self.fails), self.badness, len(self.flags)


Judged = Callable[[str], JudgedTake | None]
"""What is known of the take with this key; None if it is not in the store."""


def nothing_judged(_key: str) -> JudgedTake | None:
    """Judged without a store, or without checks."""
    return None


@dataclass(frozen=True)
class TakeChecks:
    """What planning knows of the checks of takes. retakes: for shots whose storyboard gives no number."""

    judged: Judged = nothing_judged
    retakes: int = 0


NO_CHECKS = TakeChecks()
"""For plans without a store."""

_Take = TypeVar("_Take")


def film_take(takes: Sequence[_Take], circled: _Take | None, judged: Callable[[_Take], JudgedTake | None]) -> _Take:
    """The take that the film shows: the circled one, else the first that did not fail its checks, else the best of the
    failed.

    takes: at least one, without refused ones (ng), in the order of their numbers. A take that does not exist yet has
    not failed.
    """
    if circled is not None:
        return circled
    if len(takes) == 1:
        return takes[0]
    found = [judged(take) or JudgedTake() for take in takes]
    if not any(each.is_failed for each in found):
        return takes[0]
    passed = (take for take, each in zip(takes, found, strict=True) if not each.is_failed and not each.given_up)
    best = min(range(len(takes)), key=lambda at: found[at].rank)
    return next(passed, takes[best])


def numbers_with_retakes(
    takes: int, refused: tuple[int, ...], retakes: int, judged: Callable[[int], JudgedTake | None]
) -> tuple[int, ...]:
    """The numbers of a shot without a circle: the wanted ones and, while all of them failed, the next ones.

    takes: how many are wanted. refused: numbers that are `ng`. retakes: how many more may be rendered. Retakes that
    are in the store are always included, so that a later run with fewer retakes makes the same film.
    """
    more = 0
    while True:
        numbers = wanted_numbers(takes + more, refused, None)
        following = wanted_numbers(takes + more + 1, refused, None)[-1]
        if more >= retakes and judged(following) is None:  # first, because that needs no verdict, which takes time
            return numbers
        found = [judged(number) for number in numbers]
        if not all(take is not None and take.is_failed for take in found):
            return numbers
        more += 1
