"""Retiming: each film frame at its own time, never across a cut, and continued after a crash."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.films import CONTINUOUS, CUT, Shelf, cut_of
from tests.media.pictures import flat, noise
from wan_render.cut import RETIME_FORMS, ClipSource, Cut, Event
from wan_render.errors import WeightsError
from wan_render.media.clip import read_frames
from wan_render.media.part_progress import OnDone
from wan_render.media.raster import FilmSources, raster_frames
from wan_render.plan import PlannedJoint
from wan_render.render_values import Pixels
from wan_render.retime.gaps import gaps
from wan_render.retime.retimed_cut import retimed
from wan_render.store.intermediates import Intermediates

SIXTEEN, FILM_RATES = Fraction(16), [Fraction(rate) for rate in (24, 25, 30, 48)]


def moving(count: int, step: int = 2, first: int = 0) -> Pixels:
    """A soft spot on a textured ground. It moves `step` pixels to the right per frame."""
    ground = np.random.default_rng(3).integers(60, 100, (48, 64), dtype=np.uint8).astype(np.float64)
    rows, columns = np.indices((48, 64))
    spots = (
        np.exp(-((columns - 12 - step * (first + at)) ** 2 + (rows - 24) ** 2) / 40)[..., None] for at in range(count)
    )
    return np.stack([np.rint(ground[..., None] * (1 - spot) + 240 * spot).repeat(3, 2) for spot in spots]).astype(
        np.uint8
    )


def event(source: ClipSource, frames: int, rate: Fraction | None = SIXTEEN, joint: PlannedJoint = CUT) -> Event:
    return Event(source.key, source, 0, frames, joint=joint, rate=rate)


def shown(cut: Cut, shelf: Shelf) -> list[Pixels]:
    """The film's frames in RGB."""
    conformed, sources = conform(cut, shelf)
    return [frame[:, :, 2::-1] for frame in raster_frames(conformed, sources)]


def conform(cut: Cut, shelf: Shelf, progress: OnDone = lambda _done, _total: None) -> tuple[Cut, FilmSources]:
    kept = Intermediates(shelf.folder / "kept")
    return retimed(cut, shelf, kept, progress)


def film_of(*events: Event, rate: Fraction, method: str = "flow") -> Cut:
    return replace(cut_of(*events, rate=rate), retime=RETIME_FORMS[method])  # type: ignore[index]


@given(
    st.integers(1, 60),
    st.integers(0, 20),
    st.sampled_from(FILM_RATES),
    st.sampled_from([16, 24, 30]),
    st.sampled_from([0, 1]),
)
def test_every_film_frame_has_its_own_time(frames: int, first: int, rate: Fraction, source: int, meets: int) -> None:
    one = Event("a", ClipSource("a"), first, frames, rate=Fraction(source))
    found = gaps(one, rate, continues=bool(meets))
    at = [gap.left + part for gap in found for part in gap.parts if not gap.meets]
    assert sum(len(gap.parts) for gap in found) == frames
    assert at == [(first + frame) * source / rate for frame in range(len(at))]
    assert all(0 <= part < 1 for gap in found for part in gap.parts)
    assert [gap.meets for gap in found][:-1] == [False] * (len(found) - 1)
    assert meets or not found[-1].meets


@pytest.mark.parametrize("rate", FILM_RATES)
def test_rendered_moments_are_the_rendered_frames_and_others_lie_between(tmp_path: Path, rate: Fraction) -> None:
    shelf, frames = Shelf(tmp_path), moving(9)
    length = int(8 * rate / 16) + 1
    film = shown(film_of(event(shelf.put("a", frames), length), rate=rate), shelf)
    assert len(film) == length
    for at, picture in enumerate(film):
        place = at * SIXTEEN / rate
        if place.denominator == 1:
            assert np.array_equal(picture, frames[int(place)])
        else:
            spot = np.average(np.arange(64), weights=np.maximum(picture[24, :, 0].astype(float) - 130, 0))
            assert spot == pytest.approx(12 + 2 * float(place), abs=0.5), f"frame {at}"


