"""What a film would take if it was rendered now, as `plan` and `submit` say it. Nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wan_render.backend_contract import Backend
from wan_render.backends import rendered_by
from wan_render.devices import hidden_gpus
from wan_render.errors import Problem
from wan_render.farm.memory_watch import memory_shortages
from wan_render.host_memory import host_memory
from wan_render.plan import FilmPlan
from wan_render.production.black import black_takes
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import film_warnings
from wan_render.production.order import orders
from wan_render.production.render_order import RenderOrder, published_loras
from wan_render.production.run import Run
from wan_render.production.unable_devices import confinements, unable_devices
from wan_render.session.cloud_money import money_shortage
from wan_render.session.countdown import Expected
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import amount, expected, used_devices
from wan_render.session.other_weights import other_weights
from wan_render.session.plan_devices import PlanDevices, devices_to_time, plan_devices, time_on
from wan_render.session.wording import lasting
from wan_render.status import FilmStatus, expected_bytes, status
from wan_render.store.disk import free_disk_bytes, gigabytes


@dataclass(frozen=True)
class FilmForecast:
    """sentence: how much is to be rendered, how long it takes, what it costs and what it needs on the disk. expected:
    the same times as numbers. warnings: of the plan, the film and this machine. devices: how many render.
    is_guessed: whether a take is among them that nothing on such devices is comparable to."""

    sentence: str
    expected: Expected
    warnings: tuple[str, ...]
    devices: int
    is_guessed: bool

    @property
    def seconds(self) -> float:
        """Until the film is finished."""
        return self.expected.seconds


def current_status(session: Session, here: PlanDevices) -> FilmStatus:
    """What of the plan is there, and why the rest isn't. Raises StoryboardError."""
    plan, store = session.plan, session.store
    labels = {device.label for device in here.devices}
    seen = status(plan, store, session.backend, here.kind, black_takes(plan, store), labels)
    return with_film_change(Run(plan, session.backend, store, seen, ()))


def forecast_film(session: Session, only: Collection[str] | None = None) -> FilmForecast:
    """The forecast of a session's film. only: ids of the shots to render, None for all. Raises StoryboardError."""
    here = plan_devices(session)
    return forecast_found(session, current_status(session, here), here, only)


def forecast_found(
    session: Session, found: FilmStatus, here: PlanDevices, only: Collection[str] | None = None
) -> FilmForecast:
    """The same for a status that was found before."""
    unable = unable_devices(found.to_render, session.backend, here.devices)
    wanted = orders(session.plan, found, session.backend, only, unable)
    settings = session.settings
    devices = devices_to_time(here, found, wanted)
    timed = expected(found, wanted, devices, settings.groups, settings.gpu_hour_price)
    short = memory_shortages(wanted, here.devices, host_memory())
    warnings = (
        *_warnings(session, found, here, confinements(found.to_render, session.backend, unable, here.devices)),
        *short,
    )
    return FilmForecast(
        _sentence(session, found, here, wanted, timed),
        timed,
        tuple(map(str, warnings)),
        len(used_devices(wanted, devices)) if wanted else 0,
        any(found.times[order.take.key].is_guessed for order in wanted),
    )


def run_json(film: FilmForecast) -> dict[str, Any]:
    """The expected time of a run as plain JSON values; docs/plan-json.md describes it."""
    timed = film.expected
    low, high = timed.range
    return {
        "devices": film.devices,
        "seconds": round(timed.seconds, 1),
        "low_seconds": round(low, 1),
        "high_seconds": round(high, 1),
        "is_guessed": film.is_guessed,
    } | priced(timed)


def priced(timed: Expected) -> dict[str, Any]:
    """GPU-hours and their price, as plain JSON values."""
    price = timed.price
    return {
        "gpu_hours": round(timed.gpu_hours, 2),
        "price": None if price is None else {"amount": str(price.amount), "currency": price.currency},
    }


def _sentence(
    session: Session, found: FilmStatus, here: PlanDevices, wanted: Sequence[RenderOrder], timed: Expected
) -> str:
    if wanted:
        takes = [order.take for order in wanted]
        space = gigabytes(expected_bytes(session.plan, takes, session.store))
        return (
            f"{amount(found, takes)}, {time_on(session, here, found, wanted, timed)}, "
            f"then {lasting(found.film_seconds)} for the film, "
            f"{space} ({gigabytes(free_disk_bytes(session.store.root))} free)"
        )
    if found.film_change:
        return f"no take; the film is made again in {lasting(found.film_seconds)}: {found.film_change}"
    if found.undelivered:
        of = f"the film is there, without {', '.join(found.undelivered)}"
        return f"no take; about {lasting(found.film_seconds)} for deliverables: {of}"
    if found.film_seconds:
        return f"no take; about {lasting(found.film_seconds)} for the film"
    return "nothing"


def _warnings(
    session: Session, found: FilmStatus, here: PlanDevices, confined: Sequence[Problem]
) -> Iterator[str | Problem]:
    plan = session.plan
    yield from filter(None, (session.store.memory.succession(plan.slug, plan.file),))
    yield from film_warnings(plan, found)
    yield from _lacking(plan, session.backend)
    yield from _unanswered(session)
    yield from confined
    yield from other_weights(plan, found, session.store, session.family)
    yield from filter(None, (money_shortage(session, found), here.problem, hidden_gpus(session.backend.device_kinds)))


def _unanswered(session: Session) -> Iterator[str]:
    """A warning if prompts have to be extended, and this machine has no language model."""
    if any(prompt.found is None and not prompt.may_stay for prompt in session.plan.prompts):
        from wan_render.session.chosen_model import has_model  # few films need it

        if not has_model(session.settings):
            yield "this machine has no language model, and prompts are to be extended: it renders nothing of this film"


def _lacking(plan: FilmPlan, backend: Backend) -> Iterator[str]:
    """What this machine lacks to render the plan's models and drafts. Only warnings, because the plan may be rendered
    elsewhere."""
    cards, needed = plan.models, dict[tuple[Any, ...], None]()
    for take in plan.takes:
        loras = published_loras(take, cards[take.model], plan.loras)
        needed[take.backend, take.model, loras, take.sampling.profile_variant] = None
    problems = (rendered_by(each, backend).missing(cards[model], loras, *way) for each, model, loras, way in needed)
    yield from dict.fromkeys(str(problem) for problem in problems if problem is not None)
