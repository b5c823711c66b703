"""Signs of other tools in prompts: told with the line and what to write; prose of any language is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plan.conftest import Plan
from tests.work import ends
from wan_render.authored import Document, Look, Storyboard
from wan_render.plan.findings import Findings
from wan_render.plan.other_syntax import warn_of_other_syntax

SIGNS = {
    "a deer, <lora:detail:0.8>": ("<lora:detail:0.8>", "render: {loras: {path: detail.safetensors, scale: 0.8}}"),
    "<lora:a/b>": ("<lora:a/b>", "render: {loras: {path: a/b.safetensors}}"),
    "<lora:x:1:0.5>": ("<lora:x:1:0.5>", "scale: 1"),
    "a (deer:1.4) walks": ("(deer:1.4)", "say it in words"),
    "a (tall red deer:0.8)": ("(tall red deer:0.8)", "say it in words"),
    "(鹿:1.2)": ("(鹿:1.2)", "say it in words"),
    "[deer:0.5]": ("[deer:0.5]", "say it in words"),
    "[deer:dove:0.5]": ("[deer:dove:0.5]", "make two shots"),
    "[deer|dove]": ("[deer|dove]", "write one of them"),
    "{red|blue} sky": ("{red|blue}", "write one of them"),
    "{2$$red|blue}": ("{2$$red|blue}", "write one of them"),
    "((deer)) walks": ("((deer))", "say it in words"),
    "{{deer}} walks": ("{{deer}}", "say it in words"),
    "[[deer]] walks": ("[[deer]]", "say it in words"),
    "__animal__ walks": ("__animal__", "write the word itself"),
    "embedding:easynegative": ("embedding:easynegative", "render: {loras: …}"),
    "a deer BREAK a river": ("BREAK", "delete it"),
    "a deer AND a river": ("AND", "delete it"),
    "a deer --ar 16:9": ("--ar 16:9", "film: {aspect: '16:9'}"),
    "a deer --v 6": ("--v 6", "delete it"),
    "a deer --no text": ("--no text", "look: {avoid: …}"),
    "a deer --seed 42": ("--seed 42", "render: {seed: 42}"),
    "deer::2 river": ("r::2", "say it in words"),
    "@image1 walks": ("@image1", "name keyframes in from, to and through"),
    "as in @Image_2": ("@Image_2", "name keyframes"),
    "<<<image_1>>> walks": ("<<<image_1>>>", "name keyframes"),
    "“a deer walks”": ("“a deer walks”", "its quotes are part of the text"),
    "[Pan left, Zoom in] a deer": ("[Pan left, Zoom in]", "write move: pan left"),
}
PROSE = [
    "a deer (a young one) at 3:4, shot on 35 mm [sic]; it turns: slowly",
    "at 16:9 (2.39:1), in the evening (18:30), f/2.8 (1:50 scale), John 3:16",
    "一只鹿（小鹿：幼年），【雾】「慢慢地」散去；镜头：推进（3：4）",
    "鹿（2:1）《山》—— 静静地走",
    "シカが（ゆっくり）ふりかえる：「静かに」",
    "사슴이 (천천히) 돌아본다: 안개 [새벽]",
    "олень (молодой) идёт: медленно — «тише»",
    "الغزال (الصغير) يمشي: ببطء",
    "a sign that says \"AND\" beside 'BREAK'",
    "TAKE A BREAK AND RUN",
    "a well-known deer -- slowly -- turns",
    "write to deer@example.org or @home",
    "C++ on a screen, std::vector, a_b__c, __init",
    "he said: 'no (never)', then left",
    "snake_case and 2x4 {a set} <b>bold</b> a < b > c",
    "in the year (AD 1066), the (19th-century) quay",
    "(see: below) (ratio: 1.5)",
    "“Stop!” it says, “now”",
    "50% off, #1, $5, a & b, 1.4",
]


def told(plan: Plan, text: str, key: str = "action") -> list[str]:
    found = plan(f"shots: [{{from: a, to: b, {key}: {json.dumps(text, ensure_ascii=False)}}}]\n")
    return [str(warning) for warning in found.warnings if "read as words" in str(warning)]


@pytest.mark.parametrize("text", SIGNS)
def test_a_sign_of_another_tool_is_told_with_what_to_write(plan: Plan, text: str) -> None:
    sign, instead = SIGNS[text]
    (warning,) = told(plan, text)
    assert f"film.yaml:4:26: shots[0].action: '{sign}' is read as words here; " in warning
    assert instead in warning


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_left_alone(plan: Plan, text: str) -> None:
    assert told(plan, text) == []
    assert told(plan, text, "prompt") == []


def test_every_text_that_reaches_a_model_is_looked_at_and_no_other(plan: Plan) -> None:
    made = plan(
        """version: 1
look: {style: "(oil:1.2)", avoid: [text, "(logo:1.2)"]}
keyframes: {x: {prompt: "(deer:1.2)"}, a: keyframes/a.png, b: keyframes/b.png}
shots:
  - {from: a, through: [{keyframe: b, action: "(up:1.2)"}], to: x, render: {negative: "(dark:1.2)"}, move: "(in:1.2)"}
  - {from: a, notes: "(n:1.2)", subtitle: "(s:1.2)", size: CU}
  - {card: "(c:1.2)", action: "(d:1.2)"}
  - {from: a, action: "(e:1.2)", status: omit}
"""
    )
    places = [str(warning).split(": ")[1] for warning in made.warnings if "read as words" in str(warning)]
    assert places == [
        "look.style",
        "look.avoid[1]",
        "keyframes.x.prompt",
        "shots[0].through[0].action",
        "shots[0].render.negative",
        "shots[0].move",
    ]


def test_several_signs_of_a_text_are_told_each(plan: Plan) -> None:
    found = told(plan, "a (deer:1.4), <lora:detail:0.8>, {red|blue} sky, __animal__")
    assert [line.split("'")[1] for line in found] == ["<lora:detail:0.8>", "(deer:1.4)", "{red|blue}", "__animal__"]


@pytest.mark.parametrize(
    "text",
    [
        "(a" + "b" * 400_000,
        "{|" * 200_000,
        "{" + "|" * 400_000,
        "[a:b:" + "1" * 400_000,
        "(" * 400_000,
        "__" + "a" * 400_000,
        "__" * 200_000,
        "((" + "a " * 200_000,
        "<<" * 200_000,
        "a::" + "1" * 400_000,
        "[a|" * 130_000,
    ],
)
def test_no_text_keeps_a_plan_waiting(text: str) -> None:
    storyboard = Storyboard(look=Look(style=text))
    with ends():
        warn_of_other_syntax(storyboard, Findings(Document(storyboard=storyboard, file=Path("x.yaml"), marks={})))
