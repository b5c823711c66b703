"""`through`: when a shot reaches the keyframes between its first and last one. Its take is joined from segments, one
between each two keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from wan_render.authored import PathInFile, Waypoint
from wan_render.model_card import ModelCard
from wan_render.plan.clock import nearest_frame
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited


@dataclass(frozen=True)
class _Stop:
    """A keyframe of `through`. step: the step of the model's grid on which it is reached; None without `at`."""

    waypoint: Waypoint
    place: PathInFile
    step: int | None


def reached(
    inherited: Inherited, frames: int, card: ModelCard, written_rate: Fraction, findings: Findings
) -> tuple[int, ...]:
    """The frame of the take (from 0) that each waypoint is reached on, on the model's grid; empty after a mistake.

    Waypoints without `at` are spread evenly between their neighbours.
    """
    last = (frames - 1) // card.frame_step
    stops = [
        _stop(waypoint, (*inherited.at("through"), at), card, written_rate, findings)
        for at, waypoint in enumerate(inherited.shot.through)
    ]
    if last <= len(stops):
        found = f"{len(stops)} keyframes in `through` for a take of {frames} frames"
        allowed = f"each segment has at least {card.frame_step} frames"
        findings.error(inherited.at("through"), found, allowed, "make the shot longer")
        return ()
    steps = _spread([stop.step for stop in stops], last)
    if not _in_order(stops, steps, last, card, findings):
        return ()
    _check_lengths(steps, last, card, inherited.at("through"), findings)
    return tuple(step * card.frame_step for step in steps)


def _stop(waypoint: Waypoint, place: PathInFile, card: ModelCard, written_rate: Fraction, findings: Findings) -> _Stop:
    if waypoint.at is None:
        return _Stop(waypoint, place, None)
    seconds = waypoint.at.at(written_rate)
    step = nearest_frame(seconds * card.rate / card.frame_step)
    if (on_grid := step * card.frame_step / card.rate) != seconds:
        every = card.frame_step / card.rate
        found = f"{float(seconds):g}s is between two possible times of a keyframe"
        findings.warn((*place, "at"), found, f"one every {float(every):g}s", f"it is moved to {float(on_grid):g}s")
    return _Stop(waypoint, place, step)


def _spread(written: Sequence[int | None], last: int) -> list[int]:
    """Every step. Open ones are spread evenly between written ones, rounded halves up."""
    steps = [0, *written, last]
    fixed = [at for at, step in enumerate(steps) if step is not None]
    filled: list[int] = []
    for start, end in pairwise(fixed):
        begin, reach = steps[start] or 0, (steps[end] or 0) - (steps[start] or 0)
        filled += [begin + nearest_frame(Fraction(reach * at, end - start)) for at in range(1, end - start + 1)]
    return filled[:-1]


def _in_order(stops: Sequence[_Stop], steps: Sequence[int], last: int, card: ModelCard, findings: Findings) -> bool:
    """Whether each keyframe is reached after the previous one and before the end. Reports the first that is not."""
    for stop, step, (before, after) in zip(
        stops, steps, zip([0, *steps], [*steps[1:], last], strict=False), strict=True
    ):
        if before < step < after:
            continue
        seconds = [float(each * card.frame_step / card.rate) for each in (step, before, after)]
        place = (*stop.place, "at") if stop.waypoint.at is not None else stop.place
        found = f"{stop.waypoint.keyframe} is reached at {seconds[0]:g}s"
        allowed = (
            f"its neighbours are at {seconds[1]:g}s and {seconds[2]:g}s, "
            f"and each segment has at least {card.frame_step} frames"
        )
        findings.error(place, found, allowed, "write times in the order of the keyframes, within the shot")
        return False
    return True


def _check_lengths(steps: Sequence[int], last: int, card: ModelCard, place: PathInFile, findings: Findings) -> None:
    longest = max(after - before for before, after in pairwise([0, *steps, last])) * card.frame_step + 1
    if longest > 2 * card.trained_frames:
        allowed = f"{card.name} was trained on {card.trained_frames}; at most twice that is allowed"
        findings.error(place, f"{longest} frames between two keyframes", allowed, "add a keyframe between them")
    elif longest > card.trained_frames:
        found = f"{longest} frames between two keyframes, but {card.name} was trained on {card.trained_frames}"
        findings.warn(place, found, "", "colours may drift; add a keyframe between them")
