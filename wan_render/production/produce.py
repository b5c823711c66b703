"""The sequential reference: the farm must make the same film."""

from __future__ import annotations

from wan_render.backend_contract import Backend
from wan_render.errors import Stopped, WanRenderError
from wan_render.plan import FilmPlan
from wan_render.production.failures import failures
from wan_render.production.finish import finish
from wan_render.production.order import RenderOrder
from wan_render.production.precedence import Precedence
from wan_render.production.render_take import render_take
from wan_render.production.run import begin
from wan_render.production.warm import Warm
from wan_render.render_values import Device, Listen
from wan_render.store import Clip, FilmVersion, Store


def produce(
    plan: FilmPlan, backend: Backend, store: Store, device: Device, listen: Listen = lambda _: None
) -> FilmVersion:
    """Render what is missing, one take after the other on one device in this process, and make the film."""
    with begin(plan, backend, store, devices=(device,)) as run:
        warm, precedence = Warm(store.stages), Precedence(run.orders)
        while (order := precedence.next()) is not None:
            precedence.ended(order, precedence.unmet(order) or attempt(order, warm, device, store, listen))
        warm.close()
        return finish(run, failures(precedence.outcomes))


def attempt(order: RenderOrder, warm: Warm, device: Device, store: Store, listen: Listen) -> Clip | WanRenderError:
    """`render_take`, with a failure as a value."""
    try:
        return render_take(order, warm, device, store, listen)
    except Stopped:
        raise
    except WanRenderError as error:
        return error