def test_motion_goes_on_over_a_continuous_joint_and_not_over_a_cut(tmp_path: Path) -> None:
    """The takes share frame 4. At 24, film frame 5 lies between frame 3 and the shared one."""
    shelf = Shelf(tmp_path)
    one, other = shelf.put("a", moving(5)), shelf.put("b", moving(5, first=4))
    unlike = shelf.put("c", noise(5))
    joined = shown(film_of(event(one, 6, joint=CONTINUOUS), event(other, 7), rate=Fraction(24)), shelf)
    spot = [np.average(np.arange(64), weights=np.maximum(each[24, :, 0].astype(float) - 130, 0)) for each in joined]
    assert np.diff(spot) == pytest.approx([4 / 3] * 12, abs=0.4)
    cut = shown(film_of(event(one, 6), event(unlike, 7), rate=Fraction(24)), shelf)
    assert np.array_equal(cut[5], shown(film_of(event(one, 6), rate=Fraction(24)), shelf)[5])
    assert np.array_equal(cut[6], noise(5)[0])


def test_duplicates_are_the_nearest_frames(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [0, 40, 80, 120, 160])
    film = shown(film_of(event(source, 7), rate=Fraction(24), method="duplicate"), shelf)
    assert [int(frame[0, 0, 0]) for frame in film] == [0, 40, 40, 80, 120, 120, 160]


def test_a_jump_inside_a_clip_is_not_morphed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    frames = np.concatenate([noise(1, seed=1), noise(1, seed=2)])
    film = shown(film_of(event(shelf.put("a", frames), 4), rate=Fraction(48)), shelf)
    assert [any(np.array_equal(picture, frame) for frame in frames) for picture in film] == [True] * 4


def test_a_still_end_repeats_the_last_frame_and_a_clip_of_the_films_rate_is_untouched(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    held = Event("a", shelf.levels("a", [0, 50, 100]), 0, 4, 3, CUT, rate=SIXTEEN)
    native = event(shelf.levels("b", [7, 9]), 2, rate=None)
    film = shown(film_of(held, native, rate=Fraction(24)), shelf)
    assert [int(frame[0, 0, 0]) for frame in film][3:] == [100, 100, 100, 100, 7, 9]
    assert [kept.what for kept in Intermediates(tmp_path / "kept").kept()] == [
        "a, 16 to 24 frames per second, by flow/1"
    ]


def test_a_film_that_needs_no_retiming_is_left_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    cut = cut_of(event(shelf.levels("a", [0, 50]), 2, rate=None))
    assert conform(cut, shelf) == (cut, shelf)
    assert not (tmp_path / "kept").exists()


def test_what_is_finished_is_kept_and_the_rest_is_made_after_a_stop(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    cut = film_of(event(shelf.put("a", moving(5)), 7), event(shelf.put("b", moving(5, 3)), 7), rate=Fraction(24))
    kept, said = Intermediates(tmp_path / "kept"), list[tuple[int, int]]()

    def stop(done: int, total: int) -> None:
        said.append((done, total))
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conform(cut, shelf, stop)
    assert said == [(done, 14) for done in (*range(8), 7, 7, 8, 9, 10)]
    (before,) = kept.kept()
    time = before.folder.stat().st_mtime_ns
    said.clear()
    conformed, sources = conform(cut, shelf, lambda done, total: said.append((done, total)))
    assert said[0] == (7, 14)
    assert before.folder.stat().st_mtime_ns == time
    source = conformed.events[1].source
    assert isinstance(source, ClipSource)
    assert len(list(read_frames(sources.clip(source.key), 0, 7))) == 7


def test_one_changed_clip_is_retimed_alone(tmp_path: Path) -> None:
    shelf, kept = Shelf(tmp_path), Intermediates(tmp_path / "kept")
    one, other = (event(shelf.put(key, flat([1, 2, 3])), 4) for key in "ab")
    new = event(shelf.put("c", flat([5, 6, 7])), 4)
    conform(film_of(one, other, rate=Fraction(24)), shelf)
    conform(film_of(one, new, rate=Fraction(24)), shelf)
    assert len(kept.kept()) == 3


def test_a_method_without_its_weights_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    shelf = Shelf(tmp_path)
    cut = film_of(event(shelf.levels("a", [0, 50]), 2), rate=Fraction(24), method="rife")
    with pytest.raises(WeightsError, match="models pull rife"):
        conform(cut, shelf)
