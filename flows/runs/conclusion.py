"""What every flow does around its work, and the state in which its run ends."""

from __future__ import annotations

from collections.abc import Callable

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Failed

from flows.farm_queue.film_queue import CANCELLED
from flows.runs.cancel_watch import CancelWatch
from flows.runs.ended import ended_before
from flows.runs.run_logs import no_alarms, no_repetition, no_secrets, no_walls
from flows.runs.waiting_again import wait_again
from wan_render.errors import Drained, Stopped, WanRenderError
from wan_render.printable import one_line, shortened


def concluded(work: Callable[[], State[None]]) -> State[None]:
    """The state that `work` gives, or the one of a run that was stopped, cancelled or mistaken. A run that had ended
    before keeps its state: nothing is done again. One that was drained goes back into the queue: raises Pause."""
    no_walls()
    no_alarms()
    no_repetition()
    no_secrets()
    if (state := ended_before(flow_run.id)) is not None:
        return state
    with CancelWatch(flow_run.id) as watch:
        try:
            return work()
        except Drained:
            wait_again()
        except Stopped as error:
            return Cancelled(message=str(error))
        except TerminationSignal:
            if not watch.cancelled:
                raise
            return Cancelled(message=CANCELLED)
        except WanRenderError as error:
            get_run_logger().error("%s", error)
            return Failed(message=str(error))
        except Exception as error:  # noqa: BLE001 - the top of a run: Prefect would keep its text as it is
            get_run_logger().error("a defect", exc_info=error)
            return Failed(message=shortened(one_line(f"a defect: {type(error).__name__}: {error}")))
