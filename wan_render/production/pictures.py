"""The pixels of plates: keyframes conformed, frames of takes read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import Problem, RenderError
from wan_render.media.clip import read_frames
from wan_render.plates import conform, crop_shown
from wan_render.render_values import Pixels
from wan_render.store import Store
from wan_render.take import AnyPlate, FramePlate, Plate, short


@dataclass(frozen=True)
class Pictures:
    """Where plates come from. `files`: the file of each keyframe's picture, by SHA-256."""

    store: Store
    files: Mapping[str, Path]

    def pixels(self, plate: AnyPlate) -> Pixels:
        """(height, width, 3) uint8 RGB of the plate's size. Raises PictureError for a keyframe, RenderError where the
        take is not there, MachineError where its clip cannot be read."""
        if isinstance(plate, FramePlate):
            return self._frame(plate)
        return conform(self.files[plate.picture], plate)

    def crop(self, plate: Plate, side: int) -> Pixels:
        """See plates.crop_shown."""
        return crop_shown(self.files[plate.picture], plate, side)

    def name(self, plate: AnyPlate) -> str:
        """The picture's file, or `frame 80 of take 7f3a91b2`."""
        if isinstance(plate, FramePlate):
            return f"frame {plate.frame} of take {short(plate.take)}"
        return self.files[plate.picture].name

    def _frame(self, plate: FramePlate) -> Pixels:
        clip = self.store.verify(plate.take)
        if clip is None:
            raise not_to_be_had(self.store, plate.take, "a shot begins on it")
        if clip.size != plate.size:
            raise RenderError(Problem(f"take {short(plate.take)}", f"is {clip.size}", f"{plate.size} is needed"))
        return next(read_frames(clip.video, plate.frame, 1))


def not_to_be_had(store: Store, key: str, why_needed: str) -> RenderError:
    """Of a take that is needed and that `verify` did not give: it is not there, or it cannot be read."""
    closed = store.unreadable(key)
    if closed is not None:
        return RenderError(Problem(f"take {short(key)}", f"{why_needed}, but {closed.found}", "", closed.remedy))
    return RenderError(
        Problem(f"take {short(key)}", f"is not there, and {why_needed}", "", "run the same command again")
    )
