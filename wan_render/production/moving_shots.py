"""The shots of a cut with their motion, measured in their clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np

from wan_render.cut import ClipSource, Cut, Event
from wan_render.errors import MachineError, Problem
from wan_render.footage.footage_part import FootagePart
from wan_render.media.clip import read_frames
from wan_render.retime.eased_joint import ShotMotion, eased_steps
from wan_render.retime.motion_curve import Floats, motion_curve
from wan_render.retime.pace import SourcePart
from wan_render.store import Clip, Store

OnShots = Callable[[int, int], None]


@dataclass(frozen=True)
class MovingShot:
    """An event that shows a take. part: what it shows of it; motion: of the steps of that part."""

    event: Event
    clip: Clip
    part: SourcePart
    motion: ShotMotion

    def film_speeds(self) -> Floats:
        """(part.frames,) the speeds of the film's steps at an even pace, in percent of the long side per second."""
        places = [float(self.part.evenly(at)) for at in range(self.part.frames + 1)]
        known = np.concatenate([[0.0], np.cumsum(self.part.lengths)]) + float(self.part.begin)
        way = np.concatenate([[0.0], np.cumsum(self.part.lengths * self.motion.speeds)])
        film_steps_per_source_step = self.part.frames / float(self.part.end - self.part.begin)
        return np.asarray(np.diff(np.interp(places, known, way)) * film_steps_per_source_step)


def moving_shots(cut: Cut, places: Iterable[int], store: Store, progress: OnShots) -> Mapping[int, MovingShot]:
    """Place in the cut → shot, for events that show takes.

    progress: called with the shots that are measured, and their total. Raises MachineError for a take that cannot be
    read.
    """
    wanted, found = sorted(set(places)), dict[int, MovingShot]()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding and flow release the GIL
        for at, shot in zip(wanted, pool.map(lambda at: _moving(cut, at, store), wanted), strict=True):
            found[at] = shot
            progress(len(found), len(wanted))
    return found


def continues(cut: Cut, at: int) -> bool:
    """Whether the next event shows a clip that begins where this one ends."""
    joint = cut.events[at].joint
    if joint is None or joint.kind != "continuous":
        return False
    return isinstance(cut.events[at + 1].source, ClipSource | FootagePart)


def _moving(cut: Cut, at: int, store: Store) -> MovingShot:
    event = cut.events[at]
    if not isinstance(event.source, ClipSource):
        raise ValueError(f"{event.name} shows no take")
    clip = store.find(event.source.key)
    if clip is None:
        gone = "is no longer in the outputs folder"
        raise MachineError(Problem(f"take {event.source.key}", gone, "", "run the same command again"))
    part = SourcePart.of(event, cut.rate, continues=continues(cut, at))
    last = min(ceil(part.end), clip.frames - 1)
    curve = motion_curve(read_frames(clip.video, part.first, last + 1 - part.first))
    steps = len(part.lengths)
    missing = [(0, steps - len(curve.speeds))]  # a part of a step can be shown after the last frame
    speeds = np.pad(curve.speeds, missing, mode="edge") * float(clip.rate)
    flows = np.pad(curve.flows, [*missing, (0, 0), (0, 0), (0, 0)], mode="edge")
    return MovingShot(event, clip, part, ShotMotion(speeds, part.lengths, flows, eased_steps(steps, float(clip.rate))))
