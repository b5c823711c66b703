"""What the film begins and ends with: title cards and fades."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.authored import Film, Time, TitleCard
from wan_render.plan.clock import FilmClock, nearest_frame
from wan_render.plan.film_plan import PlannedTitle
from wan_render.plan.findings import Findings
from wan_render.plan.joints import Rates


def titles(cards: Sequence[TitleCard], clock: FilmClock, rates: Rates) -> tuple[tuple[PlannedTitle, ...], FilmClock]:
    """Title cards from a time on, and the time after them."""
    planned = []
    for card in cards:
        seconds = card.for_.at(rates.written)
        frames = max(1, clock.frames_until(seconds))
        planned.append(PlannedTitle(card.text, frames))
        clock = clock.after(seconds, frames)
    return tuple(planned), clock


def check_fades(film: Film, rates: Rates, frames: int, findings: Findings) -> None:
    """Check that no fade is longer than the film. frames: of the film."""
    if findings.mistaken:  # a film with a mistake may have no length to compare with
        return
    for key, time in (("fade_in", film.fade_in), ("fade_out", film.fade_out)):
        if (fade := in_film_frames(time, rates)) > frames:
            found = f"{fade} frames, but the film has {frames}"
            findings.error(("film", key), found, "a fade is at most as long as the film", "make it shorter")


def in_film_frames(time: Time | None, rates: Rates) -> int:
    """A duration in film frames; 0 for none."""
    return 0 if time is None else nearest_frame(time.at(rates.written) * rates.film)
