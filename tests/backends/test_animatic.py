"""The behaviour of the animatic: its first and last frames, its choice between morph and dissolve, its motion."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from wan_render.backends import animatic
from wan_render.backends.animatic.camera import choose_move, leaving
from wan_render.backends.animatic.morph import ALIKE, agreement
from wan_render.errors import RenderError
from wan_render.model_card import KindDefaults, ModelCard
from wan_render.production.measure_take import judgeable
from wan_render.quality.measuring import measure
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Device, Pixels, TakeInputs
from wan_render.take import Plate, Sampling, ShotKind, Size, Take

SIZE = Size(160, 96)
SAMPLING = Sampling(steps=50, guidance=(5.0,), shift=16.0)
CARD = ModelCard("any", "any@1", dict.fromkeys(ShotKind, KindDefaults(SAMPLING, "")), Fraction(16))
CPU = Device("cpu", "a CPU", 1 << 30)


def take(kind: ShotKind, frames: int = 41, size: Size = SIZE) -> Take:
    return Take(
        backend=animatic.BACKEND.id,
        model=CARD.identity,
        first=None if kind is ShotKind.T2V else Plate("a" * 64, size),
        last=Plate("b" * 64, size) if kind is ShotKind.FLF2V else None,
        prompt="a calm lake",
        negative="",
        frames=frames,
        size=size,
        rate=Fraction(16),
        seed=1,
        sampling=SAMPLING,
    )


def scene(seed: int, size: Size = SIZE) -> Pixels:
    """Clouds with enough detail for optical flow."""
    dice, picture = np.random.default_rng(seed), np.zeros((size.height, size.width, 3))
    for spread in (2, 5):
        noise = np.asarray(cv2.GaussianBlur(dice.normal(0, 1, picture.shape), (0, 0), spread), np.float64)
        picture += noise / max(float(noise.std()), 1e-6)
    return np.clip(128 + picture * 30, 0, 255).astype(np.uint8)


def pushed(picture: Pixels) -> Pixels:
    """The same scene, a little nearer and further left."""
    height, width = picture.shape[:2]
    matrix = np.array([[1.05, 0, 3.0], [0, 1.05, -2.0]])
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def rendered(what: Take, first: Pixels | None = None, last: Pixels | None = None) -> Pixels:
    renderer = animatic.BACKEND.open(CARD, CPU, lambda _: None)
    return renderer.render(what, TakeInputs(first, last), lambda _: None).pixels


def steps(frames: Pixels) -> list[float]:
    """How much each frame differs from the one before."""
    return [float(np.abs(a.astype(int) - b.astype(int)).mean()) for a, b in pairwise(frames)]


LIKE = (scene(1), pushed(scene(1)))
UNLIKE = (scene(1), scene(2))


@pytest.mark.parametrize("plates", [LIKE, UNLIKE], ids=["morph", "dissolve"])
@pytest.mark.parametrize("frames", [2, 3, 41])
def test_a_shot_begins_and_ends_on_its_plates_bit_exactly(plates: tuple[Pixels, Pixels], frames: int) -> None:
    made = rendered(take(ShotKind.FLF2V, frames), *plates)

    assert len(made) == frames
    assert np.array_equal(made[0], plates[0])
    assert np.array_equal(made[-1], plates[1])


def test_a_move_from_one_plate_begins_on_it_bit_exactly() -> None:
    made = rendered(take(ShotKind.I2V), LIKE[0])

    assert np.array_equal(made[0], LIKE[0])
    assert not np.array_equal(made[-1], LIKE[0])


def test_agreement_distinguishes_one_scene_from_two() -> None:
    assert agreement(*LIKE) > 0.8
    assert agreement(*UNLIKE) < ALIKE / 1.5


def test_similar_pictures_are_morphed_not_dissolved() -> None:
    """In the middle of a morph there is one sharp picture; in the middle of a dissolve, two faint ones."""
    morphed = rendered(take(ShotKind.FLF2V, 21), *LIKE)[10]
    overlaid = cv2.addWeighted(LIKE[0], 0.5, LIKE[1], 0.5, 0)

    assert contrast(morphed) > contrast(np.asarray(overlaid, np.uint8)) * 1.1


def contrast(picture: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std())


@pytest.mark.parametrize(
    "plates", [LIKE, UNLIKE, (LIKE[0], None), (None, None)], ids=["morph", "dissolve", "i2v", "t2v"]
)
def test_there_is_no_jump(plates: tuple[Pixels | None, Pixels | None]) -> None:
    kind = ShotKind.T2V if plates[0] is None else ShotKind.I2V if plates[1] is None else ShotKind.FLF2V
    changes = steps(rendered(take(kind), *plates))

    for before, here, after in zip(changes, changes[1:], changes[2:], strict=False):
        assert here < 1.5 * max(before, after) + 0.2
    assert max(changes) < 4 * float(np.median(changes))


def test_a_dissolve_starts_and_stops_smoothly() -> None:
    changes = steps(rendered(take(ShotKind.FLF2V, 81), *UNLIKE))

    assert max(changes[0], changes[-1]) < float(np.median(changes)) / 2


def test_the_window_never_leaves_the_picture() -> None:
    for seed in range(50):
        move = choose_move(replace(take(ShotKind.I2V), seed=seed))
        for eased in (0.0, 0.3, 1.0):
            window = leaving(move, SIZE, eased)
            corners = window @ np.array([[0, SIZE.width - 1], [0, SIZE.height - 1], [1, 1]])
            assert corners.min() >= -1e-9
            assert (corners.max(axis=1) <= np.array([SIZE.width - 1, SIZE.height - 1]) + 1e-9).all()


@pytest.mark.parametrize(
    ("prompt", "right", "down"),
    [
        ("a street, pan left", -1, 0),
        ("boats, camera pans right", 1, 0),
        ("boats, camera cranes up", 0, -1),
        ("boats, camera tilts down", 0, 1),
        ("boats, camera pushes in", 0, 0),
        ("湖面，镜头向左摇", -1, 0),
        ("湖面，镜头右移", 1, 0),
        ("湖面，镜头升起", 0, -1),
        ("湖面，镜头推进", 0, 0),
        ("镜头瞬间下潜", 0, 1),
        ("push in", 0, 0),
    ],
)
def test_a_camera_word_of_the_prompt_directs_the_move(prompt: str, right: int, down: int) -> None:
    move = choose_move(replace(take(ShotKind.I2V), prompt=prompt))

    assert (move.right, move.down) == (right, down)


def test_shots_with_the_same_seed_move_differently() -> None:
    one = take(ShotKind.I2V)
    other = replace(one, first=Plate("c" * 64, SIZE))

    assert choose_move(one) != choose_move(other)


@pytest.mark.parametrize("plates", [LIKE, UNLIKE], ids=["morph", "dissolve"])
def test_the_number_of_threads_changes_no_pixel(plates: tuple[Pixels, Pixels]) -> None:
    threads = cv2.getNumThreads()
    try:
        made = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            made.append(rendered(take(ShotKind.FLF2V, 9), *plates))
    finally:
        cv2.setNumThreads(threads)

    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def test_a_prompt_has_its_own_palette_and_keeps_it() -> None:
    what = replace(take(ShotKind.T2V, 1), prompt="a red desert")
    means = [rendered(replace(what, seed=seed))[0].mean(axis=(0, 1)) for seed in (1, 2)]
    other = rendered(replace(what, prompt="a blue sea"))[0].mean(axis=(0, 1))

    assert np.abs(means[0] - means[1]).max() < np.abs(means[0] - other).max()


@pytest.mark.parametrize("size", [Size(1, 1), Size(16, 16), Size(17, 240), Size(240, 7)])
@pytest.mark.parametrize("kind", list(ShotKind))
def test_any_size_is_rendered(kind: ShotKind, size: Size) -> None:
    first = None if kind is ShotKind.T2V else scene(3, size)
    last = scene(4, size) if kind is ShotKind.FLF2V else None

    assert rendered(take(kind, 3, size), first, last).shape == (3, size.height, size.width, 3)


def test_equal_plates_are_held() -> None:
    made = rendered(take(ShotKind.FLF2V, 9), LIKE[0], LIKE[0])

    assert max(steps(made)) < 1


def test_one_frame_between_two_pictures_is_refused() -> None:
    with pytest.raises(RenderError, match="one frame"):
        rendered(take(ShotKind.FLF2V, 1), *LIKE)


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animatic, "find_spec", lambda _: None)

    problem = animatic.BACKEND.missing(CARD)

    assert problem is not None
    assert "cv2" in problem.found
    with pytest.raises(RenderError, match="cv2"):
        animatic.BACKEND.open(CARD, CPU, lambda _: None)


def test_it_records_the_libraries_that_drew() -> None:
    facts = animatic.BACKEND.open(CARD, CPU, lambda _: None).facts()

    assert facts["opencv"] == cv2.__version__
    assert facts["numpy"] == np.__version__


def test_its_way_of_drawing_is_not_judged() -> None:
    """A dissolve from red to cyan is grey in its middle, one between unlike pictures is a double exposure: no faults of
    a preview. Black is one."""
    red, cyan = (1, 0.3, 0.2), (0.2, 1, 1)
    for check, seeds, verdict in (("drift", (1, 1), QcVerdict.PASS), ("ghost", (1, 2), None)):
        first, last = (
            (scene(seed) * np.array(tint)).astype(np.uint8) for seed, tint in zip(seeds, (red, cyan), strict=True)
        )
        frames = rendered(take(ShotKind.FLF2V), first, last)
        frames[2] = 0
        found = measure(frames, first, last)
        judged = judgeable(found, animatic.BACKEND)
        assert judged is not None
        assert judge(found).checks[check].verdict is QcVerdict.FAIL
        checks = judge(judged).checks
        assert (checks[check].verdict, checks["black"].verdict) == (verdict, QcVerdict.FAIL)
