"""Colour match: both ends of a take get the colours of its keyframes, and the frames between them an even share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.films import CONTINUOUS, CUT, cut_of
from tests.production.solid import SIZE, film
from wan_render.cut import ClipSource, ColourCorrection, Cut, Event
from wan_render.media.clip import write_clip
from wan_render.media.raster import raster_frames
from wan_render.plan import PlannedJoint
from wan_render.production.export_sources import ExportSources
from wan_render.production.matched_colours import MatchedEnd, matched_colours, matching_tag, matching_words
from wan_render.production.store_sources import Sources
from wan_render.render_values import Frames, Pixels
from wan_render.store import CLIP, FIRST, LAST, Filled, Provenance, Store
from wan_render.take import AnyPlate, FramePlate, Plate, Sampling, Take

PROVENANCE = Provenance("film", "1/010", 1, "", "m", {}, "cpu", "", {}, {})
TEXTURE = np.random.default_rng(5).integers(60, 180, (SIZE.height, SIZE.width, 3)).astype(np.uint8)


def shifted(picture: Pixels, gain: float, offset: float) -> Pixels:
    found: Pixels = np.rint(np.clip(picture * gain + offset, 0, 255)).astype(np.uint8)
    return found


def published(
    store: Store, pixels: Sequence[Pixels], first: Pixels | None, last: Pixels | None, begins: AnyPlate | None = None
) -> ClipSource:
    """A take with these frames and keyframes."""
    plate = Plate("a" * 64, SIZE)
    ends = (begins or (plate if first is not None else None)), (plate if last is not None else None)
    seed = len(list(store.takes.keys())) + 1
    take = Take("t/1", "m", *ends, "", "", len(pixels), SIZE, Fraction(16), seed, Sampling(1, (1.0,), 1.0))

    def fill(folder: Path) -> Filled:
        write_clip(folder / CLIP, Frames(np.stack(pixels), Fraction(16)))
        for name, picture in ((FIRST, first), (LAST, last)):
            if picture is not None:
                Image.fromarray(picture).save(folder / name)
        return Filled(PROVENANCE)

    return ClipSource(store.publish(take, fill).key)


def film_of(*events: Event, matched: bool = True) -> Cut:
    return replace(cut_of(*events, size=SIZE, delivery=SIZE), match_colours="ends/1" if matched else None)


def shown(cut: Cut, store: Store) -> tuple[list[Pixels], tuple[MatchedEnd, ...]]:
    graded, ends = matched_colours(cut, store)
    return [frame[:, :, 2::-1].copy() for frame in raster_frames(graded, Sources(store, {}))], ends


def off(picture: Pixels, wanted: Pixels) -> float:
    return float(np.abs(picture.astype(int) - wanted).mean())


def test_ends_get_the_colours_of_their_keyframes_and_the_middle_half_of_each(tmp_path: Path) -> None:
    store = Store(tmp_path)
    frames = [shifted(TEXTURE, 1.0, 9)] * 4 + [shifted(TEXTURE, 0.9, 0)]
    event = Event("1/010", published(store, frames, TEXTURE, TEXTURE), 0, 5, hold=1)
    pictures, ends = shown(film_of(event), store)
    assert off(frames[0], TEXTURE) == pytest.approx(9, abs=0.1)
    assert off(pictures[0], TEXTURE) < 0.5
    assert off(pictures[4], TEXTURE) < 1
    assert np.array_equal(pictures[4], pictures[5])
    halfway = ColourCorrection((1.0,) * 3, (-9.0,) * 3).towards(ColourCorrection((1 / 0.9,) * 3), 0.5)
    assert off(pictures[2], shifted(frames[2], halfway.gains[0], halfway.offsets[0])) < 1
    assert [(end.end, round(end.before), round(end.after)) for end in ends] == [("first", 9, 0), ("last", 12, 0)]
    assert matching_words(ends, "1/010") == "first frame 9.0 → 0.0, last frame 12.0 → 0.0"
    assert matching_tag(ends) == {"colours": "matched at 2 ends of shots: 10.5 levels off before, 0.0 after"}


def test_a_shot_that_continues_another_follows_its_corrected_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    dark = shifted(TEXTURE, 1.0, -10)
    one = published(store, [TEXTURE, dark], TEXTURE, TEXTURE)
    darker = shifted(TEXTURE, 1.0, -16)
    other = published(store, [darker] * 3, dark, None, FramePlate(one.key, 1, SIZE))
    cut = film_of(Event("1/010", one, 0, 1, joint=CONTINUOUS), Event("1/020", other, 0, 3))
    pictures, _ = shown(cut, store)
    assert [off(picture, TEXTURE) < 1 for picture in pictures] == [True] * 4


def test_what_does_not_show_its_keyframe_or_has_none_stays_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = 255 - TEXTURE
    events = (
        Event("1/010", published(store, [TEXTURE], shifted(other, 0.3, 170), None), 0, 1, joint=CUT),
        Event("1/020", published(store, [TEXTURE, TEXTURE], None, None), 0, 2),
    )
    pictures, ends = shown(film_of(*events), store)
    assert ends == ()
    assert all(np.array_equal(picture, TEXTURE) for picture in pictures)
    assert matched_colours(film_of(*events, matched=False), store) == (film_of(*events, matched=False), ())


def test_a_bridge_leads_from_the_colours_of_one_shot_to_those_of_the_other(tmp_path: Path) -> None:
    """In the film, and in the same frames of an export, which has all frames of its clip."""
    store, bridge = Store(tmp_path), PlannedJoint("bridge", 3)
    low, high = shifted(TEXTURE, 1.0, -8), shifted(TEXTURE, 1.0, 12)
    middle = [low, low, low, shifted(TEXTURE, 1.0, 2), high, high, high]
    events = (
        Event("1/010", published(store, [low] * 3, TEXTURE, None), 0, 3, joint=bridge),
        Event("1/010+bridge", published(store, middle, None, None), 2, 3, joint=bridge),
        Event("1/020", published(store, [high] * 3, TEXTURE, None), 0, 3),
    )
    cut = film_of(*events)
    pictures, _ = shown(cut, store)
    assert [off(picture, TEXTURE) < 1 for picture in pictures] == [True] * 9

    alone = replace(cut, events=(replace(events[1], first=0, frames=7, joint=None),))
    exported = ExportSources(cut, film(tmp_path, {}), store).prepared(alone)[0].events[0].grade
    in_film = matched_colours(cut, store)[0].events[1].grade
    assert exported is not None
    assert in_film is not None
    for at in range(3):
        one, other = exported.begin.towards(exported.end, (2 + at) / 6), in_film.begin.towards(in_film.end, at / 2)
        assert one.offsets == pytest.approx(other.offsets)


def test_two_corrections_are_one() -> None:
    one, two = ColourCorrection((1.1, 1, 0.9), (3, 0, -2)), ColourCorrection((0.8, 1, 1), (5, -1, 0))
    both = two.after(one)
    assert both.gains == pytest.approx((0.88, 1, 0.9))
    assert both.offsets == pytest.approx((0.8 * 3 + 5, -1, -2))
