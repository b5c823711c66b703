"""Seeds and numbers of takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wan_render.plan.seeds import take_seed, wanted_numbers


def test_take_1_has_the_seed_itself() -> None:
    assert take_seed(4201, 1) == 4201


def test_the_derivation_is_pinned() -> None:
    assert [take_seed(4201, number) for number in (2, 3)] == [2414653966, 1038049295]
    assert take_seed(4202, 2) == 1954208861


@given(st.integers(0, 2**63 - 1), st.integers(2, 9999))
def test_a_derived_seed_is_one_of_32_bits_and_always_the_same(seed: int, number: int) -> None:
    assert 0 <= take_seed(seed, number) < 2**32
    assert take_seed(seed, number) == take_seed(seed, number)


def test_takes_of_one_seed_differ() -> None:
    assert len({take_seed(1, number) for number in range(1, 1000)}) == 999


def test_refused_numbers_are_passed_over() -> None:
    assert wanted_numbers(1, (), None) == (1,)
    assert wanted_numbers(3, (), None) == (1, 2, 3)
    assert wanted_numbers(2, (1, 3), None) == (2, 4)


def test_a_circled_take_is_wanted_too() -> None:
    assert wanted_numbers(1, (), 5) == (1, 5)
    assert wanted_numbers(3, (), 2) == (1, 2, 3)
    assert wanted_numbers(1, (1,), 3) == (2, 3)
