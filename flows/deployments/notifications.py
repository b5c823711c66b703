"""Notifications: automations that tell somebody how films and nights ended. They are made again at every start.

WAN_RENDER_NOTIFY names where they go: addresses of webhooks, and Prefect's notification blocks as `slack-webhook/mine`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import CallWebhook, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.deployments.announcing import BROKEN, FINISHED
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.printable import shown
from wan_render.settings import NOTIFY_SETTING

NOTIFICATION = "wan-render: tell "
"""What the names of these automations begin with."""

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_BLOCK = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)")
_WEBHOOK = "webhook"
_OF_A_RUN = "{{ flow_run.name }}: {{ flow_run.state.name }}\n{{ flow_run.state.message }}\n{{ flow_run | ui_url }}"


@dataclass(frozen=True)
class _Occasion:
    """What somebody is told of. events: one of these has happened, to a run of these deployments; () for all.

    within: how long after a run's start none of them may have happened; None for the other occasions. text: a template
    of Prefect's.
    """

    name: str
    events: tuple[str, ...]
    deployments: tuple[str, ...]
    text: str
    within: timedelta | None = None


def set_notifications(client: SyncPrefectClient, destinations: Sequence[str], nothing_by: timedelta | None) -> None:
    """Make the automations for these destinations, and delete those of earlier starts.

    nothing_by: how long after the start of a night a film has to be finished; None if nobody is to be told. Raises
    UsageError for a destination that is neither an address nor one of the server's blocks.
    """
    for earlier in _of_earlier_starts(client):
        client.delete_automation(earlier)
    blocks = [_block(client, number, name) for number, name in enumerate(destinations, 1)]
    for number, block in enumerate(blocks, 1):
        for occasion in _occasions(nothing_by):
            client.create_automation(_automation(occasion, f"{NOTIFICATION}{number}: {occasion.name}", block))


def _occasions(nothing_by: timedelta | None) -> Iterator[_Occasion]:
    either, night = ("now", "overnight"), ("overnight",)
    yield _Occasion("failed", ("prefect.flow-run.Failed", "prefect.flow-run.Crashed"), either, _OF_A_RUN)
    yield _Occasion("partial", ("prefect.flow-run.Partial",), either, _OF_A_RUN)
    yield _Occasion("night ended", ("prefect.flow-run.Completed",), night, _OF_A_RUN)
    yield _Occasion("broken storyboard", (BROKEN,), (), "{{ event.payload.message }}")
    if nothing_by is not None:
        text = "{{ flow_run.name }}: no film is finished yet\n{{ flow_run | ui_url }}"
        yield _Occasion("nothing finished", (FINISHED,), night, text, nothing_by)


def _automation(occasion: _Occasion, name: str, block: BlockDocument) -> AutomationCore:
    after = {"prefect.flow-run.Running"} if occasion.within is not None else set()
    return AutomationCore(
        name=name,
        trigger=EventTrigger(
            match_related=_of(occasion.deployments),
            after=after,
            expect=set(occasion.events),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive if occasion.within is None else Posture.Proactive,
            threshold=1,
            within=occasion.within or timedelta(),
        ),
        actions=[_action(occasion, block)],
    )


def _of(deployments: Sequence[str]) -> dict[str, str | list[str]]:
    if not deployments:
        return {}
    return {"prefect.resource.role": "deployment", "prefect.resource.name": list(deployments)}


def _action(occasion: _Occasion, block: BlockDocument) -> CallWebhook | SendNotification:
    """Services read different keys: Slack, Mattermost and Teams `text`, Discord `content`."""
    if block.block_type is not None and block.block_type.slug == _WEBHOOK:
        text = f"{{% set text %}}{occasion.text}{{% endset %}}"
        payload = f'{text}{{"text": {{{{ text | tojson }}}}, "content": {{{{ text | tojson }}}}}}'
        return CallWebhook(block_document_id=block.id, payload=payload)
    return SendNotification(block_document_id=block.id, subject=f"wan-render: {occasion.name}", body=occasion.text)


def _block(client: SyncPrefectClient, number: int, destination: str) -> BlockDocument:
    """The block of a destination; for an address, one is made. The address is a secret: it is never shown."""
    if _ADDRESS.match(destination):
        return _webhook(client, f"wan-render-{number}", destination)
    if (match := _BLOCK.fullmatch(destination)) is not None:
        try:
            return client.read_block_document_by_name(match[2], match[1])
        except ObjectNotFound:
            pass
    raise UsageError(
        Problem(
            NOTIFY_SETTING,
            f"{shown(destination)} is unknown to the farm's server",
            "addresses (https://…), and names of Prefect's blocks (slack-webhook/mine)",
            "correct it, or make the block on the page Blocks of the UI",
        )
    )


def _webhook(client: SyncPrefectClient, name: str, address: str) -> BlockDocument:
    data = {"method": "POST", "url": address, "headers": {"Content-Type": "application/json"}}
    try:
        found = client.read_block_document_by_name(name, _WEBHOOK)
    except ObjectNotFound:
        kind = client.read_block_type_by_slug(_WEBHOOK)
        schema = client.get_most_recent_block_schema_for_block_type(kind.id)
        if schema is None:
            raise MachineError(Problem("the farm's server", "has no webhook blocks")) from None
        made = BlockDocumentCreate(name=name, data=data, block_type_id=kind.id, block_schema_id=schema.id)
        return client.create_block_document(made)
    client.update_block_document(found.id, BlockDocumentUpdate(data=data, merge_existing_data=False))
    return found


def _of_earlier_starts(client: SyncPrefectClient) -> list[UUID]:
    found: list[Automation] = []
    while page := client.read_automations(limit=200, offset=len(found)):
        found += page
    return [each.id for each in found if each.name.startswith(NOTIFICATION)]
