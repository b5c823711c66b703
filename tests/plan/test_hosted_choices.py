"""Shots that `cloud` allows at a service, and why some never go there. It is said on every machine, with and without a
key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import write_harbour
from tests.lora_files import lora
from wan_render.errors import StoryboardError
from wan_render.plan import FilmPlan
from wan_render.session.film_session import Session

MOVES = "duration: 2s, cloud: {allow: true, model: wan2.7-i2v}"


@pytest.fixture(params=["", "sk-1"], ids=["without a key", "with a key"])
def film(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The harbour, on a machine with or without a key."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("WAN_RENDER_BACKEND", raising=False)
    monkeypatch.setenv("DASHSCOPE_API_KEY", request.param)
    return write_harbour(tmp_path)


def planned(film: Path, defaults: str, shots: str, budget: str = "budget: 30 CNY, ") -> FilmPlan:
    head = film.read_text().partition("shots:")[0].replace("duration: 1s, render: {seed: 5}", defaults)
    film.write_text(f"{head.replace('title: Harbour,', f'title: Harbour, {budget}')}shots: [{shots}]\n")
    return Session.of(film, outputs=film.parent / "outputs").plan


def refused(film: Path, defaults: str, shots: str) -> str:
    with pytest.raises(StoryboardError) as error:
        planned(film, defaults, shots)
    return str(error.value)


def warnings(plan: FilmPlan) -> list[str]:
    return [str(each).partition(": ")[2] for each in plan.warnings if not each.where.endswith(("keyframes", "raster"))]


@pytest.mark.parametrize(
    ("model", "shots", "words"),
    [
        ("wan2.7-i2v", "{action: rain}", "cannot render t2v, so these are never sent to the service: 1/020; it can:"),
        ("wan2.2-kf2v-flash", "{from: dusk, action: rain}", "cannot render i2v, so these are never sent"),
        (
            "wan2.7-i2v",
            "{from: dawn, to: noon, action: rain, transition: bridge 4f}, {from: dusk, to: dawn, action: sun}",
            "cannot render shots beside a bridge, so these are never sent to the service: 1/020, 1/030; it has 30",
        ),
    ],
)
def test_a_shot_that_the_service_cannot_render_stays_here_and_is_named(
    film: Path, model: str, shots: str, words: str
) -> None:
    defaults = f"duration: 5s, cloud: {{allow: true, model: {model}}}"

    plan = planned(film, defaults, f"{{from: dawn, to: noon, action: light}}, {shots}")

    assert plan.cloud_shots == ("1/010",)
    (warning,) = warnings(plan)
    assert words in warning
    assert warning.startswith("defaults.cloud.model: ")
    assert warning.endswith("; write cloud: {allow: false} for them, or name a model that can")


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        ("{allow: true}", "defaults.cloud.allow: nothing is sent to a service: no model of one is named"),
        ("{model: wan2.7-i2v}", "defaults.cloud.model: nothing is sent to a service: nothing allows it"),
    ],
)
def test_a_setting_that_sends_no_shot_is_a_warning(film: Path, cloud: str, words: str) -> None:
    (warning,) = warnings(planned(film, f"duration: 2s, cloud: {cloud}", "{from: dawn, to: noon, action: light}"))

    assert warning.startswith(words)


@pytest.mark.parametrize(
    ("cloud", "shots"),
    [
        ("{allow: true}", '{from: dawn, action: a, render: {i2v: {model: "dashscope:wan2.7-i2v"}}}, {action: b}'),
        ("{model: wan2.7-i2v}", "{from: dawn, action: a, cloud: {allow: true}}, {from: noon, action: b}"),
        ("{model: wan2.7-i2v}", "{from: dawn, action: a, cloud: {allow: false}}"),
    ],
)
def test_allow_and_model_may_be_written_in_two_places(film: Path, cloud: str, shots: str) -> None:
    assert warnings(planned(film, f"duration: 2s, cloud: {cloud}", shots)) == []


def test_what_is_written_for_the_own_devices_is_no_mistake(film: Path) -> None:
    """A night renders here first, with the profile and the groups of these devices."""
    own = "profile: fast, gpus: 2, flf2v: {steps: 12, guidance: 3}"

    plan = planned(film, f"{MOVES}, render: {{{own}}}", "{from: dawn, to: noon, action: light}")

    assert plan.cloud_shots == ("1/010",)


def test_a_take_without_its_loras_is_a_warning(film: Path) -> None:
    lora(film.parent / "rain.safetensors")

    plan = planned(film, f"{MOVES}, render: {{loras: [rain.safetensors]}}", "{from: dawn, to: noon, action: light}")

    (warning,) = warnings(plan)
    assert warning.startswith("defaults.render.loras: at the service these shots are rendered without their LoRAs")
    assert plan.cloud_shots == ("1/010",)


def test_a_prompt_that_is_too_long_for_the_service_says_how_to_stay_here(film: Path) -> None:
    said = refused(film, MOVES, f"{{from: dawn, to: noon, prompt: {'light ' * 1000}}}")

    assert said.endswith("and bills it; shorten it, or write cloud: {allow: false}")


def test_money_without_a_limit_is_a_warning_on_every_machine(film: Path) -> None:
    (warning,) = warnings(planned(film, MOVES, "{from: dawn, to: noon, action: light}", budget=""))

    assert "may cost money, and nothing limits how much" in warning


def test_no_price_is_a_warning_on_every_machine(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_DASHSCOPE_URL", "https://dashscope-intl.aliyuncs.com/api/v1")

    (warning,) = warnings(planned(film, MOVES, "{from: dawn, to: noon, action: light}"))

    assert "no price is known" in warning


def test_latents_are_not_handed_to_a_service(film: Path) -> None:
    shots = "{from: dawn, action: light}, {from: previous, action: rain, render: {previous: latents}}"
    plan = planned(film, MOVES, shots)

    assert not any("dashscope:wan2.7-i2v renders it, not" in warning for warning in warnings(plan))
