"""What one take of a storyboard is made from, and what was made: for programs beside wan-render, such as ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import Problem, UsageError
from wan_render.plan import Rendered
from wan_render.production.pictures import Pictures
from wan_render.render_values import Frames, Pixels
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import one_shot
from wan_render.take import Take, short


@dataclass(frozen=True)
class ShotInputs:
    """A take, and the pictures that it begins and ends on: (height, width, 3) uint8 RGB at the take's size."""

    take: Take
    first: Pixels | None
    last: Pixels | None


def shot_take(storyboard: Path, shot: str, number: int) -> Take:
    """One take of a shot. number: 0 for the one that the film shows. Raises StoryboardError, UsageError."""
    return _take(Session.of(storyboard), shot, number)


def shot_inputs(storyboard: Path, shot: str, number: int) -> ShotInputs:
    """What a take of a shot is made from. number: 0 for the one that the film shows.

    Raises StoryboardError, UsageError, PictureError; RenderError if it begins on a frame that is not rendered yet.
    """
    session = Session.of(storyboard)
    take = _take(session, shot, number)
    pictures = Pictures(session.store, session.plan.pictures)
    first, last = (None if plate is None else pictures.pixels(plate) for plate in (take.first, take.last))
    return ShotInputs(take, first, last)


def finished_frames(storyboard: Path, shot: str, number: int) -> Frames:
    """The frames of a finished take. number: 0 for the one that the film shows.

    Raises StoryboardError; UsageError for a take that is not finished; MachineError if its clip cannot be read.
    """
    import numpy as np

    from wan_render.media.clip import read_frames

    session = Session.of(storyboard)
    take = _take(session, shot, number)
    clip = session.store.verify(take.key)
    if clip is None:
        found = f"take {short(take.key)} of shot {shot} is not rendered yet"
        raise UsageError(Problem(str(storyboard), found, "a finished take", "run `wan-render render` first"))
    return Frames(np.stack(list(read_frames(clip.video, 0, clip.frames))), clip.rate)


def _take(session: Session, shot: str, number: int) -> Take:
    plan = session.plan
    wanted = one_shot(plan, shot)
    content = next(each.content for each in plan.shots if each.id == wanted)
    if not isinstance(content, Rendered):
        raise UsageError(Problem("shot", f"no model renders shot {shot}", "a shot with takes"))
    number = number or content.chosen
    for each in content.takes:
        if each.number == number:
            return each.take
    numbers = ", ".join(str(each.number) for each in content.takes)
    raise UsageError(Problem("take", f"shot {shot} has no take {number}", f"takes: {numbers}"))
