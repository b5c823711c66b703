"""What devices are to render, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from types import MappingProxyType

from wan_render.backend_contract import Backend
from wan_render.backends import rendered_by
from wan_render.plan import Content, FilmPlan, Rendered
from wan_render.production.render_order import RenderOrder
from wan_render.production.unable_devices import Computing, computing
from wan_render.status import FilmStatus, ShotStatus, painting_label, with_needs
from wan_render.take import Lora, Plate, ProfileVariant, Take


@dataclass(frozen=True, order=True)
class _Place:
    """Sort key of an order among those that are ready; the smallest comes first.

    model: place of the model that has to be loaded; late retakes have places of their own. spare: not the chosen take.
    loras: place of the set of LoRAs.
    index, number: of the shot in the film, and of the take.
    """

    model: int
    spare: bool
    loras: int
    index: int
    number: int


@dataclass(frozen=True)
class _Wanted:
    """A take of the plan: its label, why it is rendered, and the index of its shot in the film. spare: not the chosen
    take. is_retake: wanted because the shot's takes failed their checks."""

    label: str
    number: int
    why: str
    index: int
    spare: bool = False
    is_retake: bool = False


def orders(
    plan: FilmPlan,
    status: FilmStatus,
    backend: Backend,
    only: Collection[str] | None = None,
    unable: Mapping[Computing, Collection[str]] = MappingProxyType({}),
) -> tuple[RenderOrder, ...]:
    """The takes to render, each once and after the takes that it needs. Within that limit retakes come last, unless
    other shots continue them; the takes are sorted by model, so that each is loaded once; then chosen takes come first;
    then by LoRAs; then in the order of the film.

    only: ids of the shots to render, None for all; the takes that they need are included. unable: how takes are
    computed → names of the devices that cannot do so.
    """
    missing = {take.key for take in status.to_render}
    takes = with_needs(_roots(plan, status, missing, only), plan.by_key, lambda key: key not in missing)
    wanted, checked = _wanted(status), _checked(status)
    late = _late(takes, wanted)
    found = [_order(plan, take, wanted[take.key], backend) for take in _in_order(takes, wanted, late)]
    complete = [
        replace(
            order,
            barred=_barred(order, unable),
            is_checked=order.take.key in checked,
            spare=order.spare or order.take.key in late,
        )
        for order in found
    ]
    return tuple(_followed(complete))


def _barred(order: RenderOrder, unable: Mapping[Computing, Collection[str]]) -> frozenset[str]:
    """The devices that cannot render it. Any device can join segments."""
    return frozenset() if order.take.through else frozenset(unable.get(computing(order.take), ()))


def _followed(found: Sequence[RenderOrder]) -> Iterator[RenderOrder]:
    """Each order with the later ones of the same model."""
    for index, order in enumerate(found):
        later = tuple(each for each in found[index + 1 :] if each.card == order.card and not each.take.through)
        yield replace(order, later=later)


def _roots(
    plan: FilmPlan, status: FilmStatus, missing: Collection[str], only: Collection[str] | None
) -> Iterator[Take]:
    for shot in status.shots:
        if only is None or shot.id in only or _joins_selected(shot, status, missing, only):
            yield from (take.take for take in shot.takes if take.take is not None and take.key in missing)
    yield from (take for take in plan.needed_by_stills if take.key in missing)


def _joins_selected(shot: ShotStatus, status: FilmStatus, missing: Collection[str], only: Collection[str]) -> bool:
    """Whether this is a bridge next to a selected shot, and the shot on its other side is selected or there."""
    bridges = shot.planned.bridges if shot.planned is not None else None
    if bridges is None:
        return False
    unselected = [side for side in (bridges.before, bridges.after) if side not in only]
    return len(unselected) < 2 and all(status.shot(side).chosen not in missing for side in unselected)


def _wanted(status: FilmStatus) -> dict[str, _Wanted]:
    """Every take that may be rendered, by key. A take that is wanted several times gets its first place in the film. If
    it is also a take of a shot, it gets that label."""
    shots = [wanted for index, shot in enumerate(status.shots) for wanted in _of_shot(index, shot)]
    parts = [wanted for index, shot in enumerate(status.shots) for wanted in _parts(index, shot)]
    paintings = [
        (painting.key, _Wanted(painting_label(name), 1, painting.why, -1))
        for name, painting in status.paintings.items()
    ]
    found: dict[str, _Wanted] = {}
    for key, wanted in (*sorted(shots, key=_first), *sorted(parts, key=_first), *paintings):
        found.setdefault(key, wanted)
    return found


def _checked(status: FilmStatus) -> set[str]:
    """The takes of shots whose takes are checked, and their segments."""
    shots = [shot for shot in status.shots if shot.planned is not None and _is_checked(shot.planned.content)]
    takes = [take.take for shot in shots for take in shot.takes if take.take is not None]
    return {key for take in takes for key in (take.key, *(segment.key for segment in take.segments))}


def _is_checked(content: Content) -> bool:
    return isinstance(content, Rendered) and content.is_checked


