"""Texts that are longer than what a model reads: by the model's own tokenizer, or estimated by script."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.plan.conftest import Plan
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.backends.wan.models.text_reading import TextReader
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard
from wan_render.plan import FilmPlan
from wan_render.plan.prompt_length import about_tokens

ENGLISH = "the light climbs over the quay and a red boat comes slowly home, "
LONG = {
    "kana": "ゆっくりとカメラがおりていき、みずのなかのいせきをとおりぬけて、しかがふりかえる。" * 25,
    "Hangul": "강 위로 새벽 안개가 천천히 걷히고 배들이 항구를 떠난다 " * 40,
    "Thai": "กล้องค่อยๆเคลื่อนลงผ่านสายหมอกยามเช้าเหนือแม่น้ำ" * 30,
    "Han": "江面上的晨雾慢慢散去，小船离开港口。" * 38,
    "Latin": ENGLISH * 30,
    "Vietnamese": "sương mù buổi sáng tan dần trên sông, " * 35,
    "Cyrillic": "утренний туман медленно рассеивается над рекой, " * 36,
    "Greek": "η πρωινή ομίχλη διαλύεται αργά πάνω από το ποτάμι, " * 34,
    "Arabic": "يتلاشى ضباب الصباح ببطء فوق النهر وتغادر القوارب الميناء " * 26,
    "Hebrew": "ערפל הבוקר מתפוגג לאט מעל הנהר והסירות עוזבות את הנמל " * 26,
    "Devanagari": "नदी के ऊपर सुबह का कोहरा धीरे धीरे छंटता है और नावें चलती हैं " * 24,
    "emoji": "🦌🌅" * 140,
    "code": '{"a": [1, 2], "b": {"c": 3}}, ' * 40,
    "Cherokee": "ᏣᎳᎩ" * 80,
}
SHORT = {
    "Latin": ENGLISH * 22,
    "Han": "江面上的晨雾慢慢散去，小船离开港口。" * 32,
    "Cyrillic": "утренний туман медленно рассеивается над рекой, " * 29,
    "Thai": "กล้องค่อยๆเคลื่อนลงผ่านสายหมอกยามเช้าเหนือแม่น้ำ" * 25,
    "kana": "ゆっくりとカメラがおりていき、みずのなかへ。" * 32,
}


def lost(plan: FilmPlan) -> list[str]:
    return [str(warning) for warning in plan.warnings if "lost" in str(warning)]


@pytest.mark.parametrize("script", LONG)
def test_a_long_prompt_of_any_script_is_warned_of(plan: Plan, script: str) -> None:
    (told,) = lost(plan(f"shots: [{{from: a, to: b, prompt: {json.dumps(LONG[script], ensure_ascii=False)}}}]\n"))
    assert "the prompt has about" in told
    assert "wan2.1-flf2v-14b reads the first 512; say it in fewer words" in told


@pytest.mark.parametrize("script", SHORT)
def test_a_prompt_with_room_is_not_warned_of(plan: Plan, script: str) -> None:
    assert not lost(plan(f"shots: [{{from: a, to: b, prompt: {json.dumps(SHORT[script], ensure_ascii=False)}}}]\n"))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 1), ("word " * 500, 631), ("河" * 400, 321), ("한" * 100, 91), ("🦌", 3), ("1234", 5), ("Ꭰ", 4)],
)
def test_tokens_are_estimated_by_script(text: str, tokens: int) -> None:
    assert about_tokens(text) == tokens


def test_every_text_of_a_take_is_counted_and_what_is_lost_is_recorded(plan: Plan) -> None:
    long = ENGLISH * 36
    made = plan(f"""\
version: 1
keyframes: {{x: {{prompt: "{long}one"}}, a: keyframes/a.png, b: keyframes/b.png}}
shots:
  - {{from: a, through: [{{keyframe: b, action: "{long}two"}}], to: x, action: short,
     render: {{negative: "{long}three"}}}}
""")
    told = lost(made)
    assert [" ".join(line.split(": ")[2].split()[:3]) for line in told] == [
        "the prompt has",
        "the prompt has",
        "the negative prompt",
    ]
    assert [key for key in made.by_key if made.remarks.get(key)] == list(made.by_key)
    (painting,) = made.paintings.values()
    (remark,) = (text for text in made.remarks[painting.key] if "prompt's" in text)
    assert remark.startswith("the model reads 512 of the prompt's about 6")
    assert remark.endswith("comes slowly home, one")


def test_a_text_that_many_shots_have_is_warned_of_once(plan: Plan) -> None:
    shots = "".join(f"  - {{from: a, to: b, action: '{at}'}}\n" for at in range(3))
    told = lost(plan(f"look: {{avoid: '{ENGLISH * 30}'}}\nshots:\n{shots}"))
    assert len(told) == 1
    assert "the negative prompt has about" in told[0]


# A tokenizer of the kind that the published models have: SentencePiece's unigrams, in tokenizer.json.

Saved = Callable[..., ModelCard]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(**config: Any) -> ModelCard:
        tokenizers = pytest.importorskip("tokenizers")
        words = ["▁" + word for word in f"{ENGLISH} and then whale jumps".replace(",", " ,").split()]
        pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((word, -1.0) for word in dict.fromkeys(words))]
        letters = [(letter, -20.0) for letter in "▁abcdefghijklmnopqrstuvwxyz,"]
        built = tokenizers.Tokenizer(tokenizers.models.Unigram([*pieces, *letters], unk_id=2))
        built.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        built.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        built.enable_truncation(512)  # as it is saved after use
        (tmp_path / "tokenizer").mkdir()
        built.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
        (tmp_path / "tokenizer" / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "T5TokenizerFast"} | config)
        )
        return replace(FLF2V_14B.card(), folder=tmp_path)

    return save


def test_the_models_own_tokenizer_says_which_words_are_lost(saved: Saved, tmp_path: Path) -> None:
    cache = FactCache(tmp_path / "facts")
    reader = TextReader.of(saved(), cache)
    kept = "the light climbs " * 170 + "the"  # 511 words: with the mark at the end 512 tokens
    found = reader.reading(f"{kept} whale jumps")
    assert found is not None
    assert (found.tokens, found.lost) == (514, "whale jumps")
    exact = reader.reading(kept)
    assert exact == reader.reading(kept)
    assert exact is not None
    assert (exact.tokens, exact.lost) == (512, "")


def test_a_text_that_plainly_has_room_asks_no_tokenizer(saved: Saved, tmp_path: Path) -> None:
    reader = TextReader.of(saved(), FactCache(tmp_path / "facts"))
    assert reader.reading("the light climbs over the quay") is None


def test_bytes_are_counted_for_a_tokenizer_of_bytes(saved: Saved, tmp_path: Path) -> None:
    reader = TextReader.of(saved(tokenizer_class="ByT5Tokenizer"), FactCache(tmp_path / "facts"))
    found = reader.reading("é" * 255 + "a whale")
    assert found is not None
    assert (found.tokens, found.lost) == (518, "whale")  # 511 bytes are read: the blank is the last of them
    assert reader.reading("a" * 511) is not None


def test_a_damaged_tokenizer_leaves_it_to_the_estimate(saved: Saved, tmp_path: Path) -> None:
    card = saved()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{")
    assert TextReader.of(card, FactCache(tmp_path / "facts")).reading("whale " * 600) is None
    assert (
        TextReader.of(replace(card, folder=tmp_path / "nowhere"), FactCache(tmp_path)).reading("whale " * 600) is None
    )
