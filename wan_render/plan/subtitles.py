"""Subtitles and dialogue on the film's clock, and what readers would not like about them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import Dialogue, Film, PathInFile, Subtitle
from wan_render.plan.cues import Cue, FilmSubtitles
from wan_render.plan.film_plan import PlannedShot, PlannedTitle
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates
from wan_render.printable import shown

READ_IN_A_SECOND = 20
"""How many characters a viewer reads in a second, spaces included."""

READ_IN_A_SECOND_EAST_ASIAN = 9
"""The same for Chinese, Japanese and Korean characters."""


@dataclass(frozen=True)
class OnScreen:
    """When a shot is on screen, in seconds of the film: until the next one begins, or the film ends."""

    inherited: Inherited
    start: Fraction
    end: Fraction


@dataclass(frozen=True)
class _Placed:
    """A cue and the place in the file where it was written."""

    cue: Cue
    place: PathInFile


def on_screen(
    cast: Sequence[Inherited], opening: Sequence[PlannedTitle], shots: Sequence[PlannedShot], rates: Rates
) -> tuple[OnScreen, ...]:
    """When each shot is on screen."""
    at, found = sum(title.frames for title in opening), []
    for inherited, shot in zip(cast, shots, strict=True):
        overlap = shot.joint.frames if shot.joint is not None and shot.joint.kind == "dissolve" else 0
        after = at + shot.frames + shot.hold - overlap
        found.append(OnScreen(inherited, at / rates.film, after / rates.film))
        at = after
    return tuple(found)


def subtitles(
    film: Film, shots: Iterable[OnScreen], seconds: Fraction, rates: Rates, findings: Findings
) -> FilmSubtitles | None:
    """The subtitles of a film that lasts `seconds`; None if it has none or wants none."""
    placed = [each for shot in shots for each in _of_shot(shot, seconds, rates, findings)]
    if not film.subtitles or not placed:
        return None
    placed.sort(key=lambda each: each.cue.start)
    for each in placed:
        _check_speed(each, findings)
    _check_overlaps(placed, findings)
    return FilmSubtitles(tuple(each.cue for each in placed), tuple(sorted(set(film.subtitles))))


def _of_shot(shot: OnScreen, seconds: Fraction, rates: Rates, findings: Findings) -> Iterator[_Placed]:
    for key in ("subtitle", "dialogue"):
        for number, written in enumerate(getattr(shot.inherited.shot, key)):
            place = (*shot.inherited.at(key), number)
            if text := written.text.strip():
                start = shot.start + written.at.at(rates.written)
                end = _end(written, shot, start, rates)
                if _fits(start, end, shot, seconds, place, findings):
                    who = (written.who or "").strip() if isinstance(written, Dialogue) else ""
                    yield _Placed(Cue(start, min(end, seconds), text, who), place)


def _end(written: Subtitle | Dialogue, shot: OnScreen, start: Fraction, rates: Rates) -> Fraction:
    return shot.end if written.for_ is None else start + written.for_.at(rates.written)


def _fits(
    start: Fraction, end: Fraction, shot: OnScreen, seconds: Fraction, place: PathInFile, findings: Findings
) -> bool:
    """Whether the cue is in its shot; warns of one that lasts longer than the film."""
    lasts = float(shot.end - shot.start)
    if start >= shot.end:
        found = f"the subtitle begins {float(start - shot.start):.2f} s after its shot does"
        findings.error((*place, "at"), found, f"the shot is {lasts:.2f} s long", "write an earlier `at`")
        return False
    if end > seconds:
        late = f"the subtitle would last {float(end - seconds):.2f} s longer than the film"
        findings.warn((*place, "for"), late, "", "it ends with the film")
    return True


def _check_speed(placed: _Placed, findings: Findings) -> None:
    """Warn if there is not enough time to read a cue."""
    cue = placed.cue
    needed, lasts = reading_seconds(cue.text), cue.end - cue.start
    if needed > lasts:
        found = f"{shown(cue.text)} is shown for {float(lasts):.2f} s, which is too short to read it"
        allowed = f"viewers read {READ_IN_A_SECOND} characters a second"
        allowed += f", {READ_IN_A_SECOND_EAST_ASIAN} of Chinese, Japanese or Korean"
        remedy = f"show it for {-(-needed * 10 // 1) / 10:g} s, or shorten it"
        findings.warn(placed.place, found, allowed, remedy)


def reading_seconds(text: str) -> Fraction:
    """How long a viewer needs for a text. Marks on letters take no time."""
    seen = [character for character in " ".join(text.split()) if unicodedata.category(character) not in ("Mn", "Cf")]
    east_asian = sum(unicodedata.east_asian_width(character) in ("W", "F") for character in seen)
    others = len(seen) - east_asian
    return Fraction(east_asian, READ_IN_A_SECOND_EAST_ASIAN) + Fraction(others, READ_IN_A_SECOND)


def _check_overlaps(placed: Sequence[_Placed], findings: Findings) -> None:
    """Warn of every cue that appears while another one is shown."""
    before: _Placed | None = None
    for each in placed:
        if before is not None and before.cue.end > each.cue.start:
            both = float(min(before.cue.end, each.cue.end) - each.cue.start)
            found = f"shown together with {shown(before.cue.text)} for {both:.2f} s"
            findings.warn(each.place, found, "one subtitle at a time", "change `at` or `for`; they are stacked")
        before = each if before is None or each.cue.end > before.cue.end else before
