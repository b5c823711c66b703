from __future__ import annotations

from fractions import Fraction

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.plan import Cue, FilmPlan
from wan_render.plan.subtitles import reading_seconds


def cues(film: FilmPlan) -> tuple[Cue, ...]:
    assert film.subtitles is not None
    return film.subtitles.cues


def warned(film: FilmPlan, words: str) -> list[str]:
    return [str(problem) for problem in film.warnings if words in str(problem)]


def test_cues_are_in_exact_seconds_of_the_film(plan: Plan) -> None:
    """A title, a dissolve and a hold before them count; `at` counts from the shot's beginning."""
    film = plan(
        "titles: {open: one}\nshots:\n"
        "  - {from: a, duration: 2s, transition: dissolve 8f, subtitle: Bonjour}\n"
        "  - {from: b, duration: 3s, hold: 1s, dialogue: {who: Anna, text: Yes., at: 4f, for: 1.1s}}\n"
        "  - {card: x, duration: 2s, subtitle: [{text: B, at: 1s}, {text: A, for: 1s}], status: omit}\n"
        "  - {card: x, duration: 2s, subtitle: [{text: B, at: 1s}, {text: A, for: 1s}]}\n"
    )
    assert cues(film) == (
        Cue(Fraction(2), Fraction(7, 2), "Bonjour"),
        Cue(Fraction(15, 4), Fraction(15, 4) + Fraction(11, 10), "Yes.", "Anna"),
        Cue(Fraction(15, 2), Fraction(17, 2), "A"),
        Cue(Fraction(17, 2), Fraction(19, 2), "B"),
    )


def test_subtitles_are_burned_in_and_beside_the_film_by_default(plan: Plan) -> None:
    film = plan("shots: [{card: x, subtitle: Hello}]")
    assert film.subtitles is not None
    assert film.subtitles.forms == ("burned", "files")
    assert [lettering.text for lettering in film.lettering].count("Hello") == 1


@pytest.mark.parametrize("forms", ["[]", '""'])
def test_a_film_may_want_no_subtitles(plan: Plan, forms: str) -> None:
    head = f"version: 1\nfilm: {{subtitles: {forms}}}\nkeyframes: keyframes/\n"
    assert plan(head + "shots: [{card: x, subtitle: Hello}]").subtitles is None


def test_forms_and_language_are_as_written(plan: Plan) -> None:
    head = "version: 1\nfilm: {subtitles: [Track, burned], language: ZH-hant-tw}\nkeyframes: keyframes/\n"
    film = plan(head + "shots: [{card: x, subtitle: 你好}]")
    assert film.subtitles is not None
    assert (film.subtitles.forms, film.language) == (("burned", "track"), "zh-Hant-TW")


def test_what_is_too_fast_to_read_is_a_warning(plan: Plan) -> None:
    film = plan("shots: [{card: x, duration: 1s, subtitle: A sentence of 28 characters.}, {card: x, subtitle: Short}]")
    (warning,) = warned(film, "too short to read it")
    assert (
        "shots[0].subtitle[0]: 'A sentence of 28 characters.' is shown for 1.00 s, which is too short to read"
        in warning
    )
    assert warning.endswith("show it for 1.4 s, or shorten it")


def test_east_asian_text_and_marks_are_read_at_their_own_speed() -> None:
    assert reading_seconds("一只白鸽飞过湖面。") == 1
    assert reading_seconds("e" * 20) == reading_seconds("e\u0301" * 20) == 1


def test_subtitles_that_are_shown_together_are_a_warning(plan: Plan) -> None:
    film = plan(
        "shots: [{card: x, dialogue: [{text: One, for: 2s}, {text: Two, at: 1.5s, for: 1s}, {text: 3, at: 3s}]}]"
    )
    (warning,) = warned(film, "shown together")
    assert "shots[0].dialogue[1]: shown together with 'One' for 0.50 s" in warning


def test_a_subtitle_after_its_shot_is_a_mistake(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{card: x, duration: 2s, subtitle: {text: x, at: 2s}}, {card: y}]")
    assert "shots[0].subtitle[0].at: the subtitle begins 2.00 s after its shot does; the shot is 2.00 s long" in mistake


def test_a_subtitle_may_outlast_its_shot_but_not_the_film(plan: Plan) -> None:
    film = plan("shots: [{card: x, duration: 2s, subtitle: {text: x, at: 1s, for: 3s}}, {card: y, duration: 1s}]")
    assert cues(film)[0].end == 3
    assert len(warned(film, "the subtitle would last 1.00 s longer than the film; it ends with the film")) == 1
