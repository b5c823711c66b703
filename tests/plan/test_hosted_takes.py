"""What is refused before a take at a service is paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import write_harbour
from wan_render.errors import StoryboardError, UsageError
from wan_render.session.film_session import Session

SHOT = 'render: {flf2v: {model: "dashscope:wan2.7-i2v"%s}%s}'


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film whose shots a service renders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("WAN_RENDER_BACKEND", raising=False)
    file = write_harbour(tmp_path)
    text = file.read_text().replace("title: Harbour,", "title: Harbour, budget: 30 CNY,")
    file.write_text(
        text.replace("duration: 1s, render: {seed: 5}", f"duration: 2s, cloud: {{allow: true}}, {SHOT % ('', '')}")
    )
    return file


def edited(file: Path, old: str, new: str) -> Session:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return Session.of(file, outputs=file.parent / "outputs")


def mistakes(file: Path, old: str, new: str) -> str:
    with pytest.raises(StoryboardError) as refused:
        edited(file, old, new).plan  # noqa: B018 - it is made when it is asked for
    return str(refused.value)


@pytest.mark.parametrize("setting", ["steps: 20", "guidance: 5", "shift: 3"])
def test_numbers_for_the_model_are_refused(film: Path, setting: str) -> None:
    said = mistakes(film, SHOT % ("", ""), SHOT % (f", {setting}", ""))

    assert f"dashscope:wan2.7-i2v cannot use `{setting.partition(':')[0]}`; the service chooses its own" in said


def test_a_profile_beside_the_model_is_refused_and_one_for_other_shots_is_not(film: Path) -> None:
    said = mistakes(film, SHOT % ("", ""), SHOT % ("", ", profile: fast"))

    assert "cannot use `profile`; the service renders in one way" in said


def test_a_seed_is_a_warning(film: Path) -> None:
    plan = edited(film, SHOT % ("", ""), SHOT % ("", ", seed: 5")).plan

    assert any("a seed means nothing to a model of the service" in warning.found for warning in plan.warnings)


def test_a_prompt_that_would_be_cut_and_billed_is_refused(film: Path) -> None:
    said = mistakes(film, "action: the light climbs", f"prompt: {'light ' * 1000}")

    assert "the prompt has 5999 characters; wan2.7-i2v reads 5000, cuts the rest without a word, and bills it" in said


def test_a_take_that_the_service_does_not_make_is_refused(film: Path) -> None:
    assert "a take of 16 s; wan2.7-i2v makes 2 to 15 s" in mistakes(film, "duration: 2s", "duration: 16s")


def test_a_short_shot_gets_the_shortest_take(film: Path) -> None:
    plan = edited(film, "duration: 2s", "duration: 1s").plan

    assert {take.frames for take in plan.takes} == {61}


def test_nothing_is_spent_without_leave(film: Path) -> None:
    said = mistakes(film, "cloud: {allow: true}, ", "")

    assert "dashscope:wan2.7-i2v costs money, and nothing allows that; write cloud: {allow: true}" in said


def test_a_budget_in_another_currency_is_refused(film: Path) -> None:
    said = mistakes(film, "budget: 30 CNY", "budget: 30 EUR")

    assert "the budget is in EUR, and prices are in CNY; one currency; write the budget in CNY" in said


def test_without_a_budget_there_is_a_warning(film: Path) -> None:
    plan = edited(film, "budget: 30 CNY, ", "").plan

    assert any("nothing limits how much" in warning.found for warning in plan.warnings)


def test_no_price_is_a_warning(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ordered without one; a plan may be made for another machine."""
    monkeypatch.setenv("WAN_RENDER_DASHSCOPE_URL", "https://dashscope-intl.aliyuncs.com/api/v1")

    plan = edited(film, "Harbour", "Haven").plan

    assert any("no price is known" in warning.found for warning in plan.warnings)


def test_a_bought_shot_does_not_change_the_rate_of_the_film(film: Path) -> None:
    assert Session.of(film, outputs=film.parent / "outputs").plan.rate == 30, "every shot is the service's"

    local = film.read_text().replace(f", {SHOT % ('', '')}", "")
    film.write_text(local.replace("climbs}", f"climbs, {SHOT % ('', '')}}}"))
    plan = Session.of(film, outputs=film.parent / "outputs").plan
    assert plan.rate == 16
    assert plan.shots[0].rate == 30
    (note,) = [note for note in plan.notes if "as wan" in note.found]
    assert (note.found, note.remedy) == (
        f"the film has 16 frames per second, as {plan.models[plan.takes[-1].model].name}, the model of 1/020",
        "write film: {rate: 24} to choose another rate",
    )


@pytest.mark.parametrize("url", ["https://dashscope.aliyuncs.com/api/v1?key=sk-12345678", "sk-12345678"])
def test_a_key_in_the_address_of_the_service_is_refused_and_not_shown(
    film: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("WAN_RENDER_DASHSCOPE_URL", url)

    with pytest.raises(UsageError, match="WAN_RENDER_DASHSCOPE_URL") as refused:
        edited(film, "Harbour", "Haven").plan  # noqa: B018 - it is made when it is asked for

    assert "sk-12345678" not in str(refused.value)
