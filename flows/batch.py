"""The flow `batch`: every storyboard of a folder, one film after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.deployments.requested import nothing_in, storyboards
from flows.film import film
from flows.runs.cancel_watch import CancelWatch
from flows.runs.ended import ended_before
from flows.runs.run_logs import no_alarms, no_repetition, no_walls
from flows.shown.names import batch_run_name
from flows.shown.night_artifact import NightTable
from wan_render.session.wording import counted


@flow(name="batch", flow_run_name=batch_run_name, persist_result=False)
def batch(
    folder: Path = Path("storyboards"),
    backend: str | None = None,
    outputs: Path | None = None,
    *,
    draft: bool = False,
) -> State[None]:
    """Make every film of a folder. One that fails does not stop the next.

    None of them waits for an approval: a batch is for a night that nobody attends, and Prefect suspends no flow that
    another one called.

    Args:
        folder: The folder, relative to the farm's. Its storyboards are its YAML files, and `storyboard.yaml` in
            each of its folders; what begins with `_` or `.` is left out.
        backend: What renders instead of the models that the storyboards name: `animatic`.
        outputs: Where takes and films are kept; else WAN_RENDER_OUTPUTS, else the store that is found.
        draft: At the profile `draft`, into the films `<slug>-draft`.
    """
    no_walls()
    no_alarms()
    no_repetition()
    if (state := ended_before(flow_run.id)) is not None:
        return state
    found = storyboards(folder)
    if not found:
        return Failed(message=nothing_in(folder))
    with CancelWatch(flow_run.id) as watch:
        try:
            table = NightTable(folder, found, outputs, draft)
            table.show()
            states = {
                file: table.ended(file, film(file, backend, outputs, draft=draft, return_state=True)) for file in found
            }
        except TerminationSignal:
            if not watch.cancelled:
                raise
            return Cancelled(message="cancelled; what was finished is kept")
    return _ended(states)


def _ended(states: dict[Path, State[Any]]) -> State[None]:
    failed = {file: state for file, state in states.items() if not state.is_completed()}
    if not failed:
        return Completed(message=counted(len(states), "film"))
    lines = [f"{file}: {state.name}: {state.message}" for file, state in failed.items()]
    found = f"not whole: {len(failed)} of {counted(len(states), 'film')}"
    get_run_logger().error("%s:\n%s", found, "\n".join(lines))
    return Failed(name="Partial", message=f"{found}: {'; '.join(lines)}")
