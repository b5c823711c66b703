"""The Python API: `wan_render.read(file)`, then `plan`, `render` and `finish`. docs/python.md describes it.

Devices render in processes of their own, which import the main program: call `render` under
`if __name__ == "__main__":`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wan_render.plan import FilmPlan
from wan_render.printable import logger
from wan_render.session.film_session import Session
from wan_render.store import FilmVersion
from wan_render.take import short

LOG = logger("wan_render")

Say = Callable[[str], None]
"""Called with each sentence of a run: warnings, what is asked, what is waited for."""


@dataclass(frozen=True)
class RenderResult:
    """What `render` did. rendered: how many takes it made. missing: `1/020 take 1` → why there is no such take.

    reasons: the same by the takes' keys, for `finish`.
    """

    rendered: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoryboardFilm:
    """A storyboard that was read, and where its film is made. `wan_render.read` makes it."""

    session: Session

    @property
    def outputs(self) -> Path:
        """The folder of takes and films."""
        return self.session.outputs.folder

    def plan(self) -> FilmPlan:
        """Every take with its key, and every shot with its length. Renders and asks nothing, and writes nothing."""
        return self.session.plan

    def missing(self) -> tuple[str, ...]:
        """The keys of the takes that the film wants and that are not rendered yet."""
        return tuple(key for key in self.session.plan.by_key if self.session.store.find(key) is None)

    def render(self, only: str | None = None, *, say: Say = LOG.info) -> RenderResult:
        """Render the missing takes on all devices of this machine. Takes hours, and money where the storyboard allows
        that.

        only: shots and scenes, as in `render --only`: `1/020,2`. A take that cannot be rendered is no error: see
        RenderResult.missing. Raises InputError and MachineError, as the command does, if nothing can be rendered.
        """
        from wan_render.farm.held_takes import held_in
        from wan_render.farm.local import LocalFarm
        from wan_render.farm.run_terms import RunTerms
        from wan_render.farm.scheduler import render_all
        from wan_render.production.failures import failures
        from wan_render.production.run import begin
        from wan_render.session.retaking import Retaking
        from wan_render.session.run_devices import run_devices
        from wan_render.session.shot_selection import selected

        session = self.session.with_prompts(say)
        plan, store = session.plan_to_render, session.store
        shots = None if only is None else selected(plan, only)
        devices = run_devices(session, plan)
        with begin(plan, session.backend, store, only=shots, devices=devices, waiting=say) as run:
            with LocalFarm(devices, store.root) as farm:
                retaking = Retaking(run, session.planned_again)
                terms = RunTerms(follow_up=retaking.follow_up, held_by=held_in(store))
                results = render_all(run.orders, farm, terms=terms)
            reasons, every = failures(results), retaking.run.orders
        labels = {order.take.key: f"{order.shot} take {order.number}" for order in every}
        missing = {labels.get(key, short(key)): reason for key, reason in reasons.items()}
        return RenderResult(len(every) - len(missing), missing, reasons)

    def finish(self, rendered: RenderResult | None = None, *, say: Say = LOG.info) -> FilmVersion:
        """Make the film of the takes that are there, with a slate for every shot without one. An unchanged film is not
        made again.

        rendered: what `render` returned: its reasons are on the slates. Raises InputError and MachineError.
        """
        from wan_render.farm.device_finisher import DeviceFinisher
        from wan_render.production.finish import finish
        from wan_render.production.run import begin

        reasons = {} if rendered is None else rendered.reasons
        session = replace(self.session, prompts_asked=True).with_sounds(say)
        plan, store = session.plan_to_render, session.store
        with begin(plan, session.backend, store, waiting=say) as run, DeviceFinisher(store.root, say) as work:
            return finish(run, reasons, waiting=say, work=work)


def read(
    file: str | Path,
    *,
    outputs: str | Path | None = None,
    backend: str | None = None,
    draft: bool = False,
    allow: Sequence[str | Path] = (),
) -> StoryboardFilm:
    """Read a storyboard, completely.

    outputs: the folder of takes and films; None searches for it, as the command line does. backend: `animatic` for a
    preview on any CPU. draft: the draft of the film. allow: other folders whose files the storyboard may use.
    Raises StoryboardError with every mistake, each with its place; UsageError for a wrong option.
    """
    session = Session.of(
        Path(file),
        allow=tuple(map(Path, allow)),
        outputs=None if outputs is None else Path(outputs),
        backend=backend,
        draft=draft,
    )
    session.document  # noqa: B018 - it raises the mistakes
    return StoryboardFilm(session)
