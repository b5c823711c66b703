"""Frames → Measurements, in one pass, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from wan_render.quality.blank_frames import blank_measures
from wan_render.quality.colour_drift import drift_measures
from wan_render.quality.continuity import continuity_measures
from wan_render.quality.ends import EndMeasures, end_measures
from wan_render.quality.freezes import freeze_measures
from wan_render.quality.ghosting import GhostMeasures, ghost_measures
from wan_render.quality.measurements import LEAST_FRAMES, Measurements
from wan_render.quality.noise import noise_measure
from wan_render.quality.sharpness import blocks_measure, sharpness_measure
from wan_render.quality.small_frames import SmallFrames, detail_of, reduced
from wan_render.quality.tracking import Steps, tracked
from wan_render.render_values import Pixels

Value = tuple[float | None, int | None]
"""A measure and its frame; None if it does not apply or has no place."""


def measure(
    frames: Iterable[Pixels], first: Pixels | None = None, last: Pixels | None = None, *, passes_through: bool = False
) -> Measurements:
    """Measure a clip: an array (frames, height, width, 3) uint8 RGB, or its frames one at a time.

    first, last: the conformed keyframes, (height, width, 3) uint8 RGB of the clip's size; None for an end without one.
    passes_through: there are other keyframes between them, so nothing is expected between the two.
    Raises ValueError with fewer than two frames.
    """
    clip = reduced(frames)
    if len(clip.small) < LEAST_FRAMES:
        raise ValueError(f"expected at least {LEAST_FRAMES} frames, got {len(clip.small)}")
    steps = tracked(clip.small)
    freeze, drift = freeze_measures(clip.small, steps.stirred), drift_measures(steps, is_held=last is not None)
    found: dict[str, Value] = {
        **_end("first", clip.first, first, last),
        **_end("last", clip.last, last, first),
        **_inside(clip, steps, [each for each in (first, last) if each is not None], is_held=last is not None),
        "freeze_frames": (freeze.frames, freeze.at),
        "freeze_share": (freeze.share, freeze.at),
        "rest_share": (freeze.rest, freeze.rest_at),
        **_ghost(clip, *((first, last) if not passes_through else (None, None))),
        "drift": (drift.colour, drift.colour_at),
        "chroma": (drift.chroma, drift.chroma_at),
    }
    return Measurements(
        len(clip.small),
        round(freeze.motion, 6),
        {name: None if value is None else round(float(value), 4) for name, (value, _) in found.items()},
        {name: at for name, (value, at) in found.items() if value is not None and at is not None},
    )


def _inside(clip: SmallFrames, steps: Steps, keyframes: list[Pixels], *, is_held: bool) -> dict[str, Value]:
    continuity, blank = continuity_measures(steps, clip.small), blank_measures(clip.small, keyframes)
    details = [detail_of(keyframe) for keyframe in keyframes]
    return {
        "jump": (continuity.jump, continuity.jump_at),
        "cut": (continuity.cut, continuity.cut_at),
        "black": (blank.black, blank.black_at),
        "flat": (blank.flat, blank.flat_at),
        "white": (blank.white, blank.white_at),
        "noise": noise_measure(clip.detail, details, steps),
        "blocks": blocks_measure(clip.detail, details),
        "sharpness": sharpness_measure(clip.detail, details, steps, is_held=is_held) or (None, None),
    }


def _end(name: str, frame: Pixels, keyframe: Pixels | None, other: Pixels | None) -> dict[str, Value]:
    measured: EndMeasures | None = end_measures(frame, keyframe, other) if keyframe is not None else None
    fields = ("psnr", "ssim", "light", "colour", "likeness", "mistaken")
    return {f"{name}_{field}": (getattr(measured, field, None), None) for field in fields}


def _ghost(clip: SmallFrames, first: Pixels | None, last: Pixels | None) -> dict[str, Value]:
    found: GhostMeasures | None = None
    if first is not None and last is not None:
        found = ghost_measures(clip.small, first, last)
    if found is None:
        return {"ghost": (None, None), "ghost_moved": (None, None)}
    return {"ghost": (found.still, found.at), "ghost_moved": (found.moved, found.moved_at)}
