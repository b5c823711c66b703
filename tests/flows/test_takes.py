"""What an attempt's end comes to, without a server: a farm that fails as it is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.schemas.objects import State, StateType

from flows.deployments.requested import film_name, nothing_in, session
from flows.runs.ended import unasked
from flows.runs.run_logs import no_repetition
from flows.runs.take_tasks import TakeTasks
from flows.shown.names import artifact_key
from tests.farm.orders import order
from wan_render.devices import cpu
from wan_render.errors import DeviceError, Problem, RenderError, Stopped, UsageError, WanRenderError
from wan_render.farm.farm_contract import Begins, Farm, at_any_time
from wan_render.farm.process import work_clock
from wan_render.farm.scheduler import Scheduler
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.session.storyboard_folder import storyboards_in
from wan_render.store import Clip

pytestmark = pytest.mark.prefect


class Told:
    """A farm that raises one error after the other, then renders, or finds what another run rendered."""

    def __init__(self, *errors: WanRenderError, phase: Phase = Phase.WRITING) -> None:
        self._phase = phase
        self._errors: Iterator[WanRenderError] = iter(errors)

    @property
    def devices(self) -> tuple[Device, ...]:
        return (cpu(),)

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        begins(self.devices)
        listen(Progress(Phase.STEP, 1, 2))
        for error in self._errors:
            raise error
        listen(Progress(self._phase))
        return Clip(order.take.key, Path("/nowhere"), 9, order.take.size, order.take.rate)

    def expect(self, orders: Sequence[RenderOrder]) -> None: ...

    def abort(self, orders: Collection[RenderOrder]) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


DIED = DeviceError(Problem("cpu", "died"))
BLACK = RenderError(Problem("1/010", "black frames", remedy="change the prompt"))


def taking(farm: Farm) -> tuple[TakeTasks, RenderOrder]:
    asked = order("nothing")
    return TakeTasks(Scheduler([asked], farm)), asked


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clocks of takes show."""
    now = [100.0]
    monkeypatch.setattr(work_clock, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.usefixtures("clock")
def test_a_take_is_rendered() -> None:
    tasks, asked = taking(Told())
    state = tasks.attempt(asked)
    assert state.is_completed()
    assert isinstance(tasks.outcomes[asked], Clip)
    assert (state.name, state.message) == ("Completed", "rendered in 0 s (was: )")


def test_a_take_that_another_run_rendered_is_found() -> None:
    tasks, asked = taking(Told(phase=Phase.WAITING))
    state = tasks.attempt(asked)
    assert state.is_completed()
    assert (state.name, state.message) == ("Found", "another run rendered it")
    assert isinstance(tasks.outcomes[asked], Clip)


def test_what_a_take_waited_is_not_what_it_took(clock: list[float]) -> None:
    class Slow(Told):
        def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
            begins(self.devices)
            listen(Progress(Phase.WAITING))
            clock[0] += 1.6
            return super().render(order, listen)

    tasks, asked = taking(Slow())
    assert tasks.attempt(asked).message == "rendered in 0 s after 2 s of waiting (was: )"
    assert tasks.seconds[asked.take.key] < 1


def test_a_run_that_nobody_asked_for_again_is_known_by_its_states() -> None:
    def states(*kinds: StateType) -> list[State]:
        start = datetime.now(UTC)
        return [State(type=kind, timestamp=start + timedelta(seconds=place)) for place, kind in enumerate(kinds)][::-1]

    first = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)
    again = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)
    stale = (StateType.PENDING, StateType.RUNNING)
    for ended in (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED):
        assert unasked(states(*first)) is None
        assert unasked(states(*first, ended, *again)) is None
        assert unasked(states(*first, ended, *stale, ended, *again)) is None
        found = unasked(states(*first, StateType.FAILED, *again, ended, *stale))
        assert found is not None
        assert found.type is ended
    assert unasked(states(*first, StateType.PAUSED, *stale)) is None
    assert unasked(states(StateType.PENDING, StateType.RUNNING)) is None


def test_what_is_worth_retrying_is_raised_for_prefect_to_retry() -> None:
    tasks, asked = taking(Told(DIED))
    with pytest.raises(DeviceError):
        tasks.attempt(asked)
    assert not tasks.outcomes
    assert tasks.attempt(asked).is_completed()


def test_what_would_end_alike_is_not_retried() -> None:
    tasks, asked = taking(Told(BLACK))
    state = tasks.attempt(asked)
    assert (state.is_failed(), state.message) == (True, "1/010: black frames; change the prompt")
    assert tasks.outcomes[asked] is BLACK


def test_a_stopped_take_is_cancelled() -> None:
    tasks, asked = taking(Told(Stopped(Problem("1/010", "was stopped"))))
    assert tasks.attempt(asked).is_cancelled()


def test_the_last_of_several_failures_is_logged_once() -> None:
    """Prefect logs it twice, the second time with an exception where there is none."""
    no_repetition()
    log = logging.getLogger("prefect.task_runs")

    def is_logged(text: str, exc_info: tuple[Any, Any, Any] | None) -> bool:
        return bool(log.filter(log.makeRecord(log.name, logging.ERROR, "", 0, text, (), exc_info)))

    again = "Task run failed with state: Failed('cpu: died') - Retries are exhausted"
    assert not is_logged(again, (None, None, None))
    assert is_logged("Finished in state Failed('cpu: died')", None)
    assert is_logged(again, (ValueError, ValueError("a defect"), None))


def test_storyboards_of_a_folder_are_its_yaml_files_and_those_of_its_folders(tmp_path: Path) -> None:
    here = ["a.yaml", "b.yml", "c/storyboard.yaml"]
    for name in [*here, "_house.yaml", ".hidden.yaml", "c/other.yaml", "d/e/storyboard.yaml", "x.schema.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(file.relative_to(tmp_path)) for file in storyboards_in(tmp_path)] == here


def test_what_was_looked_for_is_said_with_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.yaml").write_text("name: x\n")
    starts = f"relative paths start in the farm's folder {tmp_path}"
    for given, said in (
        ("../x.yaml", f"{tmp_path}/../x.yaml: no such file; {starts}; name it from there, or with its whole path"),
        ("/nowhere/x.yaml", "/nowhere/x.yaml: no such file"),
    ):
        with pytest.raises(UsageError) as caught:
            session(Path(given), None, None)
        assert str(caught.value) == said
    assert nothing_in(Path("nights")) == f"{tmp_path}/nights: no such folder; {starts}"
    assert (
        nothing_in(tmp_path)
        == f"{tmp_path}: no storyboards are there (*.yaml, *.yml, */storyboard.yaml, */storyboard.yml)"
    )


def test_names() -> None:
    assert film_name(Path("storyboards/river-to-dove/storyboard.yaml")) == "river-to-dove"
    assert film_name(Path("films/harbour.yaml")) == "harbour"
    assert film_name(Path("a\0\u202e/storyboard.yaml")) == "a\\u0000\\u202e", "a parameter may hold anything"
    assert film_name(Path("x" * 500)) == f"{'x' * 100}… (400 more characters)"
    assert storyboards_in(Path("x" * 300)) == ()
    assert artifact_key("film", "river-to-dove") == "film-river-to-dove"


def test_no_two_films_share_an_artifact() -> None:
    slugs = ("江河", "白鸽", "river-江河", "river-白鸽", "river")
    keys = [artifact_key("film", slug) for slug in slugs]
    assert len({*keys}) == len(slugs)
    assert all(re.fullmatch("film(-[a-z0-9]+)+", key) for key in keys)
