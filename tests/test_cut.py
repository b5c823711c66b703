"""The edit: which frames of which clip, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from wan_render.cut import ClipSource, Cut, Event, SlateSource, assemble
from wan_render.keys import content_key
from wan_render.plan import (
    CardText,
    Content,
    FilmPlan,
    NotYet,
    PlannedJoint,
    PlannedShot,
    PlannedTake,
    PlannedTitle,
    Rendered,
    StillPicture,
)
from wan_render.take import Plate, Sampling, Size, Take

SIZE = Size(64, 48)
PLATE = Plate("a" * 64, SIZE)
TAKE = Take("animatic/1", "m", PLATE, PLATE, "", "", 81, SIZE, Fraction(16), 1, Sampling(1, (1.0,), 1.0))
CONTENT = Rendered((PlannedTake(1, TAKE),), 1)
CONTINUOUS, CUT = PlannedJoint("continuous"), PlannedJoint("cut")


def shot(
    name: str, frames: int, joint: PlannedJoint | None, content: Content = CONTENT, first: int = 0, hold: int = 0
) -> PlannedShot:
    return PlannedShot(f"1/{name}", "1", name, (0, 0), content, first, frames, hold, joint)


def film(shots: Sequence[PlannedShot], opening: Sequence[str] = (), closing: Sequence[str] = ()) -> FilmPlan:
    return FilmPlan(
        title="Harbour",
        slug="harbour",
        file=Path("x.yaml"),
        backend="animatic/1",
        size=SIZE,
        delivery=Size(128, 72),
        fit="contain",
        rate=Fraction(16),
        fade_in=4,
        fade_out=8,
        opening=tuple(PlannedTitle(text, 32) for text in opening),
        shots=tuple(shots),
        closing=tuple(PlannedTitle(text, 16) for text in closing),
        omitted={},
        pictures={},
        models={},
        warnings=(),
    )


FOUR = [shot("010", 80, CONTINUOUS), shot("020", 80, CONTINUOUS), shot("030", 80, CONTINUOUS), shot("040", 81, None)]
KEYS = {shot.id: f"key{shot.name}" for shot in FOUR}
ANIMATIC = {shot.id: "animatic" for shot in FOUR}


def test_four_81_frame_shots_that_share_keyframes_make_321_frames() -> None:
    cut = assemble(film(FOUR), KEYS, {})
    assert cut.frames == 321
    assert cut.starts == (0, 80, 160, 240)
    assert [event.source for event in cut.events] == [ClipSource(key) for key in KEYS.values()]
    assert [event.joint for event in cut.events] == [CONTINUOUS] * 3 + [None]


def test_a_cut_has_the_settings_of_the_film() -> None:
    cut = assemble(film(FOUR), KEYS, {})
    assert cut == Cut("Harbour", Fraction(16), SIZE, Size(128, 72), "contain", 4, 8, cut.events)


def test_each_shot_shows_its_own_part_and_hold() -> None:
    (event,) = assemble(film([shot("010", 24, None, first=16, hold=8)]), KEYS, {}).events
    assert (event.first, event.frames, event.hold, event.length) == (16, 24, 8, 32)


def test_a_dissolve_overlaps_and_a_fade_adds_no_time() -> None:
    cut = assemble(
        film([shot("010", 80, PlannedJoint("dissolve", 8)), shot("020", 80, PlannedJoint("fade", 9)), FOUR[3]]),
        KEYS,
        {},
    )
    assert cut.starts == (0, 72, 152)
    assert cut.frames == 80 + 80 + 81 - 8


def test_a_missing_shot_becomes_a_slate_of_the_same_length_that_says_why() -> None:
    shots = [FOUR[0], shot("020", 40, CONTINUOUS, first=16, hold=4), *FOUR[2:]]
    whole = assemble(film(shots), KEYS, {}, previews=ANIMATIC)
    cut = assemble(film(shots), KEYS, {"1/020": "out of memory"}, previews=ANIMATIC)
    slate = cut.events[1]
    assert slate.source == SlateSource("1/020", "out of memory")
    assert (slate.first, slate.frames, slate.hold, slate.preview) == (0, 40, 4, "")
    assert cut.starts == whole.starts
    assert cut.frames == whole.frames


def test_a_shot_of_a_later_version_is_a_slate() -> None:
    (event,) = assemble(film([shot("010", 80, None, NotYet("through: comes later"))]), {}, {}).events
    assert event.source == SlateSource("1/010", "through: comes later")


def test_stills_and_cards_need_no_clip_and_carry_no_preview_label() -> None:
    shots = [shot("010", 80, CUT, StillPicture(PLATE)), shot("020", 16, CUT, CardText("完")), FOUR[3]]
    cut = assemble(film(shots), KEYS, {}, previews=ANIMATIC)
    assert [event.source for event in cut.events] == [StillPicture(PLATE), CardText("完"), ClipSource("key040")]
    assert [event.preview for event in cut.events] == ["", "", "animatic"]


def test_titles_are_before_and_after_the_shots_and_add_time() -> None:
    cut = assemble(film(FOUR, opening=["江河", ""], closing=["完"]), KEYS, {})
    assert [event.name for event in cut.events] == ["", "", *KEYS, ""]
    assert [event.joint for event in cut.events] == [CUT, CUT, *[CONTINUOUS] * 3, CUT, None]
    assert cut.frames == 32 + 32 + 321 + 16
    assert cut.events[0].source == CardText("江河")


def test_a_rendered_shot_without_clip_and_reason_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="1/040"):
        assemble(film(FOUR), {key: value for key, value in KEYS.items() if key != "1/040"}, {})


def test_a_cut_without_events_has_no_frames() -> None:
    assert assemble(film([]), {}, {}).frames == 0


def test_only_films_with_dissolves_have_a_light() -> None:
    """Other films keep their keys."""
    dissolving = [shot("010", 80, PlannedJoint("dissolve", 8)), FOUR[3]]
    lights = [
        assemble(replace(film(shots), dissolves=light), KEYS, {}).dissolves
        for shots in (FOUR, dissolving)
        for light in ("linear", "video")
    ]
    assert lights == [None, None, "linear", None]


def test_the_keys_of_films_stay() -> None:
    """The digest of a film that none of the later keys touches."""
    assert content_key("film/2", assemble(film(FOUR), KEYS, {})) == (
        "6d2feb4483c552dde0d6859fe2e0631dc0e116bd685c123d5d42cf561cb95e2a"
    )


def test_films_of_before_keep_their_keys() -> None:
    """A new field of the cut is left out of the key while it has its default."""
    cut = Cut(
        "Harbour",
        Fraction(16),
        Size(64, 48),
        Size(64, 48),
        "cover",
        1,
        2,
        (
            Event("", CardText("江河"), 0, 4, joint=PlannedJoint("cut")),
            Event("1/010", ClipSource("a" * 64), 1, 9, 2, PlannedJoint("dissolve", 3), "animatic"),
            Event("1/020", SlateSource("1/020", "x"), 0, 5),
        ),
    )
    assert content_key("film/2", cut) == "810a5bb1804052d7735fa73659dd9892edfc81e6289a2471d2eea06df44c8683"
