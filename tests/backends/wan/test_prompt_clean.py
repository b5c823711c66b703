"""What is in a key is what diffusers' pipelines give to their encoder."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.backends.wan.models.official import ALL
from wan_render.cleaning import as_read, cleaned

pytestmark = pytest.mark.wan

prompt_clean: Any = import_module("diffusers.pipelines.wan.pipeline_wan").prompt_clean

NEGATIVES = sorted({kind.negative for model in ALL for kind in model.card().kinds.values()})

ODD = ["a  b\n", "deer’s", "&amp;lt;", "ＡＢ，１", "e\u0301", "一只鹿，走：过", "Ã©tÃ©", "ﬁre", "“x”", "a\u200bb", "🦌"]


@pytest.mark.parametrize("text", [*ODD, *NEGATIVES])
def test_a_planned_text_reaches_the_encoder_as_the_written_one_would(text: str) -> None:
    assert prompt_clean(cleaned(text)) == prompt_clean(text) == as_read(cleaned(text))


@given(st.text(st.characters(codec="utf-8", exclude_characters="&")))
def test_the_pipeline_changes_nothing_but_the_commas(text: str) -> None:
    planned = cleaned(text)
    assert prompt_clean(planned) == as_read(planned)


@given(st.text(st.sampled_from("abcXYZ ,.-—…、。鹿雾シカ한국Яя，019!?:;'\"()")))
def test_texts_that_skip_ftfy_are_cleaned_as_by_it(text: str) -> None:
    assert as_read(cleaned(text)) == prompt_clean(prompt_clean(text))
