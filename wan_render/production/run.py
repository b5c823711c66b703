"""One run of one storyboard: the status before it, and what it renders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from wan_render.backend_contract import Backend
from wan_render.devices import hidden_gpus
from wan_render.errors import Problem, WeightsError
from wan_render.media.ffmpeg_features import require_ffmpeg
from wan_render.model_family import ConvertsModels, HasModels
from wan_render.plan import FilmPlan
from wan_render.printable import logger
from wan_render.production.black import set_aside_black_takes
from wan_render.production.order import orders
from wan_render.production.render_order import RenderOrder
from wan_render.production.unable_devices import Unable, confinements, refused_order, unable_devices
from wan_render.render_values import Device
from wan_render.settings import install_command
from wan_render.status import FilmStatus, expected_bytes, status
from wan_render.store import Store

LOG = logger("wan_render.production")


@dataclass(frozen=True)
class Run:
    """A run that has begun.

    before:   the status at its beginning, with every found clip verified.
    only:     ids of the shots to render, None for all.
    unable:   which devices cannot render which profiles.
    confined: warnings about devices: GPUs hidden by mistake, and profiles that only some of the devices can render.
    """

    plan: FilmPlan
    backend: Backend
    store: Store
    before: FilmStatus
    orders: tuple[RenderOrder, ...]
    only: frozenset[str] | None = None
    confined: tuple[Problem, ...] = ()
    unable: Unable = field(default_factory=dict)


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
    """Claim the slug, remove what killed runs left, verify found takes, and check that the rest can be rendered.

    devices: those to render on; expected times are for the kind of the first. Empty if they are not known yet.
    waiting: called with a sentence if a prune has to finish first. No prune begins until the context ends.
    Raises InputError for a slug of another storyboard; DiskError if there is too little space or no permission to
    write; WeightsError if this machine lacks something for a model or a profile that is needed; FfmpegError if takes
    are to be rendered and no ffmpeg runs, rather than after the first take.
    """
    store.prepare()
    with store.in_use(lambda: waiting(f"waiting for a prune of {store.root} to finish")):
        store.memory.claim(plan.slug, plan.file)
        before = _inspected(plan, backend, store, devices)
        unable = unable_devices(before.to_render, backend, devices)
        _require_networks(plan)
        wanted = orders(plan, before, backend, only, unable)
        _convert_models(wanted, waiting)
        _require_everything(wanted, backend, unable, devices)
        if wanted:
            require_ffmpeg()
        store.need(expected_bytes(plan, [order.take for order in wanted], store))
        confined = (*_hidden(backend), *confinements([order.take for order in wanted], backend, unable, devices))
        yield Run(plan, backend, store, before, wanted, None if only is None else frozenset(only), confined, unable)


def _require_networks(plan: FilmPlan) -> None:
    """Raise WeightsError if the film cannot be upscaled or retimed here, before anything is rendered."""
    if plan.retimer is not None and find_spec("torch") is None:
        raise WeightsError(Problem("film.rate.method", "not installed: torch", remedy=install_command("upscale")))
    if plan.upscale is None or not plan.upscale.has_network:
        return
    modules = ("torch",) if plan.upscale.method == "realesrgan" else ("torch", "spandrel")
    if absent := [name for name in modules if find_spec(name) is None]:
        remedy = install_command("upscale")
        raise WeightsError(Problem("film.upscale", f"not installed: {', '.join(absent)}", remedy=remedy))


def _hidden(backend: Backend) -> tuple[Problem, ...]:
    problem = hidden_gpus(backend.device_kinds)
    return () if problem is None else (problem,)


def _inspected(plan: FilmPlan, backend: Backend, store: Store, devices: Sequence[Device]) -> FilmStatus:
    """The status after every found clip was verified. Damaged clips, and black clips of earlier versions, are set aside
    and count as missing."""
    set_aside_black_takes(plan, store)
    kind, labels = devices[0].kind if devices else None, {device.label for device in devices}
    found = status(plan, store, backend, kind, device_labels=labels)
    keys = {take.key for shot in found.shots for take in shot.takes if take.clip is not None}
    whole = [store.verify(key) is not None for key in sorted(keys)]
    return found if all(whole) else status(plan, store, backend, kind, device_labels=labels)


def _convert_models(wanted: tuple[RenderOrder, ...], say: Callable[[str], None]) -> None:
    """Write the weights of models that are made of files, for those that are needed and not there yet."""
    for order in {order.card.identity: order for order in wanted if order.card.made_from is not None}.values():
        if isinstance(order.backend, HasModels) and isinstance(order.backend.family, ConvertsModels):
            order.backend.family.convert(order.card, say)


def _require_everything(
    wanted: tuple[RenderOrder, ...], backend: Backend, unable: Unable, devices: Sequence[Device]
) -> None:
    rendered = (order for order in wanted if not order.take.through)
    different = {
        (order.card.identity, order.published, order.take.sampling.profile_variant): order for order in rendered
    }
    problems: list[Problem] = []
    for order in different.values():
        variant = order.take.sampling.profile_variant
        lacking = order.backend.missing(order.card, order.published, *variant)
        problem = lacking or refused_order(order.take, backend, unable, devices)
        if problem is not None and problem not in problems:
            problems.append(problem)
    if problems:
        raise WeightsError(*problems)
