"""What reaches the model in words."""

from __future__ import annotations

from typing import Any

import pytest

from wan_render.authored import Look, Scene, Shot, Storyboard
from wan_render.cleaning import has_han
from wan_render.plan.inherit import Inherited
from wan_render.plan.prompt import negative, prompt
from wan_render.plan.terms import ANGLES, LENSES, MOVES, SIZES


def composed(look: Look | None = None, **keys: Any) -> str:
    shot = Shot(id="010", **keys)
    return prompt(Inherited(Storyboard(look=look, scenes=(Scene(id="1", shots=(shot,)),)), (0, 0)))


LOOK = Look(style="cinematic, 35 mm film", setting="a harbour")


def test_the_parts_come_in_order_joined_with_commas() -> None:
    text = composed(LOOK, action="boats come home", size="CU", angle="OTS", lens="macro", move="crane down")
    assert text == (
        "cinematic, 35 mm film, boats come home, a harbour, "
        "close-up, over-the-shoulder shot, macro lens, camera cranes down"
    )


def test_an_action_in_chinese_brings_chinese_terms_and_commas() -> None:
    text = composed(LOOK, action="船回家", size="CU", angle="POV", lens="macro", move="crane down, underwater")
    assert text == "cinematic, 35 mm film，船回家，a harbour，特写，主观视角，微距镜头，镜头下降，水下拍摄"


def test_only_the_action_decides_the_language() -> None:
    assert composed(Look(style="电影感"), action="boats", size="CU") == "电影感, boats, close-up"


def test_a_prompt_is_taken_as_written() -> None:
    assert composed(LOOK, prompt=" just this. ", action="boats", size="CU") == "just this."


def test_a_full_stop_before_a_comma_goes_and_the_last_stays() -> None:
    assert composed(action="船回家。", size="CU") == "船回家，特写"
    assert composed(action="船回家。") == "船回家。"


def test_nothing_gives_nothing() -> None:
    assert composed() == ""


def test_terms_that_are_not_known_stay_as_written() -> None:
    assert composed(action="x", size="Tiny", lens="35 mm", move="Sideways, crane down") == (
        "x, Tiny, 35 mm, Sideways, camera cranes down"
    )


@pytest.mark.parametrize(
    ("abbreviation", "english", "chinese"),
    [
        ("ECU", "extreme close-up", "大特写"),
        ("CU", "close-up", "特写"),
        ("MCU", "medium close-up", "近景"),
        ("MS", "medium shot", "中景"),
        ("MLS", "medium long shot", "中全景"),
        ("FS", "full shot", "全景"),
        ("LS", "long shot", "远景"),
        ("WS", "wide shot", "远景"),
        ("EWS", "extreme wide shot", "大远景"),
        ("els", "extreme wide shot", "大远景"),
        ("OTS", "over-the-shoulder shot", "过肩镜头"),
        ("pov", "point-of-view shot", "主观视角"),
    ],
)
def test_abbreviations_are_spelt_out_wherever_they_stand(abbreviation: str, english: str, chinese: str) -> None:
    assert composed(action="boats", size=abbreviation) == composed(action="boats", angle=abbreviation)
    assert composed(action="boats", size=abbreviation) == f"boats, {english}"
    assert composed(action="船", angle=abbreviation) == f"船，{chinese}"


def test_every_term_is_found_by_its_name() -> None:
    for table in (SIZES, ANGLES, LENSES, MOVES):
        for name, term in table.items():
            assert name == " ".join(name.lower().split())
            assert term.english
            assert has_han(term.chinese)


def test_the_negative_prompt_is_official_none_or_a_text_and_avoid_joins_it() -> None:
    assert negative(None, "静态，字幕", ()) == "静态，字幕"
    assert negative("official", "静态", ("text", "watermark")) == "静态，text，watermark"
    assert negative("none", "静态", ()) == ""
    assert negative("none", "静态", ("text", "watermark")) == "text, watermark"
    assert negative("blurry", "静态", ("text",)) == "blurry, text"
    assert negative("", "静态", ()) == "静态"
