"""Where a shot is rendered that a service may render."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import write_harbour
from wan_render.plan import FilmPlan, JudgedTake
from wan_render.price import Price
from wan_render.purchase import NOTHING_LIMITS, Purchase, PurchaseState
from wan_render.session.cloud_choice import takes_of
from wan_render.session.film_session import Session

HERE, THERE = "wan2.1-flf2v-14b", "dashscope:wan2.7-i2v"


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shots that may be at the service, on a machine with a key. Each costs 1.2 CNY at most."""
    for name in ("DASHSCOPE_API_KEY", "WAN_RENDER_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write_harbour(tmp_path)
    text = file.read_text().replace("duration: 1s,", "duration: 2s, cloud: {allow: true, model: wan2.7-i2v},")
    file.write_text(text.replace("seed: 5", "seed: 1").replace("title: Harbour,", "title: Harbour, budget: 30 CNY,"))
    return file


def session(file: Path, **options: Any) -> Session:
    made = Session.of(file, outputs=file.parent.parent / "outputs")
    return replace(made, **options)


def models(plan: FilmPlan) -> list[str]:
    """The model of each shot."""
    return [plan.models[takes_of(plan, shot.id)[0].model].name for shot in plan.shots]


def bought(of: Session, plan: FilmPlan, shot: str, state: PurchaseState) -> None:
    """Write a purchase of a shot's take."""
    (take,) = takes_of(plan, shot)
    price = Price(Decimal("1.2"), "CNY")
    ledger = of.store.purchases
    found = ledger.reserve(Purchase(0, take.key, plan.slug, shot, "wan2.7-i2v", "2026-08", price), NOTHING_LIMITS)
    ledger.write(replace(found, state=state))


def test_with_a_key_shots_that_may_be_at_the_service_are(harbour: Path) -> None:
    plan = session(harbour).plan
    assert models(plan) == [THERE, THERE]
    assert plan.rate == 16, "it does not depend on where shots are rendered"


def test_without_a_key_they_are_rendered_here(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY")

    assert models(session(harbour).plan) == [HERE, HERE]


def test_a_preview_and_a_draft_cost_nothing(harbour: Path) -> None:
    preview = Session.of(harbour, backend="animatic", outputs=harbour.parent / "outputs").plan

    assert {take.backend for take in preview.takes} == {"animatic/1"}
    assert models(preview) == [HERE, HERE]
    assert models(session(harbour, draft=True).plan) == [HERE, HERE]


def test_the_money_decides_how_many_are_there(harbour: Path) -> None:
    assert models(session(harbour, max_cost=Price(Decimal(2), "CNY")).plan) == [THERE, HERE]
    assert models(session(harbour, max_cost=Price(Decimal(1), "CNY")).plan) == [HERE, HERE]


def test_a_machine_limits_every_film(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_MAX_COST", "2 CNY")

    plan = session(harbour).plan

    assert models(plan) == [THERE, HERE]
    assert plan.allowance.set_by == "WAN_RENDER_MAX_COST"


def test_a_shot_whose_take_is_on_its_way_stays_there(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a lost key nor an empty purse leads to a second rendering of what is paid."""
    asked = session(harbour)
    bought(asked, asked.plan, "1/010", PurchaseState.UNKNOWN)
    monkeypatch.delenv("DASHSCOPE_API_KEY")

    assert models(session(harbour, max_cost=Price(Decimal(1), "CNY")).plan) == [THERE, HERE]


def test_a_night_begins_here_and_spills_what_is_named(harbour: Path) -> None:
    assert models(session(harbour, is_local_first=True).plan) == [HERE, HERE]
    assert models(session(harbour, is_local_first=True, spilt=frozenset({"1/020"})).plan) == [HERE, THERE]


def test_a_shot_that_may_not_is_rendered_here(harbour: Path) -> None:
    harbour.write_text(harbour.read_text().replace('shot: "020"', 'shot: "020"\n    cloud: {allow: false}'))

    assert models(session(harbour).plan) == [THERE, HERE]


def test_a_retake_that_costs_money_has_to_be_written(harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night allows one retake; at a service only if the storyboard does."""
    (first,) = takes_of(session(harbour).plan, "1/010")

    def judged(_session: Session, key: str, _given_up: object) -> JudgedTake | None:
        return JudgedTake(fails=("ghost",)) if key == first.key else None

    monkeypatch.setattr(Session, "_judged", judged)

    assert len(takes_of(session(harbour, retakes=1).plan, "1/010")) == 1
    harbour.write_text(harbour.read_text().replace("defaults: {", "defaults: {qc: {retakes: 1}, "))
    assert len(takes_of(session(harbour).plan, "1/010")) == 2
