"""Takes whose clip is black although their keyframes are not. Older versions turned non-finite values into black
frames, because they did not check the frames of a take.

Only takes of such versions are examined (Provenance.frames_checked), and only clips whose file is too small for a
picture are opened, so planning stays fast. Takes of this version are never suspected, however dark they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import MachineError
from wan_render.frame_checks import is_blank_instead
from wan_render.media.clip import read_frames
from wan_render.plan import FilmPlan, Rendered
from wan_render.printable import logger
from wan_render.status import with_needs
from wan_render.store import CLIP, Clip, Store, TakeRecord
from wan_render.take_fields import needs_of

if TYPE_CHECKING:  # planning needs no numpy, whose import is a fifth of the time of `check`
    from wan_render.render_values import Pixels

_LOG = logger(__name__)

BLACK = "its clip is black although its keyframes are not"
BLACK_THROUGHOUT = "its clip is black from the first frame to the last"
MADE_FROM_BLACK = "it was made from a take whose clip is black"

_MOST_BYTES = 4096
_MOST_BYTES_PER_FRAME = 256
_MOST_BYTES_PER_PIXEL = 0.004
"""Bounds on the size of a black FFV1 clip. Measured: 1,684 bytes for 9 frames of 64x48 and 38,429 bytes for 81 frames
of 832x480. Real pictures take 0.9 bytes per pixel."""


def black_takes(plan: FilmPlan, store: Store) -> dict[str, str]:
    """Key → reason, for the black takes of a plan: those in the store, those made from them, and pinned clips."""
    found: dict[str, str] = {}
    takes = with_needs(plan.takes, plan.by_key, lambda _: False)
    for key in (*(take.key for take in takes), *_pinned(plan, store)):
        clip = store.find(key)
        if clip is not None and (why := _why(store.record(key), clip, found)):
            found[key] = why
    return found


def set_aside_black_takes(plan: FilmPlan, store: Store) -> None:
    """Move the plan's black takes to the store's folder of damaged takes, so that they are rendered again. Pinned clips
    stay."""
    rendered = {take.key for take in plan.takes}
    for key, why in black_takes(plan, store).items():
        if key in rendered:
            store.takes.reject(key, why)


def _pinned(plan: FilmPlan, store: Store) -> Iterator[str]:
    for shot in plan.shots:
        if isinstance(shot.content, Rendered) and shot.content.pin is not None:
            yield from store.matching(shot.content.pin)


def _why(record: TakeRecord, clip: Clip, black: dict[str, str]) -> str:
    """The reason, or "" for a take that is not black."""
    if record.provenance.frames_checked:
        return ""
    if any(need in black for need in needs_of(record.take)):
        return MADE_FROM_BLACK
    return _black(clip) if record.files[CLIP].bytes <= _most_bytes(clip) else ""


def _most_bytes(clip: Clip) -> float:
    pixels = clip.size.width * clip.size.height * clip.frames
    return _MOST_BYTES + _MOST_BYTES_PER_FRAME * clip.frames + _MOST_BYTES_PER_PIXEL * pixels


def _black(clip: Clip) -> str:
    try:
        shown = [next(read_frames(clip.video, at, 1)) for at in (0, clip.frames // 2, clip.frames - 1)]
        if any(frame.any() for frame in shown):
            return ""
        if clip.first is None and clip.last is None:
            return BLACK_THROUGHOUT
        ends = ((shown[0], clip.first), (shown[-1], clip.last))
        is_wrong = any(is_blank_instead(frame, _picture(file)) for frame, file in ends if file is not None)
    except (MachineError, OSError) as error:  # damage is detected elsewhere
        _LOG.info("%s could not be checked for black frames: %s", clip.video, error)
        return ""
    return BLACK if is_wrong else ""


def _picture(file: Path) -> Pixels:
    import numpy as np
    from PIL import Image

    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB"))
