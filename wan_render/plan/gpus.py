"""`render.gpus`: how many devices should render a take together. It changes no pixels, so it is not part of a take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wan_render.authored import Storyboard
from wan_render.plan.film_plan import PlannedShot, Rendered
from wan_render.plan.inherit import Inherited, PaintedKeyframe, Settings
from wan_render.take import Take


def asked_gpus(
    cast: Sequence[Inherited], shots: Sequence[PlannedShot], storyboard: Storyboard, paintings: Mapping[str, Take]
) -> dict[str, int]:
    """Key of a take → the number of devices, for takes of shots, their segments and painted keyframes; none for `auto`.

    If several shots share a take, the first one that names a number counts.
    """
    settings: list[tuple[Settings, tuple[Take, ...]]] = [
        (inherited, tuple(_takes(shot))) for inherited, shot in zip(cast, shots, strict=True)
    ]
    settings += [(PaintedKeyframe(storyboard, name), (take,)) for name, take in paintings.items()]
    asked: dict[str, int] = {}
    for setting, takes in settings:
        gpus = setting.common("gpus")
        if gpus is not None and gpus.value != "auto":
            for take in takes:
                asked.setdefault(take.key, gpus.value)
    return asked


def _takes(shot: PlannedShot) -> Iterator[Take]:
    if isinstance(shot.content, Rendered):
        for planned in shot.content.takes:
            yield planned.take
            yield from planned.take.segments
