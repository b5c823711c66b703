"""Frames → Measurements, in one pass, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from wan_render.quality.colour_drift import colour_shift
from wan_render.quality.continuity import continuity_measures
from wan_render.quality.ends import EndMeasures, end_measures
from wan_render.quality.ghosting import ghost
from wan_render.quality.measurements import Measurements
from wan_render.quality.small_frames import reduced
from wan_render.quality.substance import substance_measures
from wan_render.render_values import Pixels

LEAST_FRAMES = 2
"""One frame is a picture, not a clip."""


def measure(frames: Iterable[Pixels], first: Pixels | None = None, last: Pixels | None = None) -> Measurements:
    """Measure a clip: an array (frames, height, width, 3) uint8 RGB, or its frames one at a time.

    first, last: the conformed keyframes, (height, width, 3) uint8 RGB of the clip's size; None for an end without one.
    Raises ValueError with fewer than two frames.
    """
    clip = reduced(frames)
    if len(clip.small) < LEAST_FRAMES:
        raise ValueError(f"expected at least {LEAST_FRAMES} frames, got {len(clip.small)}")
    keyframes = [keyframe for keyframe in (first, last) if keyframe is not None]
    steps = continuity_measures(clip.small)
    shown = substance_measures(clip.small, clip.detail, keyframes)
    drifted, drifted_at = colour_shift(clip.small, keyframes)
    blend = ghost(clip.small, first, last) if first is not None and last is not None else None
    values = {
        **_end("first", end_measures(clip.first, first, last) if first is not None else None),
        **_end("last", end_measures(clip.last, last, first) if last is not None else None),
        "jump": steps.jump,
        "cut": steps.cut,
        "freeze": steps.freeze,
        "black": shown.black,
        "flat": shown.flat,
        "noise": shown.noise,
        "ghost": blend[0] if blend is not None else None,
        "sharpness": shown.sharpness,
        "drift": drifted,
    }
    places = {
        "jump": steps.jump_at,
        "cut": steps.cut_at,
        "freeze": steps.freeze_at,
        "black": shown.black_at,
        "flat": shown.flat_at,
        "noise": shown.noise_at,
        "sharpness": shown.sharpness_at,
        "drift": drifted_at,
        **({"ghost": blend[1]} if blend is not None else {}),
    }
    return Measurements(len(clip.small), round(steps.motion, 6), _rounded(values), places)


def _end(name: str, measured: EndMeasures | None) -> dict[str, float | None]:
    names = ("psnr", "ssim", "colour", "likeness", "other")
    return {f"{name}_{each}": getattr(measured, each) if measured is not None else None for each in names}


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(float(value), 4) for name, value in values.items()}
