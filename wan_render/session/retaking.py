"""Retakes while a run renders: what follows when a take has failed its checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from wan_render.errors import Stopped, WanRenderError
from wan_render.farm.run_terms import FollowUp
from wan_render.plan import FilmPlan
from wan_render.printable import logger
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder
from wan_render.production.retakes import checked_take, is_of_failed_shot, planned_again
from wan_render.production.run import Run
from wan_render.quality.verdicts import Judgement, QcVerdict
from wan_render.status import reasons
from wan_render.store import Clip

LOG = logger("wan_render.session")


class Retaking:
    """Follows the takes of one film's run. After a take that failed its checks the film is planned again, so that the
    next take has the key, and its shot the place in the film, that any later plan would give it. Thread-safe.
    """

    def __init__(self, run: Run, plan_again: Callable[[Collection[str]], FilmPlan]) -> None:
        """plan_again: the plan with what is known of takes now. It gets the keys of takes that could not be rendered.
        See Session.planned_again."""
        self._run, self._plan_again = run, plan_again
        self._given_up: set[str] = set()
        self._changing = threading.Lock()

    @property
    def run(self) -> Run:
        """The run as it is planned now."""
        with self._changing:
            return self._run

    def follow_up(self, order: RenderOrder, outcome: Outcome) -> FollowUp:
        """What follows from an outcome: retakes, and the takes that continue them. For RunTerms."""
        with self._changing:
            if isinstance(outcome, Clip):
                judgement = checked_take(self._run, order)
                if judgement is None or judgement.verdict is QcVerdict.PASS:
                    return FollowUp()
                follow_up = self._revised() if judgement.verdict is QcVerdict.FAIL else FollowUp()
                self._say(order, judgement, follow_up)
                return follow_up
            if not isinstance(outcome, WanRenderError) or not is_of_failed_shot(self._run, order):
                return FollowUp()
            self._given_up.add(order.take.key)
            return self._revised()

    def _revised(self) -> FollowUp:
        if self._run.backend.is_preview:
            return FollowUp()
        try:
            plan = self._plan_again(frozenset(self._given_up))
        except Stopped:
            raise
        except WanRenderError as error:
            LOG.warning("no take is rendered again: the film cannot be planned again (%s)", error.problems[0])
            return FollowUp()
        if plan.pictures != self._run.plan.pictures:  # the run would no longer be that of one storyboard
            LOG.warning("no take is rendered again: keyframes have changed since the run began")
            return FollowUp()
        before, self._run = self._run, planned_again(self._run, plan)
        wanted, known = {order.take.key for order in self._run.orders}, {order.take.key for order in before.orders}
        return FollowUp(
            [order for order in self._run.orders if order.take.key not in known],
            [order for order in before.orders if order.take.key not in wanted],
        )

    def _say(self, order: RenderOrder, judgement: Judgement, follow_up: FollowUp) -> None:
        """One line in the log, which the terminal and the flow show. The checks of a preview are on its page."""
        has_failed = judgement.verdict is QcVerdict.FAIL
        verdict = "failed its checks" if has_failed else "is flagged"
        numbers = [
            str(each.number) for each in follow_up.add if each.shot == order.shot and each.number != order.number
        ]
        then = f"; take {', '.join(numbers)} is rendered" if numbers else ""
        log = LOG.info if self._run.backend.is_preview else LOG.warning
        log("%s take %d %s: %s%s", order.shot, order.number, verdict, reasons(judgement, judgement.verdict), then)
