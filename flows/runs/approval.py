"""A person's approval before anything is rendered: the run is suspended, its process ends, no device is held.

What is approved is takes, not a moment: a run renders no take that nobody approved, so that a storyboard which was
edited meanwhile asks again, and a retry of what was approved does not. All that is remembered are inputs of the run,
in the server's database.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any, NoReturn
from uuid import uuid4

from prefect.events import emit_event
from prefect.exceptions import Pause
from prefect.flow_runs import suspend_flow_run
from prefect.input import (
    RunInput,
    create_flow_run_input,
    delete_flow_run_input,
    keyset_from_base_key,
    read_flow_run_input,
)
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for
from pydantic import Field

from flows.farm_queue.answering import not_approved
from flows.shown.plan_artifact import show_plan
from wan_render.errors import Problem, Stopped, UsageError
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import film_warnings
from wan_render.production.run import Run, begin
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import forecast
from wan_render.session.run_devices import run_devices
from wan_render.session.shot_selection import selected

ANSWER_SECONDS = 7 * 24 * 60 * 60
"""So long a run waits for its answer; then Prefect calls it Failed, and a retry asks again."""

ASKED, APPROVED = "asked", "approved"
"""Inputs of the run: the takes of its open question, with the key of that suspension; all takes that were approved."""

WAITING = "prefect.flow-run.waits-for-approval"
WAITING_SECONDS = (0.0, 1.0)
"""The event that says so, and how long after the suspension, then after the first, it is sent."""


class Approval(RunInput):
    """What a person answers; the form of the UI is made of it, and the server refuses what does not fit."""

    # The form begins with yes; but to say nothing is no answer, so the field has no default of its own.
    render: bool = Field(
        description="On: it is rendered. Off: the run is cancelled, nothing is rendered.",
        json_schema_extra={"default": True},
    )
    note: str = Field(default="", description="Kept in the log of the run; why, where the answer is no.")


def ask_first(session: Session, only: str) -> None:
    """`wait_for_approval`, for a film that a night is about to render. only: its shots; "" for all. Raises the errors
    of `begin` as well."""
    plan, settings, log = session.plan_to_render, session.settings, get_run_logger()
    devices = run_devices(session, plan)
    shots = selected(plan, only) if only else None
    with begin(plan, session.backend, session.store, only=shots, devices=devices, waiting=log.warning) as run:
        sentence = forecast(with_film_change(run), run.orders, devices, settings.groups, settings.gpu_hour_price)
        wait_for_approval(run, sentence, (*film_warnings(plan, run.before), *run.confined))


def wait_for_approval(run: Run, forecast: str, warnings: Sequence[Problem]) -> None:
    """Return where a person has approved every take to render; otherwise suspend the run until one has answered.

    Raises Stopped where the answer was no, and UsageError where Prefect cannot suspend the run.
    """
    wanted = {order.take.key for order in run.orders}
    approved = _approved(run.plan.slug)
    if wanted <= approved:
        return
    plan = show_plan(run, forecast, warnings, is_changed=bool(approved))
    question = f"{'what is to be rendered is not what was approved; ' if approved else ''}{forecast}"
    page = url_for("flow-run", flow_run.id)
    get_run_logger().warning("waits for approval: %s; its plan is the artifact %s of %s", question, plan, page)
    _ask(wanted, f"{question}. The plan is the artifact {plan} of this run.")


def _approved(slug: str) -> frozenset[str]:
    """The takes that were approved, those of the last answer included. Raises Stopped where that was no."""
    approved = frozenset(_recall(APPROVED) or ())
    asked = _recall(ASKED)
    response = None if asked is None else _recall(_response(asked["key"]))
    if response is None:
        return approved
    answer = Approval.model_validate(response)
    if not answer.render:
        _forget(ASKED)  # a retry asks again
        raise Stopped(not_approved(slug, answer.note))
    get_run_logger().info("approved%s", f": {answer.note}" if answer.note else "")
    approved |= frozenset(asked["takes"])
    _remember(APPROVED, sorted(approved))
    _forget(ASKED)
    return approved


def _ask(takes: Collection[str], description: str) -> NoReturn:
    key = uuid4().hex  # of its own each time: Prefect passes over a key that it has seen, in some retries, too
    _remember(ASKED, {"key": key, "takes": sorted(takes)})
    form = Approval.with_initial_data(description=description)
    try:
        suspend_flow_run(wait_for_input=form, key=key, timeout=ANSWER_SECONDS)
    except Pause:
        _be_heard()
        raise
    except RuntimeError as error:
        allowed = "a run of a deployment: film/now"
        raise UsageError(Problem("approval", f"cannot be waited for: {str(error).rstrip('.')}", allowed)) from error
    raise RuntimeError("Prefect let a run go on that asked to be suspended")


def _be_heard() -> None:
    """Be the last that the server hears of this run; who is silent after a heartbeat is called crashed by
    flows/deployments/silence_rule.py. A heartbeat may have crossed the suspension, and the server was seen to lose the
    event of one ("database is locked"): hence an event of our own, and a second one."""
    for seconds in WAITING_SECONDS:
        time.sleep(seconds)
        emit_event(
            WAITING,
            {
                "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
                "prefect.resource.name": str(flow_run.name),
            },
        )


def _response(key: str) -> str:
    """What Prefect calls the input that answers a suspension."""
    return keyset_from_base_key(f"suspended-{key}")["response"]


def _recall(name: str) -> Any:
    """None where there is no such input."""
    return read_flow_run_input(name)


def _remember(name: str, value: Any) -> None:
    _forget(name)
    create_flow_run_input(name, value)


def _forget(name: str) -> None:
    if _recall(name) is not None:
        delete_flow_run_input(name)
