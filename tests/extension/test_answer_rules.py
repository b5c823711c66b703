"""Which answers become prompts: none that drops quoted text, a number or a name, or is in another language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wan_render.extension.answer_rules import answered_prompt, kept_names, quoted_texts, refusals
from wan_render.extension.prompt_request import PromptLanguage, PromptRequest


def request(written: str, language: PromptLanguage = "zh", names: tuple[str, ...] = ()) -> PromptRequest:
    return PromptRequest("flf2v", language, written, written, names=names)


@pytest.mark.parametrize(
    ("written", "answer", "why"),
    [
        (
            'a sign reads "STOP", red',
            "画面里有一块红色的牌子，写着停止，光线柔和，镜头缓缓推进。",
            'the quoted text "STOP"',
        ),
        ('a sign reads "STOP", red', "画面里有一块红色的牌子，写着“STOP”，光线柔和，镜头缓缓推进。", ""),
        ("a sign says 'Bon voyage'", "一块牌子上写着'Bon voyage'，海风吹过。", ""),
        ("牌子上写着「停」", "一块红色牌子立在路边，海风吹过。", 'the quoted text "停"'),
        ("three boats come home", "小船在晨光中缓缓驶回港湾，波光粼粼。", "the number three"),
        ("three boats come home", "三艘小船在晨光中缓缓驶回港湾，波光粼粼。", ""),
        ("3 boats, 35 mm", "三艘小船在晨光中缓缓驶回港湾，35毫米镜头。", ""),
        ("3 boats, 35 mm", "3艘小船在晨光中缓缓驶回港湾。", "the number 35"),
        ("两个人走过", "人们走过石桥，光线柔和。", "the number 两"),
        ("两个人走过", "二人走过石桥，光线柔和。", ""),
        ("she carries two bags in both hands", "她双手各提着一个袋子，缓步向前走去。", ""),
        ("at 1,000 metres, 2.5 turns", "在1000米高空盘旋2.5圈，云层翻涌。", ""),
        ("the ferry passes Anna on the quay", "渡轮缓缓驶过码头上的女孩，海鸥飞起。", 'the name "Anna"'),
        ("the ferry passes Anna on the quay", "渡轮缓缓驶过码头上的Anna，海鸥飞起。", ""),
        ("the ferry passes Anna's dog", "渡轮缓缓驶过Anna的狗，海鸥飞起。", ""),
        ("the light climbs", "The light slowly climbs over the quay and the water turns to gold.", "not in Chinese"),
        ("the light climbs", "光がゆっくりと埠頭の上に昇っていく。", "not in Chinese"),
        ("the light climbs", "", "it is empty"),
        ("the light climbs", "光" * 601, "601 characters; allowed: 600"),
        ("the light climbs", "抱歉，我无法处理这些图片，请换一张试试。", "a refusal"),
    ],
)
def test_what_an_answer_in_chinese_may_drop(written: str, answer: str, why: str) -> None:
    found = "; ".join(refusals(answered_prompt(answer), request(written)))
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("The light slowly climbs over the quay, and the water turns to gold while two gulls rise from it.", ""),
        (
            "Das Licht steigt langsam über den Kai, während zwei Möwen sich vom goldenen Wasser erheben und kreisen.",
            "E",
        ),
        ("光线慢慢爬上码头，海水变成金色，两只海鸥飞起。", "it is not in English"),
        ("I'm sorry, but I cannot see the two pictures that you want me to describe in this request.", "a refusal"),
    ],
)
def test_what_an_answer_in_english_has_to_be(answer: str, why: str) -> None:
    found = "; ".join(refusals(answered_prompt(answer), request("the light climbs, two gulls", "en")))
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize(
    "answer",
    [
        "  The light climbs.\n",
        "```\nThe light climbs.\n```",
        "<think>They want a prompt:\nlet me see.</think>\n\nThe light climbs.",
        "**Prompt:** The light climbs.",
        '"The light climbs."',
        "“The light climbs.”",
        "提示词：The light climbs.",
    ],
)
def test_what_models_put_around_a_prompt_is_taken_off(answer: str) -> None:
    assert answered_prompt(answer) == "The light climbs."


def test_quotes_at_both_ends_may_be_two_texts() -> None:
    assert answered_prompt('"STOP" turns into "GO"') == '"STOP" turns into "GO"'


def test_quoted_texts_of_every_kind() -> None:
    text = """a "one", “two”, 「三」, 『四』, «cinq», it's 'six' and the dogs' bowls"""
    assert quoted_texts(text) == ["one", "two", "三", "四", "cinq", "six"]


def test_capitals_at_the_beginning_of_a_sentence_are_no_names() -> None:
    assert kept_names(request("Boats come home. Gulls cry over Marseille, and Anna waves")) == ["Marseille", "Anna"]
    assert kept_names(request("Ein Boot kommt nach Hause und der Hund am Kai sieht die Sonne")) == []


def test_a_name_may_begin_the_action_if_other_texts_begin_with_small_letters() -> None:
    anna = PromptRequest("flf2v", "zh", "Anna waves", "Anna waves", before="boats come home")
    assert kept_names(anna) == ["Anna"]
    assert kept_names(replace(anna, before="Boats come home")) == []


def test_names_of_the_storyboard_count_where_they_are_written() -> None:
    assert kept_names(request("老王走上石桥", names=("老王", "Anna"))) == ["老王"]
    assert "老王" in refusals("老人缓缓走上石桥，光线柔和。", request("老王走上石桥", names=("老王",)))[0]
