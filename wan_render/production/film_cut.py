"""The edit of a run: the chosen clips, and a slate for every shot without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from wan_render.backends import backend, names
from wan_render.cut import Cut, assemble
from wan_render.errors import MachineError, PictureError, Problem, RenderError
from wan_render.media.lettering import lettering_marks
from wan_render.plan import StillPicture
from wan_render.production.pictures import Pictures
from wan_render.production.run import Run
from wan_render.status import ShotStatus, unreadable_words
from wan_render.store import Clip, TakeRecord
from wan_render.take import AnyPlate, FramePlate

CUT = "cut.json"
"""The file with a film's edit, next to it."""

FILM_FORM = "film/2"
"""Tag and version of the way a cut becomes a film. Raise it when the same cut gives a different film."""

FORMER_FILM_FORMS: Mapping[str, str] = {"film/1": "its colours are half a pixel too far to the right"}
"""What is wrong with films of each earlier form."""


def cut_of(
    run: Run,
    failures: Mapping[str, str],
    clip: Callable[[str], Clip | None],
    doubtful: Callable[[str], bool] = lambda shot: True,  # noqa: ARG005 - named for callers
) -> Cut:
    """The edit: clips that exist, slates for the rest.

    failures: take key → why it could not be rendered. clip: the clip of a key, if it is intact. doubtful: whether the
    still of a shot (by id) has to be opened to check that it can be read.
    """
    clips: dict[str, str] = {}
    missing: dict[str, str] = {}
    for shot in run.before.shots:
        if shot.chosen and clip(shot.chosen) is not None:
            clips[shot.id] = shot.chosen
        elif reason := _missing(run, shot, failures, doubtful):
            missing[shot.id] = reason
    previews = {shot: name for shot, key in clips.items() if (name := _preview(run, run.store.record(key)))}
    cut = assemble(run.plan, clips, missing, previews)
    return replace(cut, lettering=lettering_marks(cut))


def read_cut(folder: Path) -> Cut:
    """The edit of a finished film. folder: that of its version. Raises MachineError if it cannot be read."""
    try:
        return _cut_adapter().validate_json((folder / CUT).read_bytes())
    except (OSError, ValueError) as error:
        found = "cannot be read, or is of another version of wan-render"
        raise MachineError(Problem(str(folder / CUT), found, "", "render the film again")) from error


@cache
def _cut_adapter() -> TypeAdapter[Cut]:
    return TypeAdapter(Cut)


def _preview(run: Run, record: TakeRecord) -> str:
    """The name of the preview backend that rendered a clip, or "". A pinned clip may be from another backend."""
    rendered_by: str = record.take["backend"]
    name = rendered_by.partition("/")[0]
    if rendered_by == run.backend.id:
        return name if run.backend.is_preview else ""
    return name if name in names() and backend(name).is_preview else ""


def _missing(run: Run, shot: ShotStatus, failures: Mapping[str, str], doubtful: Callable[[str], bool]) -> str:
    """Why a shot has no clip; "" if it needs none."""
    if shot.planned is not None and isinstance(shot.planned.content, StillPicture):
        return _unusable(run, shot.planned.content.plate, failures) if doubtful(shot.id) else ""
    if not shot.chosen:
        return shot.why
    if shot.chosen in failures:
        return failures[shot.chosen]
    if unreadable := unreadable_words(run.store, shot.chosen):
        return unreadable
    if run.store.takes.damaged(shot.chosen) is not None:
        return "its clip was damaged and set aside; run the same command again to render it"
    return "not rendered: not selected" if run.only is not None and shot.id not in run.only else "not rendered"


def _unusable(run: Run, plate: AnyPlate, failures: Mapping[str, str]) -> str:
    if isinstance(plate, FramePlate) and plate.take in failures:
        return failures[plate.take]
    try:
        Pictures(run.store, run.plan.pictures).pixels(plate)
    except (PictureError, RenderError) as error:
        return error.problems[0].found
    return ""
