"""Texts as they reach a model, cleaned once, in one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.work import ends
from wan_render.backends.wan.models.official import ALL
from wan_render.cleaning import as_read, cleaned, has_han

NEGATIVES = sorted({kind.negative for model in ALL for kind in model.card().kinds.values()})

ALIKE = [
    ("the deer's\nfog lifts\n", "the deer's fog lifts"),
    ("  the  deer's\tfog\r\n lifts", "the deer's fog lifts"),
    ("the deer’s fog lifts", "the deer's fog lifts"),
    ("the deer\u2019s\u00a0fog lifts", "the deer's fog lifts"),
    ("the deer&#39;s fog lifts", "the deer's fog lifts"),
    ("cafe\u0301 &amp;amp; bar", "café & bar"),
    ("ＬＯＮＧ　ＳＨＯＴ", "LONG SHOT"),
    ("一只鹿，走过桥", "一只鹿,走过桥"),
    ("“小心”，它说", '"小心",它说'),
    ("a &lt;b&gt; c", "a <b> c"),
    ("a \u2028 b", "a b"),
]


@pytest.mark.parametrize(("written", "clean"), ALIKE)
def test_texts_that_reach_the_model_alike_are_spelt_alike(written: str, clean: str) -> None:
    assert cleaned(written) == cleaned(clean)
    assert as_read(cleaned(written)) == clean


@pytest.mark.parametrize(
    "text",
    [
        "the light climbs over the quay, slowly",
        "一只鹿，走过桥。远处，雾散了",
        "cinematic, 35 mm film，船回家，a harbour，特写",
        "山路，1,000 只鹿",
        "ゆっくりとカメラがおりていき、みずのなかへ",
        "새벽 안개가 걷히고, 배들이 떠난다",
        "Туман поднимается — медленно…",
        "un café, l'été",
        "fast & slow",
        "",
        *NEGATIVES,
    ],
)
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    assert cleaned(text) == text


def test_only_chinese_has_full_width_commas() -> None:
    assert cleaned("deer，fog") == "deer,fog"
    assert cleaned("鹿,雾, 夜") == "鹿，雾, 夜"
    assert cleaned("鹿，3，5") == "鹿，3,5"
    assert has_han("鹿")
    assert not has_han("シカ")


@given(st.text(st.sampled_from("aZ &;amp#38<>lt,，。 \n\t\u00a0\u3000’“é\u0301Ã©â€™鹿シ한Я9：!")))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once
    assert cleaned(as_read(once)) == once  # so two keys never stand for one text


@given(st.text())
def test_any_text_has_one_spelling(text: str) -> None:
    assert cleaned(cleaned(text)) == cleaned(text)


@pytest.mark.parametrize(
    "text", ["&" + "amp;" * 400_000 + "lt;", "&" + "#x26;" * 300_000, "&" + "amp" * 500_000, "a  " * 500_000]
)
def test_no_text_keeps_a_plan_waiting(text: str) -> None:
    with ends():
        cleaned(text)
