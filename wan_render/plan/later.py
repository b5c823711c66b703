"""What the format has and this version cannot do yet. It is always reported.

If it changes a shot's pixels, the shot becomes a slate with the reason. For music, subtitles and the like, there is
one warning each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from wan_render.authored import PathInFile
from wan_render.plan.film_plan import NotYet, PlannedShot
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates
from wan_render.plan.model_choice import Modelled
from wan_render.plan.roles import ShotRole

_NOT_AVAILABLE = "not available in this version"


def reason_not_yet(role: ShotRole, modelled: Modelled | None, rates: Rates) -> str:
    """Why a shot cannot be made by this version, or ""."""
    reasons = list(_reasons(role, modelled, rates))
    return f"{', '.join(reasons)}: {_NOT_AVAILABLE}" if reasons else ""


def _reasons(role: ShotRole, modelled: Modelled | None, rates: Rates) -> Iterator[str]:
    if role is ShotRole.CLIP:
        yield "clip"
    if modelled is None:
        return
    if modelled.card.rate != rates.film:
        yield f"{modelled.card.name} at {modelled.card.rate} frames a second in a film of {rates.film}"


def warn_of_slates(shots: Sequence[PlannedShot], findings: Findings) -> None:
    """One warning for each shot that will be a slate, before its film is rendered."""
    for shot in shots:
        if isinstance(shot.content, NotYet):
            scene, place = shot.index
            found = f"this shot will be a slate: {shot.content.reason}"
            findings.warn(("scenes", scene, "shots", place), found)


def warn_of_ignored(shots: Sequence[Inherited], rates: Rates, findings: Findings) -> None:
    """One warning for each thing in the storyboard that this version ignores."""
    if rates.written != rates.film:
        found = f"{rates.written} frames per second: {_NOT_AVAILABLE}"
        findings.warn(("film", "rate"), found, "", f"the film has its model's rate, {rates.film}")
    for what, place in _decorations(shots, findings):
        findings.warn(place, f"{what}: {_NOT_AVAILABLE}", "", "the film is made without it")


def _decorations(shots: Sequence[Inherited], findings: Findings) -> Iterator[tuple[str, PathInFile]]:
    audio = findings.document.storyboard.audio
    if audio.music:
        yield "music", ("audio", "music")
    if audio.narration:
        yield "narration", ("audio", "narration")
    yield from islice(_sounds(shots), 1)
    yield from islice((("subtitle", shot.at("subtitle")) for shot in shots if shot.shot.subtitle), 1)


def _sounds(shots: Sequence[Inherited]) -> Iterator[tuple[str, PathInFile]]:
    for shot in shots:
        if shot.scene.sound:
            yield "sound", (*shot.place[:2], "sound")
        if shot.shot.sound:
            yield "sound", shot.at("sound")
