"""What films, takes and artifacts are called in the UI."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from flows.deployments.requested import batch_name, batch_paths, film_name
from wan_render.draft_slug import draft_slug

NAMED = "wan-render.slug"
"""The label of a run whose name is its film's slug."""


MOVED_UP = "wan-render.moved-up"
"""The label of a night's run that names the film which gets the next device."""


FOLLOWS = "wan-render.follows"
"""The label of a film's run that a night took out of the queue. It names the night's run."""

WORKER_LABEL = "prefect.worker.name"
"""The label in which Prefect says whose run it is; set shortly after Pending."""

NIGHT_ENDS = "wan-render.night-ends"
"""The label of a night's run that says when its window ends, in ISO 8601. `until` alone is a time of any day."""

NIGHT_UNTIL = "wan-render.night-until"
"""The label of a night's run that waits again: when the window ends that it had begun in, in ISO 8601."""

WAITS_FOR = "wan-render.waits-for"
"""The label of a film's run that says why the night that runs does not render it."""


def film_run_name() -> str:
    """The film's slug, if somebody has read it; else the storyboard's name."""
    if named := _slug():
        return named
    name = film_name(Path(_parameter("storyboard")))
    return draft_slug(name) if flow_run.parameters["draft"] else name


def batch_run_name() -> str:
    """The folder's name."""
    return batch_name(batch_paths(flow_run.parameters["folder"]))


def name_run(slug: str) -> None:
    """Call this run by its film. A server that is away costs the name, not the film."""
    if flow_run.id is None or _slug() == slug:
        return
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        client.update_flow_run(UUID(flow_run.id), name=slug)
        client.update_flow_run_labels(UUID(flow_run.id), {NAMED: slug})


def artifact_key(kind: str, slug: str) -> str:
    """A key that Prefect takes: a-z, 0-9 and dashes. A slug with other letters than these is told from its like by
    digits of its hash."""
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")
    digits = "" if words == slug else hashlib.sha256(slug.encode()).hexdigest()[:6]
    return "-".join(filter(None, (kind, words, digits)))


def _parameter(name: str) -> str:
    parameters: dict[str, Any] = flow_run.parameters
    return str(parameters[name])


def _slug() -> str:
    """What the film of this run is called, if somebody has read it before."""
    if flow_run.id is None:
        return ""
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        return str(client.read_flow_run(UUID(flow_run.id)).labels.get(NAMED, ""))
    return ""
