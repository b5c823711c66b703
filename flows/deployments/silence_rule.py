"""The rule by which a server without a farm calls silent runs crashed.

Nobody but the server looks after the runs there (docs/operations.md, "A server of your own"). A farm has no such rule:
a server that is busy or away loses heartbeats, and would call a run dead whose process lives.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

SILENT_RUNS = "wan-render: runs that are silent have crashed"
"""Its name. Earlier versions had it in every farm."""

RULE_SECONDS = 300
"""Ten heartbeats of a run."""

BEGINS_SILENCE = {f"prefect.flow-run.{name}" for name in ("Pending", "Submitting", "Running", "heartbeat")}
"""The events after which a run must be heard of again: a process may die before its first heartbeat."""


def watch_for_silence(client: SyncPrefectClient, *, is_wanted: bool) -> None:
    """Have the rule where it is wanted, and nowhere else. One of an earlier version is replaced; ours is left alone,
    because it is in the middle of counting."""
    wanted, is_there = _rule(), False
    for found in client.read_automations_by_name(SILENT_RUNS):
        if is_wanted and _counts(found.trigger) == _counts(wanted.trigger):
            is_there = True
        else:
            client.delete_automation(found.id)
    if is_wanted and not is_there:
        client.create_automation(wanted)


def _counts(trigger: object) -> tuple[object, ...] | None:
    return (trigger.after, trigger.within) if isinstance(trigger, EventTrigger) else None


def _rule() -> AutomationCore:
    return AutomationCore(
        name=SILENT_RUNS,
        trigger=EventTrigger(
            after=BEGINS_SILENCE,
            expect={"prefect.flow-run.*"},  # a final state of any name, or the next heartbeat
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=RULE_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"nothing was heard of it for {RULE_SECONDS} s. "
                "Ask for it again: only what is missing is rendered",
            )
        ],
    )
