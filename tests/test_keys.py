"""Canonical forms and content keys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.keys import canonical, content_key


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    part: Fraction


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None
    many: tuple[int, ...] = ()


def test_one_digest_is_pinned() -> None:
    value = Outer("河", Inner(Fraction(16, 9)), (1, 2))
    assert content_key("outer/1", value) == "6dc885f58978ec6df6fecc404839ba1264c805e593c76d90013870d2eb05e811"


def test_the_tag_is_part_of_the_key() -> None:
    assert content_key("take/1", 1) != content_key("take/2", 1)


def test_every_field_of_a_dataclass_is_in_its_form_by_name() -> None:
    form = canonical(Outer("a", Inner(Fraction(1, 3)), (1,)))
    assert form == {"name": "a", "inner": {"part": "1/3"}, "many": [1]}


@pytest.mark.parametrize(
    ("value", "form"),
    [(Colour.RED, "red"), (Fraction(2, 4), "1/2"), (Fraction(3), "3/1"), (-0.0, 0.0), (None, None), (True, True)],
)
def test_each_value_has_one_form(value: Any, form: Any) -> None:
    assert canonical(value) == form
    assert math.copysign(1, canonical(-0.0)) == 1


@pytest.mark.parametrize("value", [Path("a"), {1, 2}, object(), b"bytes", math.nan, math.inf, {1: "a"}, Outer])
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        content_key("x/1", value)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_the_order_of_a_mapping_does_not_count(mapping: dict[str, Any]) -> None:
    backwards = dict(reversed(mapping.items()))
    assert content_key("x/1", mapping) == content_key("x/1", backwards)


@given(st.text(), st.text())
def test_texts_share_a_key_only_when_equal(first: str, second: str) -> None:
    assert (content_key("x/1", first) == content_key("x/1", second)) is (first == second)
