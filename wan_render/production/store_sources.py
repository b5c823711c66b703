"""What a cut shows, from the store and the plan's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.production.pictures import Pictures
from wan_render.render_values import Pixels
from wan_render.store import Store
from wan_render.take import AnyPlate


@dataclass(frozen=True)
class Sources:
    """The clips and stills of a cut, from the store and the plan's pictures. See media.FilmSources."""

    store: Store
    pictures: Mapping[str, Path]

    def clip(self, key: str) -> Path:
        """The lossless clip of a take. Raises MachineError if it is no longer in the store."""
        if (clip := self.store.find(key)) is None:
            raise MachineError(
                Problem(f"take {key}", "is no longer in the outputs folder", "", "run the same command again")
            )
        return clip.video

    def picture(self, plate: AnyPlate) -> Pixels:
        """A still: a fitted picture or a painted keyframe. Raises PictureError, or RenderError for a keyframe that is
        not painted yet."""
        return Pictures(self.store, self.pictures).pixels(plate)