def _late(takes: Sequence[Take], wanted: Mapping[str, _Wanted]) -> set[str]:
    """The retakes, and their segments, that no other take waits for, and the bridges beside them. They are rendered
    after all other takes."""
    late = {take.key for take in takes if wanted[take.key].is_retake}
    late |= {take.key for take in takes if take.bridge is not None and not late.isdisjoint(take.needs)}
    for take in reversed(takes):  # each comes after those that it needs
        if take.key not in late:
            late.difference_update(take.needs)
    return late


def _first(named: tuple[str, _Wanted]) -> tuple[bool, int, int]:
    return named[1].spare, named[1].index, named[1].number


def _of_shot(index: int, shot: ShotStatus) -> Iterator[tuple[str, _Wanted]]:
    retakes = _retakes(shot)
    for take in shot.takes:
        spare, is_retake = take.key != shot.chosen, take.number in retakes
        yield take.key, _Wanted(shot.id, take.number, take.why, index, spare, is_retake)


def _parts(index: int, shot: ShotStatus) -> Iterator[tuple[str, _Wanted]]:
    retakes = _retakes(shot)
    for take in shot.takes:
        for place, segment in enumerate(take.take.segments if take.take is not None else (), start=1):
            label, is_retake = f"{shot.id} part {place}", take.number in retakes
            yield segment.key, _Wanted(label, take.number, take.why, index, take.key != shot.chosen, is_retake)


def _retakes(shot: ShotStatus) -> set[int]:
    content = shot.planned.content if shot.planned is not None else None
    return {take.number for take in content.takes if take.retake} if isinstance(content, Rendered) else set()


def _in_order(takes: Sequence[Take], wanted: Mapping[str, _Wanted], late: Collection[str]) -> Iterator[Take]:
    """The next take is one that is ready, if possible with the loaded model; the smallest place wins."""
    loads = sorted(dict.fromkeys((take.key in late, *_loaded(take)) for take in takes), key=lambda each: each[0])
    models = {each: at for at, each in enumerate(loads)}
    lora_sets = {loras: at for at, loras in enumerate(dict.fromkeys(take.loras for take in takes))}
    places = {
        take.key: _place(take, wanted[take.key], models[take.key in late, *_loaded(take)], lora_sets) for take in takes
    }
    ready = _Ready([(places[take.key], take) for take in takes])
    loaded = -1
    while (found := ready.next(loaded)) is not None:
        loaded = places[found.key].model
        yield found


class _Ready:
    """The takes whose needs are met, in one heap per model, smallest place first."""

    def __init__(self, takes: Sequence[tuple[_Place, Take]]) -> None:
        keys = {take.key: at for at, (_, take) in enumerate(takes)}
        self._open = {take.key: sum(need in keys for need in take.needs) for _, take in takes}
        self._at = keys
        self._needing: dict[str, list[tuple[_Place, Take]]] = {}
        self._heaps: dict[int, list[tuple[_Place, int, Take]]] = {}
        for place, take in takes:
            for need in take.needs:
                self._needing.setdefault(need, []).append((place, take))
            if not self._open[take.key]:
                self._push(place, take)

    def next(self, loaded: int) -> Take | None:
        """The first take with the loaded model, or else the first of all; None after the last one."""
        heap = self._heaps.get(loaded) or min((heap for heap in self._heaps.values() if heap), default=None)
        if not heap:
            return None
        _, _, take = heappop(heap)
        for place, needing in self._needing.get(take.key, ()):
            self._open[needing.key] -= 1
            if not self._open[needing.key]:
                self._push(place, needing)
        return take

    def _push(self, place: _Place, take: Take) -> None:
        heappush(self._heaps.setdefault(place.model, []), (place, self._at[take.key], take))


def _loaded(take: Take) -> tuple[str, ProfileVariant]:
    """What requires reloading when it differs: the model, and the profile, which may need its own weights."""
    return take.model, take.sampling.profile_variant


def _place(
    take: Take,
    wanted: _Wanted,
    model: int,
    lora_sets: Mapping[tuple[Lora, ...], int],
) -> _Place:
    return _Place(model, wanted.spare, lora_sets[take.loras], wanted.index, wanted.number)


def _order(plan: FilmPlan, take: Take, wanted: _Wanted, backend: Backend) -> RenderOrder:
    digests = {plate.picture for plate in (take.first, take.last) if isinstance(plate, Plate)}
    return RenderOrder(
        take=take,
        backend=rendered_by(take.backend, backend),
        card=plan.models[take.model],
        pictures={digest: plan.pictures[digest] for digest in digests},
        shot=wanted.label,
        number=wanted.number,
        film=plan.slug,
        why=wanted.why,
        gpus=plan.gpus.get(take.key),
        loras={lora.content: plan.loras[lora.content] for lora in take.loras if lora.content in plan.loras},
        remarks=plan.remarks.get(take.key, ()),
        spare=wanted.spare,
        allowance=plan.allowance if _costs_money(plan, take) else None,
        keeps_latents=take.key in plan.handing_latents,
    )


def _costs_money(plan: FilmPlan, take: Take) -> bool:
    """Whether a service renders the take. A preview draws it instead, for nothing."""
    card = plan.models[take.model]
    return card.hosted is not None and take.backend == card.backend and not take.through
