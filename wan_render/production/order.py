"""What a device is asked to render, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.plan import FilmPlan
from wan_render.render import Backend, ModelCard
from wan_render.status import FilmStatus, ShotStatus, TakeStatus
from wan_render.take import Take

_Place = tuple[int, bool, int, int]
"""Which model, whether only for choosing from, which shot, which take."""


@dataclass(frozen=True)
class RenderOrder:
    """One take to render: everything that a device process needs. It pickles.

    pictures: the file of each of its plates' pictures, by SHA-256. film, shot, number: the slug, shot id and take
    number that it is for; without a slug nothing is remembered. why: why it is to be rendered ("prompt changed").
    """

    take: Take
    backend: Backend
    card: ModelCard
    pictures: Mapping[str, Path]
    shot: str
    number: int
    film: str = ""
    why: str = ""

    def __hash__(self) -> int:
        return hash(self.take.key)


def orders(
    plan: FilmPlan, status: FilmStatus, backend: Backend, only: Collection[str] | None = None
) -> tuple[RenderOrder, ...]:
    """What is to be rendered: each take once, model by model, so that each is loaded once; for each model the takes
    that go into the film first, in its order. `only`: ids of the shots to render, None for all."""
    placed: dict[str, tuple[_Place, RenderOrder]] = {}
    models: dict[str, int] = {}
    for index, shot in enumerate(status.shots):
        for take in shot.takes:
            if take.take is None or take.clip is not None or (only is not None and shot.id not in only):
                continue
            place = (models.setdefault(take.take.model, len(models)), take.key != shot.chosen, index, take.number)
            if take.key not in placed or place < placed[take.key][0]:
                placed[take.key] = (place, _order(plan, shot, take, take.take, backend))
    return tuple(order for _, order in sorted(placed.values(), key=lambda each: each[0]))


def _order(plan: FilmPlan, shot: ShotStatus, status: TakeStatus, take: Take, backend: Backend) -> RenderOrder:
    digests = {plate.picture for plate in (take.first, take.last) if plate is not None}
    return RenderOrder(
        take=take,
        backend=backend,
        card=plan.models[take.model],
        pictures={digest: plan.pictures[digest] for digest in digests},
        shot=shot.id,
        number=status.number,
        film=plan.slug,
        why=status.why,
    )
