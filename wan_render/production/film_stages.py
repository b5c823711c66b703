"""How far the making of a film is: stages with names, each with a measure of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

ENCODE = "encode"
"""The last stage: the pictures become film.mp4."""


@dataclass(frozen=True)
class FilmStage:
    """A moment in the making of a film.

    name: of the stage: `sound`, `upscale 1/010`, `retime`, `encode`. done, total: of this stage, in units (`frame`);
    total 0 if it cannot be measured. share: of the whole film, 0 to 1, by the time that its stages are expected to
    take.
    """

    name: str
    done: int
    total: int
    share: float
    unit: str = "frame"

    @property
    def in_words(self) -> str:
        """`film: retime`; `film` for the last stage."""
        return "film" if self.name == ENCODE else f"film: {self.name}"

    @property
    def reached(self) -> str:
        """`film: retime: frame 12 of 24`."""
        return f"{self.in_words}: {self.unit} {self.done} of {self.total}"


OnStage = Callable[[FilmStage], None]


class FilmStages:
    """Reports the stages of one film.

    seconds: expected seconds of each kind of stage (the first word of its name), in their order.
    """

    def __init__(self, seconds: Mapping[str, float], report: OnStage) -> None:
        self._seconds, self._report = dict(seconds), report
        self._total = sum(self._seconds.values()) or 1.0

    def of(self, name: str, unit: str = "frame", part: tuple[float, float] = (0.0, 1.0)) -> Callable[[int, int], None]:
        """What a stage calls with what is done of it, and its total. Stages of one kind (`upscale 1/010`) share its
        time: either their `done` and `total` count all of them, or `part` says from where to where each takes of
        it."""
        begin, end = part
        kind = name.partition(" ")[0]
        kinds = list(self._seconds)
        before = sum(self._seconds[each] for each in kinds[: kinds.index(kind)]) if kind in kinds else 0.0
        mine = self._seconds.get(kind, 0.0)

        def report(done: int, total: int) -> None:
            share = (before + mine * (begin + (end - begin) * done / max(total, 1))) / self._total
            self._report(FilmStage(name, done, total, share, unit))

        return report
