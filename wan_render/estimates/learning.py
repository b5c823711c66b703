"""What the finished takes of a store say about the time of the next ones.

For a take, the closest measurements count:
1. takes of the same model, size, frames, steps and profile on the same kind of device;
2. the same with other frames or steps: the steps are scaled by both, decoding and writing by the frames; the rest is
   a fixed part;
3. other sizes, profiles and models of the same backend: the ratio of measured time to the backend's estimate;
4. without any: the backend's estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log, pi, sqrt
from typing import Protocol

from wan_render.errors import WanRenderError
from wan_render.estimates.alike_takes import (
    all_but_length,
    backend_name,
    groups_of_line,
    rendering_phases,
    rendering_seconds,
    scaling_distance,
    timed_shape,
    with_length,
)
from wan_render.estimates.take_time import TENTH, TakeTime
from wan_render.render_values import Phase
from wan_render.store import TakeSeconds
from wan_render.take import Sampling, Size, Take

HALF_LIFE = 20.0
"""The weight of a measurement halves with every so many newer ones of the same kind: drivers, versions and rooms
change."""

MOST_SAMPLES = 200
"""Older measurements of the same kind do not count: their weight is about a thousandth."""

USUAL_NOISE = {"cuda": 0.05, "cpu": 0.15}
"""How much equal takes scatter before it was measured, by the kind of device. On an H200 the steps of equal takes
differ by less than 1 % (docs/benchmarks.md), encoding and writing by more. A CPU has other work."""

OTHER_NOISE = 0.1
"""The same for other kinds of devices."""

USUAL_SAMPLES = 1.0
"""How many measurements that is worth."""

OUTLIER = 4.0
"""Measurements further from the median count as if they were so many standard deviations away: a suspended laptop."""

SCALED_DOUBT = 0.08
"""How far scaling by frames and steps may be off, for a factor of e."""

RELATED_DOUBT = 0.25
"""How far the measured pace of another model, size or profile may be off."""

GUESS_DOUBT, OTHER_DEVICE_DOUBT = 0.15, 0.6
"""How far a backend's estimate may be off: on the device that it was measured on, and on any other. GPUs that render
Wan differ by a factor of five."""

MOST_NOISE = 1.0
"""More scatter than this, which is a range from a quarter to four times the time, says nothing more."""

LONGEST_SECONDS_OF_TAKE = 1e7
"""Four months. Strange lines in a shared store must not lead to times that no calendar has."""

NEAR = 0.1
"""Measurements that were scaled hardly further than the closest ones count as well."""

_MEDIAN_DEVIATION = 0.6745
"""The median absolute deviation of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class _Learnt:
    """The median of the seconds, its doubt, and the noise of single takes. samples: measurements of equal takes."""

    seconds: float
    noise: float
    doubt: float
    samples: int = 0


class Expecting(Protocol):
    """Whoever expects how long takes take: a Backend."""

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        """See Backend.expected_seconds."""

    def timed_on(self, device_kind: str) -> str:
        """See Backend.timed_on."""


