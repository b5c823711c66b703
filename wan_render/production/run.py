"""One run on one storyboard: what it found before it began, and what it is to render."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wan_render.backend_contract import Backend
from wan_render.devices import hidden_gpus
from wan_render.errors import Problem, WeightsError
from wan_render.media import ffmpeg
from wan_render.plan import FilmPlan
from wan_render.printable import logger
from wan_render.production.black import set_aside_black_takes
from wan_render.production.order import RenderOrder, orders
from wan_render.production.unable_devices import Unable, confinements, refusal, unable_devices
from wan_render.render_values import Device
from wan_render.status import FilmStatus, expected_bytes, status
from wan_render.store import Store

LOG = logger("wan_render.production")


@dataclass(frozen=True)
class Run:
    """before: the status that it began with, every found clip verified. only: ids of the shots that it renders,
    None for all. confined: which GPUs are hidden by mistake, which profiles are not rendered on all of its devices, and
    why."""

    plan: FilmPlan
    backend: Backend
    store: Store
    before: FilmStatus
    orders: tuple[RenderOrder, ...]
    only: frozenset[str] | None = None
    confined: tuple[Problem, ...] = ()


@contextmanager
def begin(
    plan: FilmPlan,
    backend: Backend,
    store: Store,
    *,
    only: Collection[str] | None = None,
    devices: Sequence[Device] = (),
    waiting: Callable[[str], None] = LOG.warning,
) -> Iterator[Run]:
    """Claim the slug, remove what dead runs left, verify what is found, and see that the rest can be rendered.

    devices: what is rendered on, the first of the kind that times are expected for; none where nobody knows yet.
    Until it ends, `prune` keeps off; `waiting` gets a sentence where a prune has to end first.
    Raises InputError for a slug of another storyboard; DiskError where there is too little room or no permission to
    write; WeightsError where this machine lacks something for a model or a profile that is needed; FfmpegError where
    takes are to be rendered and no ffmpeg runs: it would be noticed when the first one is written.
    """
    store.prepare()
    with store.in_use(lambda: waiting(f"waiting for a prune of {store.root} to end")):
        store.claim(plan.slug, plan.file)
        before = _inspected(plan, backend, store, devices[0].kind if devices else None)
        unable = unable_devices(before.to_render, backend, devices)
        wanted = orders(plan, before, backend, only, unable)
        _refuse_what_is_lacking(wanted, unable, devices)
        if wanted:
            ffmpeg.require_ffmpeg()
        store.need(expected_bytes(plan, [order.take for order in wanted], store))
        confined = (*_hidden(backend), *confinements([order.take for order in wanted], unable, devices))
        yield Run(plan, backend, store, before, wanted, None if only is None else frozenset(only), confined)


def _hidden(backend: Backend) -> tuple[Problem, ...]:
    problem = hidden_gpus(backend.device_kinds)
    return () if problem is None else (problem,)


def _inspected(plan: FilmPlan, backend: Backend, store: Store, device_kind: str | None) -> FilmStatus:
    """The status after every clip that was found was verified: a damaged one is set aside, so not found any more; so is
    a black one that an earlier version kept."""
    set_aside_black_takes(plan, store)
    found = status(plan, store, backend, device_kind)
    keys = {take.key for shot in found.shots for take in shot.takes if take.clip is not None}
    whole = [store.verify(key) is not None for key in sorted(keys)]
    return found if all(whole) else status(plan, store, backend, device_kind)


def _refuse_what_is_lacking(wanted: tuple[RenderOrder, ...], unable: Unable, devices: Sequence[Device]) -> None:
    rendered = (order for order in wanted if not order.take.through)
    different = {(order.card.identity, order.published, order.take.sampling.way): order for order in rendered}
    lacking: list[Problem] = []
    for order in different.values():
        way = order.take.sampling.way
        problem = order.backend.missing(order.card, order.published, *way) or refusal(unable[way], devices)
        if problem is not None and problem not in lacking:
            lacking.append(problem)
    if lacking:
        raise WeightsError(*lacking)
