"""Where the focus of each shot is, for deliverables that are cropped around it.

A shot between two keyframes begins at the focus of the first and ends at that of the last; in between, the crop moves
evenly. So it does not jump at a continuous joint, where both shots show the same keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from wan_render.authored import PREVIOUS
from wan_render.footage.footage_part import FootagePart
from wan_render.plan.deliverable import FocusPoint, focus_at
from wan_render.plan.film_plan import BridgedShots, PlannedShot, Rendered, StillPicture
from wan_render.plan.footage import FilmFootage
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.take import Take

_CENTRE = (Fraction(1, 2), Fraction(1, 2))

Place = tuple[Fraction, Fraction]


def crop_focus(
    shots: Sequence[PlannedShot], film_rate: Fraction, keyframes: Keyframes, footage: FilmFootage
) -> Mapping[str, tuple[FocusPoint, ...]]:
    """Shot id → its focus in the raster, at one moment or more, in order. Shots without a picture are left out."""
    found: dict[str, tuple[FocusPoint, ...]] = {}
    before = _CENTRE
    for shot in shots:
        if shot.bridges is None and (points := tuple(_points(shot, film_rate, before, keyframes, footage))):
            found[shot.id] = points
            before = points[-1].place
    lengths = {shot.id: shot.frames for shot in shots}
    for shot in shots:
        if shot.bridges is not None:
            found[shot.id] = tuple(_across(shot, shot.bridges, lengths, found))
    return found


def _across(
    bridge: PlannedShot,
    between: BridgedShots,
    lengths: Mapping[str, int],
    found: Mapping[str, tuple[FocusPoint, ...]],
) -> Iterator[FocusPoint]:
    """From where the shot before a bridge ends to where the one after it begins."""
    if between.before in found and between.after in found:
        yield FocusPoint(Fraction(0), *focus_at(found[between.before], Fraction(lengths[between.before])))
        yield FocusPoint(Fraction(bridge.frames), *focus_at(found[between.after], Fraction(0)))


def _points(
    shot: PlannedShot, film_rate: Fraction, before: Place, keyframes: Keyframes, footage: FilmFootage
) -> Iterator[FocusPoint]:
    """before: where the shot before it ends."""

    def of(name: str | None) -> Place:
        return before if name == PREVIOUS else keyframes.shown_focus(name)

    match shot.content:
        case StillPicture():
            yield FocusPoint(Fraction(0), *of(shot.from_name))
        case FootagePart() as part:
            yield FocusPoint(Fraction(0), *footage.shown_focus(part))
        case Rendered(takes):
            names = [shot.from_name, *shot.through_names, shot.to_name]
            for name, at in zip(names, _moments(takes[0].take, shot, film_rate), strict=True):
                if name is not None or not any(names):
                    yield FocusPoint(at, *of(name))
        case _:
            return


def _moments(take: Take, shot: PlannedShot, film_rate: Fraction) -> Iterator[Fraction]:
    """When the take shows each of its keyframes, in film frames from the beginning of the shot."""
    through = [leg.frame for leg in take.through] or [0] * len(shot.through_names)  # of a pinned clip, nothing is known
    for frame in (0, *through, take.frames - 1):
        yield Fraction(frame) / take.rate * film_rate - shot.first