class MeasuredTimes:
    """The measured takes of a store on one kind of device. backend: of the takes that are asked for.

    labels: the models of the devices that will render. Only takes that were rendered on such devices count. If it is
    empty, all of the kind count.
    """

    def __init__(
        self, lines: Sequence[TakeSeconds], backend: Expecting, device_kind: str, labels: Collection[str] = ()
    ) -> None:
        self._backend, self._kind, self._labels = backend, device_kind, labels
        self._usual = USUAL_NOISE.get(device_kind, OTHER_NOISE)
        self._found: dict[object, TakeTime] = {}
        self._expected: dict[object, float] = {}
        self._alike: defaultdict[object, list[TakeSeconds]] = defaultdict(list)
        self._sizes: set[int] = set()
        for line in reversed(lines):
            if self._is_mine(line) and rendering_seconds(line) > 0:
                self._sizes.add(line.devices)
                for group in groups_of_line(line):
                    if len(self._alike[group]) < MOST_SAMPLES:
                        self._alike[group].append(line)

    def _is_mine(self, line: TakeSeconds) -> bool:
        is_here = not self._labels or line.label in self._labels
        return is_here and line.device == self._kind

    def time(self, take: Take, writing: float) -> TakeTime:
        """The expected time of a take that is not joined from others. writing: seconds to write it, if nothing is
        measured."""
        same = timed_shape(take)
        if same not in self._found:
            self._found[same] = self._time(take, writing)
        return self._found[same]

    def _time(self, take: Take, writing: float) -> TakeTime:
        loading, learnt = self._loading(take), self._learnt(take, 1)
        if learnt is None:
            seconds = self._backend.expected_seconds(take, self._kind) + writing
            noise, doubt = self._usual, self._doubt()
            return TakeTime(seconds, is_guessed=True, noise=noise, doubt=doubt, loading=loading, writing=writing)
        groups = {size: self._learnt(take, size) for size in sorted(self._sizes - {1})}
        return TakeTime(
            learnt.seconds,
            is_guessed=False,
            noise=learnt.noise,
            doubt=learnt.doubt,
            samples=learnt.samples,
            loading=loading,
            writing=writing,
            together={size: group.seconds for size, group in groups.items() if group is not None},
        )

    def _doubt(self) -> float:
        """Without labels the times are for the device that the backend was measured on."""
        timed_on = self._backend.timed_on(self._kind)
        is_here = bool(timed_on) and set(self._labels) <= {timed_on}
        return GUESS_DOUBT if is_here else OTHER_DEVICE_DOUBT

    def _learnt(self, take: Take, devices: int) -> _Learnt | None:
        """What the closest measurements say; None if there are none."""
        name = backend_name(take.backend)
        kind = all_but_length(take)
        if equal := self._alike.get((devices, kind, take.frames, take.sampling.steps)):
            return self._from([log(rendering_seconds(line)) for line in equal], equal=len(equal))
        if alike := self._alike.get((devices, kind)):
            nearest = min(scaling_distance(line, take) for line in alike)
            near = [line for line in alike if scaling_distance(line, take) <= nearest + NEAR]
            return self._from([self._scaled(line, take) for line in near], SCALED_DOUBT * nearest)
        if devices > 1:  # the time on one device, and the backend's ratio of both, says more
            return None
        related = self._alike.get((1, name, take.model)) or self._alike.get((1, name), [])
        known = [self._related(line, take) for line in related]
        return self._from([value for value in known if value is not None], RELATED_DOUBT)

    def _from(self, logs: Sequence[float], doubt: float = 0.0, *, equal: int = 0) -> _Learnt | None:
        """What logarithms of seconds say, the newest first; None without any. doubt: of their conversion to the
        take."""
        if not logs:
            return None
        weights = _weights(len(logs))
        middle, count = _weighted_median(logs, weights), sum(weights)
        offs = [abs(value - middle) for value in logs]
        most = OUTLIER * max(_weighted_median(offs, weights) / _MEDIAN_DEVIATION, self._usual)
        squares = sum(weight * min(off, most) ** 2 for weight, off in zip(weights, offs, strict=True))
        freedom = USUAL_SAMPLES + count - 1
        noise = sqrt((USUAL_SAMPLES * self._usual**2 + squares) / freedom) * _few(freedom)
        return _Learnt(
            min(exp(middle), LONGEST_SECONDS_OF_TAKE),
            min(noise, MOST_NOISE),
            hypot(noise * sqrt(pi / 2 / count), doubt),
            equal,
        )

    def _scaled(self, line: TakeSeconds, take: Take) -> float:
        """A measurement with other frames or steps, as the logarithm of the take's seconds."""
        frames = take.frames / line.frames
        factors: Mapping[str, float] = {
            Phase.STEP: self._step_factor(line, take),
            Phase.DECODING: frames,
            Phase.WRITING: frames,
        }
        return log(sum(seconds * factors.get(phase, 1.0) for phase, seconds in rendering_phases(line)))

    def _step_factor(self, line: TakeSeconds, take: Take) -> float:
        """How many times longer the steps of the take last than those measured: as the backend expects. With attention
        they grow faster than the frames. Some backends don't sample in steps; then it is the ratio of frames."""
        measured = with_length(take, line.frames, line.steps)
        mine, theirs = self._step_seconds(take), self._step_seconds(measured)
        if mine > 0 and theirs > 0:
            return mine / theirs
        frames, steps = take.frames / line.frames, take.sampling.steps / line.steps
        longer = with_length(take, 2 * take.frames, take.sampling.steps)
        knows_nothing = self._seconds(longer) == self._seconds(take)
        return frames * steps if knows_nothing else frames

    def _step_seconds(self, take: Take) -> float:
        """What the steps alone take, as the backend expects."""
        twice = with_length(take, take.frames, 2 * take.sampling.steps)
        return self._seconds(twice) - self._seconds(take)

    def _related(self, line: TakeSeconds, take: Take) -> float | None:
        """A measurement of another model, size or profile, as the logarithm of the take's seconds; None if the backend
        has no estimate for it."""
        shift, size = take.sampling.shift, Size(line.width, line.height)
        sampling = Sampling(line.steps, line.guidance, shift, line.profile, line.variant, line.guided_share)
        measured = replace(take, model=line.model, size=size, frames=line.frames, sampling=sampling)
        try:
            return log(rendering_seconds(line) * self._seconds(take) / self._seconds(measured))
        except WanRenderError:
            return None

    def _seconds(self, take: Take) -> float:
        """What the backend expects."""
        shape = timed_shape(take)
        if shape not in self._expected:
            self._expected[shape] = max(self._backend.expected_seconds(take, self._kind), 1e-6)
        return self._expected[shape]

    def _loading(self, take: Take) -> float:
        """Median seconds of loading this model; of any model if this one was never loaded."""
        name = backend_name(take.backend)
        own = self._alike.get((name, take.model, Phase.LOADING)) or self._alike.get((name, Phase.LOADING), [])
        return _weighted_median([line.seconds[Phase.LOADING] for line in own], _weights(len(own))) if own else 0.0


def _few(freedom: float) -> float:
    """How many times wider the range of 80 % is if the scatter was measured with few samples: Student's t, by the
    first term of its expansion (Abramowitz and Stegun, 26.7.5)."""
    return 1 + (TENTH**2 + 1) / (4 * freedom)


def _weights(count: int) -> list[float]:
    return [0.5 ** (place / HALF_LIFE) for place in range(count)]


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value with half of the weight on each side."""
    ranked = sorted(zip(values, weights, strict=True))
    half, passed = sum(weights) / 2, 0.0
    for place, (value, weight) in enumerate(ranked):
        passed += weight
        if passed > half * (1 + 1e-9):
            return value
        if passed > half * (1 - 1e-9) and place + 1 < len(ranked):
            return (value + ranked[place + 1][0]) / 2
    return ranked[-1][0]
