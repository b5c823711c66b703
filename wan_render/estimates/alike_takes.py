"""Which takes are alike in time, and which measurements count for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import hypot, log

from wan_render.render_values import Phase
from wan_render.store import TakeSeconds
from wan_render.take import Size, Take

_NOT_RENDERING = (Phase.WAITING, Phase.LOADING)


def groups_of_line(line: TakeSeconds) -> Iterator[object]:
    """The groups of measurements that a line belongs to; see MeasuredTimes._alike."""
    name, size = backend_name(line.backend), Size(line.width, line.height)
    guided = line.guided_share, guided_experts(line.guidance)
    alike = name, line.model, size, line.kind, line.profile, line.variant, *guided
    yield line.devices, alike, line.frames, line.steps
    yield line.devices, alike
    yield line.devices, name, line.model
    yield line.devices, name
    if line.seconds.get(Phase.LOADING, 0.0) > 0:
        yield name, line.model, Phase.LOADING
        yield name, Phase.LOADING


def all_but_length(take: Take) -> object:
    """Equal for takes that differ only in frames and steps, among other things that do not change their time."""
    sampling = take.sampling
    guided = sampling.guided_share, guided_experts(sampling.guidance)
    shape = (take.model, take.size, take.kind, sampling.profile, sampling.variant, *guided)
    return (backend_name(take.backend), *shape)


def timed_shape(take: Take) -> object:
    """Equal for takes that take equally long."""
    return take.backend, take.model, take.size, take.frames, take.sampling, take.kind


def with_length(take: Take, frames: int, steps: int) -> Take:
    """The same take with other frames and steps."""
    return replace(take, frames=frames, sampling=replace(take.sampling, steps=steps))


def scaling_distance(line: TakeSeconds, take: Take) -> float:
    """How far a measurement has to be scaled, as the logarithm of a factor."""
    return hypot(log(take.frames / line.frames), log(take.sampling.steps / line.steps))


def backend_name(backend: str) -> str:
    """A backend's name without its pixel version."""
    return backend.partition("/")[0]


def rendering_phases(line: TakeSeconds) -> Iterator[tuple[str, float]]:
    """The seconds of each phase that counts."""
    return ((phase, seconds) for phase, seconds in line.seconds.items() if phase not in _NOT_RENDERING)


def rendering_seconds(line: TakeSeconds) -> float:
    """The seconds of all phases that count."""
    return sum(seconds for _, seconds in rendering_phases(line))


def guided_experts(guidance: Sequence[float]) -> tuple[bool, ...]:
    """For each expert, whether it predicts twice."""
    return tuple(scale > 1 for scale in guidance)
