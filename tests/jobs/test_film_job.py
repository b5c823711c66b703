"""Which shots are rendered by one task."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.production.storyboards import ANIMATIC, Stage
from wan_render.errors import UsageError
from wan_render.jobs.film_job import MOST_CHARACTERS, MOST_TASKS, bounded, only_value, task_shots
from wan_render.plan import FilmPlan
from wan_render.status import status
from wan_render.store import Store

KEYFRAMES = "keyframes: {a: keyframes/a.png, b: keyframes/b.png, c: keyframes/c.png, deer: {prompt: a deer}}"


def tasks_of(plan: FilmPlan, folder: Path) -> tuple[tuple[str, ...], ...]:
    return task_shots(plan, status(plan, Store(folder / "store"), ANIMATIC))


def test_shots_that_continue_each_other_are_one_task(tmp_path: Path) -> None:
    shots = "shots: [{from: a, to: b}, {from: previous, to: c}, {still: a}, {from: b, to: c}, {from: previous, to: a}]"
    plan = Stage.made(tmp_path / "stage").plan(shots)
    assert tasks_of(plan, tmp_path) == (("1/010", "1/020"), ("1/040", "1/050"))


def test_a_painted_keyframe_joins_no_tasks(tmp_path: Path) -> None:
    shots = "shots: [{from: a, to: deer}, {from: deer, to: c}]"
    plan = Stage.made(tmp_path / "stage").plan(shots, keyframes=KEYFRAMES)
    assert tasks_of(plan, tmp_path) == (("1/010",), ("1/020",))


def test_long_tasks_are_split_and_many_are_put_together() -> None:
    chain = tuple(f"1/{at:04}" for at in range(500))
    parts = bounded([chain])
    assert sum(parts, ()) == chain
    assert 1 < len(parts) < 6
    assert all(len(only_value(part)) <= MOST_CHARACTERS for part in parts)
    film = [(f"1/{at:05}",) for at in range(2500)]
    together = bounded(film)
    assert len(together) <= MOST_TASKS
    assert sum(together, ()) == sum(film, ())
    with pytest.raises(UsageError, match="has 200,000 shots to render"):
        bounded([(f"1/{at:06}",) for at in range(200_000)])
