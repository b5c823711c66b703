"""What the finished takes of a store say about the time of the next ones.

For a take, the closest measurements count:
1. takes of the same model, size, frames, steps and profile on the same kind of device;
2. the same with other frames or steps: the steps are scaled by both, decoding and writing by the frames; the rest is
   a fixed part;
3. other sizes, profiles and models of the same backend: the ratio of measured time to the backend's estimate;
4. without any: the backend's estimate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log, pi, sqrt

from wan_render.backend_contract import Backend
from wan_render.errors import WanRenderError
from wan_render.estimates.take_time import TENTH, TakeTime
from wan_render.render_values import Phase
from wan_render.store import TakeSeconds
from wan_render.take import Sampling, Size, Take

HALF_LIFE = 20.0
"""The weight of a measurement halves with every so many newer ones of the same kind: drivers, versions and rooms
change."""

MOST_SAMPLES = 200
"""Older measurements of the same kind do not count: their weights are below a thousandth."""

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

NEAR = 0.1
"""Measurements that were scaled hardly further than the closest ones count as well."""

_MEDIAN_DEVIATION = 0.6745
"""The median absolute deviation of a normal distribution, in standard deviations."""

_NOT_RENDERING = (Phase.WAITING, Phase.LOADING)


@dataclass(frozen=True)
class _Sample:
    """A measurement that was converted to a take: logarithm of its seconds. distance: how far it was scaled, as the
    logarithm of a factor."""

    log_seconds: float
    distance: float = 0.0


@dataclass(frozen=True)
class _Learnt:
    """The median of the seconds, its doubt, and the noise of single takes. samples: measurements of equal takes."""

    seconds: float
    noise: float
    doubt: float
    samples: int = 0


class MeasuredTimes:
    """The measured takes of a store on one kind of device. backend: of the takes that are asked for.

    labels: the models of the devices that will render. Only takes that were rendered on such devices count. If it is
    empty, all of the kind count.
    """

    def __init__(
        self, lines: Sequence[TakeSeconds], backend: Backend, device_kind: str, labels: Collection[str] = ()
    ) -> None:
        self._backend, self._kind, self._labels = backend, device_kind, labels
        self._lines = [line for line in reversed(lines) if self._is_mine(line) and _rendering(line) > 0]
        self._usual = USUAL_NOISE.get(device_kind, OTHER_NOISE)
        self._found: dict[object, TakeTime] = {}

    def _is_mine(self, line: TakeSeconds) -> bool:
        is_here = not self._labels or line.label in self._labels
        return is_here and line.device == self._kind

    def time(self, take: Take, writing: float) -> TakeTime:
        """The expected time of a take that is not joined from others. writing: seconds to write it, if nothing is
        measured."""
        same = (take.backend, take.model, take.size, take.frames, take.sampling, take.kind)
        if same not in self._found:
            self._found[same] = self._time(take, writing)
        return self._found[same]

    def _time(self, take: Take, writing: float) -> TakeTime:
        loading, learnt = self._loading(take), self._learnt(take, 1)
        if learnt is None:
            seconds = self._backend.expected_seconds(take, self._kind) + writing
            noise, doubt = self._usual, self._doubt()
            return TakeTime(seconds, is_guessed=True, noise=noise, doubt=doubt, loading=loading, writing=writing)
        sizes = {line.devices for line in self._lines if line.devices > 1}
        groups = {size: self._learnt(take, size) for size in sorted(sizes)}
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
        rows = [line for line in self._lines if line.devices == devices and _name(line.backend) == _name(take.backend)]
        alike = [line for line in rows if _is_alike(line, take)]
        equal = [line for line in alike if (line.frames, line.steps) == (take.frames, take.sampling.steps)]
        if equal:
            return self._from([_Sample(log(_rendering(line))) for line in equal], equal=len(equal))
        if alike:
            scaled = [self._scaled(line, take) for line in alike]
            nearest = min(sample.distance for sample in scaled)
            return self._from([each for each in scaled if each.distance <= nearest + NEAR], SCALED_DOUBT * nearest)
        if devices > 1:  # the time on one device, and the backend's ratio of both, says more
            return None
        same_model = [line for line in rows if line.model == take.model]
        related = [self._related(line, take) for line in same_model or rows]
        return self._from([sample for sample in related if sample is not None], RELATED_DOUBT)

    def _from(self, samples: Sequence[_Sample], doubt: float = 0.0, *, equal: int = 0) -> _Learnt | None:
        """What measurements say, the newest first; None without any. doubt: of their conversion to the take."""
        if not samples:
            return None
        logs = [sample.log_seconds for sample in samples[:MOST_SAMPLES]]
        weights = _weights(len(logs))
        middle, count = _weighted_median(logs, weights), sum(weights)
        offs = [abs(value - middle) for value in logs]
        most = OUTLIER * max(_weighted_median(offs, weights) / _MEDIAN_DEVIATION, self._usual)
        squares = sum(weight * min(off, most) ** 2 for weight, off in zip(weights, offs, strict=True))
        freedom = USUAL_SAMPLES + count - 1
        noise = sqrt((USUAL_SAMPLES * self._usual**2 + squares) / freedom) * _few(freedom)
        return _Learnt(exp(middle), noise, hypot(noise * sqrt(pi / 2 / count), doubt), equal)

    def _scaled(self, line: TakeSeconds, take: Take) -> _Sample:
        """A measurement with other frames or steps."""
        frames, steps = take.frames / line.frames, take.sampling.steps / line.steps
        factors: Mapping[str, float] = {
            Phase.STEP: self._step_factor(take, frames, steps),
            Phase.DECODING: frames,
            Phase.WRITING: frames,
        }
        seconds = sum(seconds * factors.get(phase, 1.0) for phase, seconds in _phases(line))
        return _Sample(log(seconds), hypot(log(frames), log(steps)))

    def _step_factor(self, take: Take, frames: float, steps: float) -> float:
        """How many times longer the steps last with so many times the frames and steps.

        More frames take at least proportionally longer, and with attention more than that: how much, the backend's
        estimate says. Some backends don't sample in steps; then their estimate does not depend on the number.
        """
        now, more = self._expected(take), 2 * take.frames + 3  # stays on a grid of 4 n + 1 frames
        growth = log(self._expected(replace(take, frames=more)) / now) / log(more / take.frames)
        other = replace(take, sampling=replace(take.sampling, steps=2 * take.sampling.steps))
        has_steps = growth == 0 or self._expected(other) > now
        return float(frames ** min(max(growth, 1.0), 2.0)) * (steps if has_steps else 1.0)

    def _related(self, line: TakeSeconds, take: Take) -> _Sample | None:
        """A measurement of another model, size or profile; None if the backend has no estimate for it."""
        sampling = Sampling(line.steps, line.guidance, take.sampling.shift, line.profile, line.variant)
        size = Size(line.width, line.height)
        measured = replace(take, model=line.model, size=size, frames=line.frames, sampling=sampling)
        try:
            return _Sample(log(_rendering(line) * self._expected(take) / self._expected(measured)))
        except WanRenderError:
            return None

    def _expected(self, take: Take) -> float:
        return max(self._backend.expected_seconds(take, self._kind), 1e-6)

    def _loading(self, take: Take) -> float:
        """Median seconds of loading this model; of any model if this one was never loaded."""
        loads = [
            (line.model, line.seconds[Phase.LOADING])
            for line in self._lines
            if line.seconds.get(Phase.LOADING, 0.0) > 0 and _name(line.backend) == _name(take.backend)
        ]
        own = [seconds for model, seconds in loads if model == take.model] or [seconds for _, seconds in loads]
        return _weighted_median(own, _weights(len(own))) if own else 0.0


def _name(backend: str) -> str:
    """A backend's name without its pixel version."""
    return backend.partition("/")[0]


def _phases(line: TakeSeconds) -> Iterator[tuple[str, float]]:
    """The seconds of each phase that counts."""
    return ((phase, seconds) for phase, seconds in line.seconds.items() if phase not in _NOT_RENDERING)


def _rendering(line: TakeSeconds) -> float:
    return sum(seconds for _, seconds in _phases(line))


def _is_alike(line: TakeSeconds, take: Take) -> bool:
    """Whether only frames and steps may differ."""
    sampling = take.sampling
    mine = (
        take.model,
        take.size.width,
        take.size.height,
        take.kind,
        *sampling.profile_variant,
        _guided(sampling.guidance),
    )
    return mine == (line.model, line.width, line.height, line.kind, line.profile, line.variant, _guided(line.guidance))


def _guided(guidance: Sequence[float]) -> tuple[bool, ...]:
    """For each expert, whether it predicts twice."""
    return tuple(scale > 1 for scale in guidance)


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
