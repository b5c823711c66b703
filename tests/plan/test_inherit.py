"""Inheritance: film → scene → shot."""

from __future__ import annotations

from typing import Any

import pytest

from wan_render.authored import KindRender, Look, ModelChoice, Render, Scene, Shot, Storyboard
from wan_render.authored.storyboard_keys import Defaults
from wan_render.plan.inherit import Inherited, Level, Setting
from wan_render.take import ShotKind


def inherited(film: dict[str, Any], scene: dict[str, Any], shot: dict[str, Any]) -> Inherited:
    look = film.pop("look", None)
    shots = (Shot(id="010", **shot),)
    storyboard = Storyboard(look=look, defaults=Defaults(**film), scenes=(Scene(id="1", shots=shots, **scene),))
    return Inherited(storyboard, (0, 0))


def test_the_nearest_value_counts_and_knows_its_place() -> None:
    assert inherited({"takes": 1}, {}, {}).takes == Setting(1, ("defaults", "takes"), Level.FILM)
    assert inherited({"takes": 1}, {"takes": 2}, {}).takes == Setting(2, ("scenes", 0, "takes"), Level.SCENE)
    place = ("scenes", 0, "shots", 0, "takes")
    assert inherited({"takes": 1}, {"takes": 2}, {"takes": 3}).takes == Setting(3, place, Level.SHOT)
    assert inherited({}, {}, {}).takes is None


def test_maps_merge_by_key() -> None:
    one = inherited({"render": Render(seed=7, negative="none")}, {"render": Render(seed=8)}, {})
    assert one.common("seed") == Setting(8, ("scenes", 0, "render", "seed"), Level.SCENE)
    assert one.common("negative") == Setting("none", ("defaults", "render", "negative"), Level.FILM)


def test_a_look_merges_by_key_and_an_empty_text_clears() -> None:
    one = inherited(
        {"look": Look(style="film", setting="sea")}, {"look": Look(setting="sky")}, {"look": Look(style="")}
    )
    assert (one.look("style"), one.look("setting")) == ("", "sky")


def test_avoid_adds_up_and_an_empty_list_clears_what_is_above_it() -> None:
    text, blur, people = (Look(avoid=(word,)) for word in ("text", "blur", "people"))
    assert inherited({"look": text}, {"look": blur}, {"look": people}).avoid == ("text", "blur", "people")
    assert inherited({"look": text}, {"look": Look(avoid=())}, {"look": people}).avoid == ("people",)
    assert inherited({"look": text}, {}, {"look": text}).avoid == ("text",)


def kind(model: str | None = None, **numbers: Any) -> Render:
    return Render(flf2v=KindRender(model=None if model is None else ModelChoice(name=model), **numbers))


def test_numbers_for_a_kind_merge_while_the_model_stays() -> None:
    settings = inherited({"render": kind("a", steps=50, shift=16)}, {}, {"render": kind(steps=20)}).of_kind(
        ShotKind.FLF2V
    )
    assert settings.model is not None
    assert settings.steps is not None
    assert settings.shift is not None
    assert (settings.model.value.name, settings.steps.value, settings.shift.value) == ("a", 20, 16)


def test_naming_a_model_drops_the_numbers_of_the_inherited_one() -> None:
    settings = inherited({"render": kind("a", steps=50, shift=16)}, {}, {"render": kind("b", steps=20)}).of_kind(
        ShotKind.FLF2V
    )
    assert settings.model is not None
    assert settings.steps is not None
    assert (settings.model.value.name, settings.steps.value, settings.shift) == ("b", 20, None)


def test_settings_of_another_kind_stay_out() -> None:
    settings = inherited({"render": kind("a", steps=50)}, {}, {}).of_kind(ShotKind.I2V)
    assert (settings.model, settings.steps) == (None, None)


@pytest.mark.parametrize("at", ["scene", "shot"])
def test_an_omitted_scene_omits_its_shots(at: str) -> None:
    assert inherited(
        {}, {"status": "omit"} if at == "scene" else {}, {"status": "omit"} if at == "shot" else {}
    ).omitted
    assert not inherited({}, {}, {}).omitted
