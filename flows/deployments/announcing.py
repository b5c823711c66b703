"""Events of the farm, beside Prefect's own: automations wait for them (flows/deployments/notifications.py)."""

from __future__ import annotations

from contextlib import suppress

import httpx
from prefect.events import emit_event
from prefect.exceptions import PrefectException
from prefect.runtime import deployment, flow_run

FINISHED = "wan-render.film.finished"
"""A film of the run has a new version, or its newest one is complete."""

BROKEN = "wan-render.storyboard.broken"
"""A storyboard of a scheduled night has mistakes. Its payload has the `message`."""


def announce_finished(slug: str) -> None:
    """The current run has finished a film. A server that is away does not hear of it."""
    with suppress(PrefectException, httpx.HTTPError):
        related = {
            "prefect.resource.id": f"prefect.deployment.{deployment.id}",
            "prefect.resource.role": "deployment",
            "prefect.resource.name": str(deployment.name),
        }
        run = {"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "prefect.resource.name": str(flow_run.name)}
        emit_event(event=FINISHED, resource=run, related=[related], payload={"film": slug})
