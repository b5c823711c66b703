"""The sequential reference: the terminal and the flow must make the same film."""

from __future__ import annotations

from wan_render.backend_contract import Backend
from wan_render.errors import HeldElsewhereError, Stopped, WanRenderError
from wan_render.plan import FilmPlan
from wan_render.production.failures import Outcome, failures, unmet_need
from wan_render.production.finish import finish
from wan_render.production.render_order import RenderOrder
from wan_render.production.render_take import render_take
from wan_render.production.run import begin
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import Device, Listen
from wan_render.store import FilmVersion, Store


def produce(
    plan: FilmPlan, backend: Backend, store: Store, device: Device, listen: Listen = lambda _: None
) -> FilmVersion:
    """Render what is missing, one take after the other on one device in this process, and make the film."""
    with begin(plan, backend, store, devices=(device,)) as run:
        warm, outcomes = WarmRenderer(store.stages), dict[RenderOrder, Outcome]()
        for order in run.orders:
            outcomes[order] = unmet_need(order, outcomes) or attempt(order, warm, device, store, listen)
        warm.close()
        return finish(run, failures(outcomes))


def attempt(order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, listen: Listen) -> Outcome:
    """`render_take`, with a failure as a value. Waits while another run renders the take."""
    try:
        return render_take(order, warm, device, store, listen)
    except Stopped:
        raise
    except HeldElsewhereError:
        with store.takes.locks.lock(order.take.key, lambda: None):
            pass
        return attempt(order, warm, device, store, listen)
    except WanRenderError as error:
        return error
