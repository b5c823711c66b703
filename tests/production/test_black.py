"""A black clip is never stored, and one that an earlier version stored is found, named and rendered again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.production.solid import CPU, SIZE, Painter, Solid, a_take, film, painted
from tests.reference import produce
from wan_render.backend_contract import Renderer
from wan_render.errors import RenderError
from wan_render.frame_checks import checked
from wan_render.media.clip import write_clip
from wan_render.model_card import ModelCard
from wan_render.plan import FilmPlan
from wan_render.production.black import BLACK, BLACK_THROUGHOUT, MADE_FROM_BLACK, black_takes
from wan_render.render_values import ALONE as NOTHING
from wan_render.render_values import Device, Frames, Group, Listen, Pixels, TakeInputs, Workspace
from wan_render.status import State, status
from wan_render.store import CLIP, FIRST, Filled, Store
from wan_render.take import FramePlate, Plate, Take


@pytest.fixture
def solid(tmp_path: Path) -> Solid:
    return Solid(tmp_path / "diary.txt")


def frames(take: Take, *colours: int) -> Frames:
    """Frames of these greys, the last one repeated."""
    greys = [*colours, *colours[-1:] * (take.frames - len(colours))]
    pixels = np.stack([np.full((SIZE.height, SIZE.width, 3), grey, np.uint8) for grey in greys])
    return Frames(pixels, take.rate)


def plate(grey: int, spread: int = 0) -> Pixels:
    """A picture of one grey, with grain where `spread` is given."""
    grain = np.random.default_rng(1).integers(0, spread + 1, (SIZE.height, SIZE.width, 3))
    return np.clip(grey + grain, 0, 255).astype(np.uint8)


A_PLATE = Plate("a" * 64, SIZE)
I2V = replace(a_take("dawn"), first=A_PLATE)
FLF2V = replace(I2V, last=A_PLATE)


@pytest.mark.parametrize(
    ("take", "shown", "plates", "said"),
    [
        (I2V, (0,), TakeInputs(plate(120), None), "the first frame is black although the first keyframe is not"),
        (I2V, (0,), TakeInputs(plate(0, 40), None), "the first frame is black although the first keyframe is not"),
        (
            FLF2V,
            (120, 0),
            TakeInputs(plate(120), plate(60)),
            "the last frame is black although the last keyframe is not",
        ),
        (FLF2V, (255,), TakeInputs(plate(20, 90), plate(60)), "the first frame is of one colour, RGB 255, 255, 255,"),
        (a_take("night"), (0,), TakeInputs(None, None), "every frame is black"),
    ],
)
def test_the_seam_refuses_a_clip_that_shows_nothing(
    take: Take, shown: tuple[int, ...], plates: TakeInputs, said: str
) -> None:
    with pytest.raises(RenderError, match=said):
        checked(take, frames(take, *shown), plates)


@pytest.mark.parametrize(
    ("take", "shown", "plates"),
    [
        (I2V, (0,), TakeInputs(plate(0), None)),  # a black keyframe
        (I2V, (0,), TakeInputs(plate(0, 6), None)),  # one that is nearly black
        (I2V, (120, 60, 0), TakeInputs(plate(120), None)),  # a fade to black
        (FLF2V, (0, 60, 0), TakeInputs(plate(0), plate(0, 3))),  # from black to black
        (FLF2V, (119, 61), TakeInputs(plate(120), plate(60))),  # even keyframes, nearly hit
        (a_take("night"), (0, 1), TakeInputs(None, None)),  # a night that is not black to the last sample
        (a_take("grey"), (90,), TakeInputs(None, None)),
    ],
)
def test_dark_pictures_and_fades_are_accepted(take: Take, shown: tuple[int, ...], plates: TakeInputs) -> None:
    checked(take, frames(take, *shown), plates)


@dataclass(frozen=True)
class Blind(Solid):
    """A backend whose frames are all black."""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = NOTHING) -> Renderer:  # noqa: ARG002
        return Dark(self, card)


@dataclass(frozen=True)
class Dark(Painter):
    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:  # noqa: ARG002
        return frames(take, 0)


def test_a_black_take_of_any_backend_is_a_slate_and_is_not_kept(store: Store, tmp_path: Path) -> None:
    bright, pictures = painted(tmp_path, 120)
    plan = film(tmp_path, {"1/010": a_take("dawn", first=bright)}, pictures)
    made = produce(plan, Blind(tmp_path / "diary.txt"), store, CPU)
    assert "the first frame is black" in made.slates["1/010"]
    assert not list(store.takes.keys())


def kept_by_an_earlier_version(store: Store, take: Take, shown: Frames, first: int | None = None) -> None:
    """A take of an earlier version: its record does not say that its frames were checked."""
    from tests.store.values import provenance
    from wan_render.production.render_take import write_picture

    def fill(folder: Path) -> Filled:
        write_clip(folder / CLIP, shown)
        (folder / "preview.mp4").write_bytes(b"preview")
        if first is not None:
            write_picture(folder / FIRST, plate(first))
        return Filled(provenance())

    store.prepare()
    clip = store.publish(take, fill)
    record = json.loads(clip.sidecar.read_text())
    del record["provenance"]["frames_checked"]
    clip.sidecar.write_text(json.dumps(record))


def shots_of(folder: Path) -> tuple[FilmPlan, Take, Take]:
    """A shot that begins on a keyframe, and one that continues it."""
    bright, pictures = painted(folder, 120)
    begun = a_take("dawn", first=bright)
    going_on = replace(a_take("noon"), first=FramePlate(begun.key, 4, SIZE))
    return film(folder, {"1/010": begun, "1/020": going_on}, pictures), begun, going_on


def test_a_black_take_of_an_earlier_version_is_named_and_what_was_made_from_it(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan, begun, going_on = shots_of(tmp_path)
    kept_by_an_earlier_version(store, begun, frames(begun, 0), first=120)
    kept_by_an_earlier_version(store, going_on, frames(going_on, 0, 90), first=0)
    for shot, take in (("1/010", begun), ("1/020", going_on)):
        store.memory.remember(plan.slug, {shot: {1: take}})

    found = status(plan, store, solid, spoilt=black_takes(plan, store))
    assert [(shot.state, shot.why) for shot in found.shots] == [(State.STALE, BLACK), (State.STALE, MADE_FROM_BLACK)]
    assert [take.key for take in found.to_render] == [begun.key, going_on.key]
    assert store.find(begun.key) is not None, "a plan changes nothing"

    made = produce(plan, solid, store, CPU)
    assert not made.slates
    assert len(store.takes.set_aside()) == 2
    assert black_takes(plan, store) == {}
    assert solid.noted("render") == 2
    produce(plan, solid, store, CPU)
    assert solid.noted("render") == 2


@pytest.mark.parametrize(
    ("make", "first", "why"),
    [
        (lambda take: frames(take, 0), None, BLACK_THROUGHOUT),
        (lambda take: frames(take, 0), 120, BLACK),
        (lambda take: frames(take, 0), 0, ""),
        (lambda take: frames(take, 0), 12, ""),
        (lambda take: frames(take, 120, 0), 120, ""),
        (lambda take: frames(take, 0, 0, 9), None, ""),
    ],
)
def test_only_what_is_plainly_wrong_is_suspected(
    store: Store, tmp_path: Path, make: Callable[[Take], Frames], first: int | None, why: str
) -> None:
    some, pictures = painted(tmp_path, first or 0)
    take = a_take("dawn", first=None if first is None else some)
    plan = film(tmp_path, {"1/010": take}, pictures)
    kept_by_an_earlier_version(store, take, make(take), first)
    assert black_takes(plan, store) == ({take.key: why} if why else {})


def test_a_clip_that_shows_something_is_not_even_opened(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wan_render.production import black

    noise = np.random.default_rng(1).integers(0, 256, (5, SIZE.height, SIZE.width, 3)).astype(np.uint8)
    take = a_take("dawn")
    kept_by_an_earlier_version(store, take, Frames(noise, Fraction(16)))

    def refuse(*_: object) -> object:
        raise AssertionError("opened")

    monkeypatch.setattr(black, "read_frames", refuse)
    assert black_takes(film(tmp_path, {"1/010": take}), store) == {}


def test_a_clip_that_a_pin_keeps_is_named_and_stays(store: Store, solid: Solid, tmp_path: Path) -> None:
    from wan_render.plan import PlannedTake, Rendered

    kept = a_take("former")
    kept_by_an_earlier_version(store, kept, frames(kept, 0))
    plan = film(tmp_path, {"1/010": Rendered((PlannedTake(1, a_take("now")),), 1, pin=kept.key[:8])})
    (shot,) = status(plan, store, solid, spoilt=black_takes(plan, store)).shots
    assert shot.state is State.KEPT
    assert shot.why == f"prompt changed since, {BLACK_THROUGHOUT}"
    produce(plan, solid, store, CPU)
    assert store.find(kept.key) is not None
