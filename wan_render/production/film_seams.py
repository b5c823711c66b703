"""How visible the continuous joints and the bridges of a film are."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

from wan_render.cut import ClipSource, Cut, Event
from wan_render.errors import MachineError
from wan_render.media.clip import read_frames
from wan_render.printable import logger
from wan_render.report.review import ReviewSeam, ShownFrame
from wan_render.status import measurements_of
from wan_render.store import Store

LOG = logger("wan_render.production")

_MEASURED = ("continuous", "bridge")


def film_seams(store: Store, cut: Cut) -> Mapping[str, ReviewSeam]:
    """Shot id → the joint to the next shot, for continuous joints of two measured takes, and for both ends of a
    bridge."""
    joints = [(one, other) for one, other in pairwise(cut.events) if one.joint and one.joint.kind in _MEASURED]
    with ThreadPoolExecutor() as pool:  # decoding releases the GIL
        seams = pool.map(lambda joint: _seam(store, cut.rate, *joint), joints)
        return {one.name: seam for (one, _), seam in zip(joints, seams, strict=True) if seam is not None}


def _seam(store: Store, rate: Fraction, one: Event, other: Event) -> ReviewSeam | None:
    if not isinstance(one.source, ClipSource) or not isinstance(other.source, ClipSource):
        return None
    keys = (one.source.key, other.source.key)
    before, after = (measurements_of(store, key) for key in keys)
    clips = [store.find(key) for key in keys]
    if before is None or after is None or clips[0] is None or clips[1] is None:
        return None
    last = ShownFrame(clips[0].video, one.source_frame(one.frames - 1, rate))
    first = ShownFrame(clips[1].video, other.source_frame(0, rate))
    from wan_render.quality.seams import seam_ratio  # it loads OpenCV, which most commands do without

    try:
        shown, following = (next(read_frames(frame.clip, frame.number, 1)) for frame in (last, first))
    except MachineError as error:
        LOG.warning("the joint of %s and %s cannot be measured: %s", one.name, other.name, error)
        return None
    return ReviewSeam(other.name, seam_ratio(shown, following, before.motion, after.motion), last, first)
