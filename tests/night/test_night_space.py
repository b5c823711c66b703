"""A night waits for space on the disk instead of losing a film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import cast

import pytest

from wan_render.errors import DiskFullError, MachineError, Problem
from wan_render.night import night_space
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.night.night_space import made_when_there_is_space
from wan_render.store import FilmVersion


class Film:
    """All that is asked of a film here."""

    slug = "river"


FILM = cast("FilmTonight", Film())
FULL = DiskFullError(Problem("outputs", "the disk is full"))
VERSION = FilmVersion(Path("v001"), 1, Fraction(1), {}, (), "")
MADE = Made(VERSION, {})


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night_space, "LOOK_SECONDS", 0.01)


def full(times: int) -> Callable[[], Made]:
    """Makes a film, when the disk was full this many times."""
    left = iter(range(times))

    def make() -> Made:
        if next(left, None) is not None:
            raise FULL
        return MADE

    return make


def test_a_film_is_made_when_there_is_space_again() -> None:
    said: list[str] = []
    assert made_when_there_is_space(FILM, full(3), None, lambda: False, said.append) is MADE
    assert said == ["river waits for space on the disk: outputs: the disk is full"], "once"


@pytest.mark.parametrize("over", ["the window has ended", "the night is stopped", "it waited too long"])
def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, over: str) -> None:
    if over == "it waited too long":
        monkeypatch.setattr(night_space, "FINISHING_SECONDS", 0.05)
    until = datetime.now(UTC) - timedelta(seconds=1) if over == "the window has ended" else None
    with pytest.raises(DiskFullError):
        made_when_there_is_space(FILM, full(10**6), until, lambda: over == "the night is stopped", lambda _: None)


def test_a_film_is_kept_if_there_is_no_space_for_a_deliverable() -> None:
    first, second = replace(MADE, version=replace(VERSION, unmade=(FULL,))), MADE
    tries = iter((first, second))
    assert made_when_there_is_space(FILM, lambda: next(tries), None, lambda: False, lambda _: None) is second
    assert made_when_there_is_space(FILM, lambda: first, None, lambda: True, lambda _: None) is first


def test_other_failures_are_not_tried_again() -> None:
    def broken() -> Made:
        raise MachineError(Problem("ffmpeg", "is broken"))

    with pytest.raises(MachineError, match="is broken"):
        made_when_there_is_space(FILM, broken, None, lambda: False, lambda _: None)
