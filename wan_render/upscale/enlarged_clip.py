"""A clip → the same frames at the delivery's size by Lanczos, without a network and without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from wan_render.media.ahead import ahead
from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.geometry import Placement
from wan_render.render_values import Pixels
from wan_render.upscale.clip_upscaler import AHEAD, ClipToUpscale
from wan_render.upscale.placed_picture import placed


def enlarge_clip(job: ClipToUpscale, progress: Callable[[int, int], None]) -> None:
    """Write the target, atomically. progress: called with the frames done and their total.

    Raises MachineError for a clip that cannot be read, and DiskError.
    """

    def pictures() -> Iterator[Pixels]:
        for done, frame in enumerate(read_frames(job.clip, 0, job.frames), start=1):
            yield placed(enlarged_picture(frame, job.placement), job.placement)
            progress(done, job.frames)

    with ahead(pictures(), AHEAD) as made:
        write_pictures(job.target, made, job.placement.delivery, job.rate, INTERMEDIATE_CODING)


def enlarged_picture(picture: Pixels, placement: Placement) -> Pixels:
    """The part of a picture (height, width, 3) that is shown, as large as `placement.scaled`."""
    part, size = placement.source, placement.scaled.size
    box = (part.left, part.top, part.left + part.size.width, part.top + part.size.height)
    image = Image.fromarray(picture)
    return np.asarray(image.resize((size.width, size.height), Image.Resampling.LANCZOS, box=box))
