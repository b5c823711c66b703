"""The pixels of plates: keyframes are fitted, frames of takes are read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import Problem, RenderError
from wan_render.media.clip import read_frames
from wan_render.plates import conform, crop_shown
from wan_render.render_values import Pixels
from wan_render.store import Store
from wan_render.store.disk import disk_errors
from wan_render.take import AnyPlate, FramePlate, Plate, TakePart, short


@dataclass(frozen=True)
class Pictures:
    """Reads plates. files: the picture file of each keyframe, by SHA-256."""

    store: Store
    files: Mapping[str, Path]

    def pixels(self, plate: AnyPlate) -> Pixels:
        """(height, width, 3) uint8 RGB at the plate's size. Raises PictureError for a keyframe, RenderError if the take
        is missing, MachineError if its clip cannot be read."""
        if isinstance(plate, FramePlate):
            return self._frame(plate)
        return conform(self.files[plate.picture], plate)

    def part(self, part: TakePart) -> Pixels:
        """Frames of a take (frames, height, width, 3) uint8 RGB. Raises RenderError if the take is missing,
        MachineError if its clip cannot be read."""
        import numpy as np  # planning needs none

        clip = self.store.verify(part.take)
        if clip is None:
            raise unavailable(self.store, part.take, "a bridge begins or ends with it")
        return np.stack(list(read_frames(clip.video, part.first, part.frames)))

    def latents(self, plate: AnyPlate | None) -> bytes | None:
        """What the take of a plate handed over, if the plate is its latents; else None. Raises RenderError if they are
        missing, DiskError if they cannot be read."""
        if not isinstance(plate, FramePlate) or not plate.is_latents:
            return None
        clip = self.store.verify(plate.take)
        if clip is None:
            raise unavailable(self.store, plate.take, "a shot begins on it")
        if clip.latents is None:
            found = "was rendered without keeping its latents, and a shot begins on them"
            remedy = "run the same command again: that shot then begins on its last picture"
            raise RenderError(Problem(f"take {short(plate.take)}", found, "", remedy))
        with disk_errors(clip.latents, "read"):
            return clip.latents.read_bytes()

    def crop(self, plate: Plate, side: int) -> Pixels:
        """The whole picture with the kept part outlined; see plates.crop_shown."""
        return crop_shown(self.files[plate.picture], plate, side)

    def name(self, plate: AnyPlate) -> str:
        """The picture's file, or `frame 80 of take 7f3a91b2`."""
        if isinstance(plate, FramePlate):
            if plate.is_latents:
                return f"latents of take {short(plate.take)}"
            return f"frame {plate.frame} of take {short(plate.take)}"
        return self.files[plate.picture].name

    def _frame(self, plate: FramePlate) -> Pixels:
        clip = self.store.verify(plate.take)
        if clip is None:
            raise unavailable(self.store, plate.take, "a shot begins on it")
        if clip.size != plate.size:
            raise RenderError(Problem(f"take {short(plate.take)}", f"is {clip.size}", f"{plate.size} is needed"))
        return next(read_frames(clip.video, plate.frame, 1))


def unavailable(store: Store, key: str, why_needed: str) -> RenderError:
    """The error for a needed take that `verify` did not return: it is missing or cannot be read."""
    unreadable = store.takes.unreadable(key)
    if unreadable is not None:
        return RenderError(
            Problem(f"take {short(key)}", f"{why_needed}, but {unreadable.found}", "", unreadable.remedy)
        )
    return RenderError(Problem(f"take {short(key)}", f"is missing, and {why_needed}", "", "run the same command again"))
