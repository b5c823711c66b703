"""`render.gpus`: how many devices are asked to render a take together. It changes no pixels, so no take knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wan_render.authored import Storyboard
from wan_render.plan.film_plan import PlannedShot, Rendered
from wan_render.plan.inherit import Inherited, PaintedKeyframe, Settings
from wan_render.take import Take


def asked_gpus(
    cast: Sequence[Inherited], shots: Sequence[PlannedShot], storyboard: Storyboard, paintings: Mapping[str, Take]
) -> dict[str, int]:
    """The number by the take's key, for takes of shots, their segments and painted keyframes; `auto` has none.

    A take that two places ask for has the number of the first one that names any.
    """
    settings: list[tuple[Settings, tuple[Take, ...]]] = [
        (inherited, tuple(_takes(shot))) for inherited, shot in zip(cast, shots, strict=True)
    ]
    settings += [(PaintedKeyframe(storyboard, name), (take,)) for name, take in paintings.items()]
    asked: dict[str, int] = {}
    for setting, takes in settings:
        told = setting.common("gpus")
        if told is not None and told.value != "auto":
            for take in takes:
                asked.setdefault(take.key, told.value)
    return asked


def _takes(shot: PlannedShot) -> Iterator[Take]:
    if isinstance(shot.content, Rendered):
        for planned in shot.content.takes:
            yield planned.take
            yield from planned.take.segments
