from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.production.solid import CPU, OTHER_CARD, SIZE, Solid, a_take, film, painted, rendered
from wan_render.errors import DeviceError, HeldElsewhereError, PictureError, RenderError
from wan_render.media.clip import read_frames
from wan_render.plan import FilmPlan
from wan_render.plan.film_plan import delivered_name
from wan_render.production.order import orders
from wan_render.production.render_order import RenderOrder
from wan_render.production.render_take import Unwritten, begin_take, render_take
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import Phase, Progress, Stage
from wan_render.status import status
from wan_render.store import Store

SPAWN = get_context("spawn")


@pytest.fixture
def solid(tmp_path: Path) -> Solid:
    return Solid(tmp_path / "diary.txt")


def ordered(plan: FilmPlan, store: Store, solid: Solid, only: set[str] | None = None) -> tuple[RenderOrder, ...]:
    return orders(plan, status(plan, store, solid), solid, only)


def deaf(progress: Progress) -> None:
    """Ignore progress."""


def test_a_rendered_take_is_a_clip_with_its_plates_and_its_history(store: Store, solid: Solid, tmp_path: Path) -> None:
    plate, pictures = painted(tmp_path, 30)
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn", first=plate)}, pictures), store, solid)
    heard: list[Phase] = []

    clip = render_take(order, WarmRenderer(), CPU, store, lambda progress: heard.append(progress.phase))

    pixels = np.stack(list(read_frames(clip.video, 0, 5)))
    assert pixels.shape == (5, 48, 64, 3)
    assert (pixels[0] == 30).all()
    assert (pixels[1:] == 100).all()
    assert clip.preview.stat().st_size > 0
    assert clip.first is not None
    assert clip.last is None
    with Image.open(clip.first) as first:
        assert (np.asarray(first) == 30).all()
        assert first.size == (64, 48)
    made = store.record(clip.key).provenance
    assert (made.film, made.shot, made.number, made.why) == ("river", "1/010", 1, "first take")
    assert (made.model, made.device, made.device_label) == ("paint", "cpu", "a processor")
    assert made.keyframes == {"first": "30.png"}
    assert made.versions == {"paint": "1"}
    assert {"loading", "step", "writing"} <= set(made.seconds)
    assert made.seconds["writing"] > 0
    assert heard == [Phase.LOADING, Phase.STEP, Phase.WRITING]
    assert list(store.memory.remembered("river")) == ["1/010"]


def test_the_record_names_every_device_of_a_group(store: Store, solid: Solid, tmp_path: Path) -> None:
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    clip = render_take(replace(order, helpers=("cuda:1", "cuda:2")), WarmRenderer(), CPU, store, deaf)

    made = store.record(clip.key).provenance
    assert made.device == "cpu + cuda:1 + cuda:2"


def test_an_order_has_the_number_of_devices_from_the_storyboard(store: Store, solid: Solid, tmp_path: Path) -> None:
    two, open_ = a_take("dawn"), a_take("dusk")
    plan = replace(film(tmp_path, {"1/010": two, "1/020": open_}), gpus={two.key: 2})

    assert [order.gpus for order in ordered(plan, store, solid)] == [2, None]


def test_an_existing_take_is_not_rendered_again(store: Store, solid: Solid, tmp_path: Path) -> None:
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    first = render_take(order, WarmRenderer(), CPU, store, deaf)

    heard: list[Progress] = []
    again = render_take(replace(order, shot="2/020"), WarmRenderer(), CPU, store, heard.append)

    assert again == first
    assert heard == [], "who listens tells a take that was found by this: it is not written"
    assert (solid.noted("open"), solid.noted("render")) == (1, 1)
    assert set(store.memory.remembered("river")) == {"1/010", "2/020"}


def test_a_model_is_opened_once_and_closed_before_another(store: Store, solid: Solid, tmp_path: Path) -> None:
    shots = {"1": a_take("a"), "2": a_take("b"), "3": a_take("c", model=OTHER_CARD)}
    warm = WarmRenderer()
    for order in ordered(film(tmp_path, {f"1/{shot}": take for shot, take in shots.items()}), store, solid):
        render_take(order, warm, CPU, store, deaf)
    warm.close()
    warm.close()

    assert [
        line for line in solid.diary.read_text().splitlines() if not line.startswith(("begin", "prepare", "render"))
    ] == [
        "open paint on cpu",
        "close paint",
        "open ink on cpu",
        "close ink",
    ]


@pytest.mark.parametrize(("prompt", "error"), [("fail", RenderError), ("die", DeviceError), ("short", RenderError)])
def test_after_a_failure_no_take_is_visible_and_the_next_one_gets_a_new_renderer(
    store: Store, solid: Solid, tmp_path: Path, prompt: str, error: type[Exception]
) -> None:
    warm = WarmRenderer()
    failing, good = ordered(film(tmp_path, {"1/010": a_take(prompt), "1/020": a_take("dawn")}), store, solid)

    with pytest.raises(error):
        render_take(failing, warm, CPU, store, deaf)
    assert solid.noted("close") == 1
    assert store.find(failing.take.key) is None
    assert store.memory.remembered("river") == {}

    render_take(good, warm, CPU, store, deaf)
    assert solid.noted("open") == 2


def test_a_picture_that_changed_since_the_plan_is_refused_before_a_model_is_loaded(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plate, pictures = painted(tmp_path, 30)
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn", first=plate)}, pictures), store, solid)
    Image.new("RGB", (128, 96), "white").save(tmp_path / "30.png")

    with pytest.raises(PictureError):
        render_take(order, WarmRenderer(), CPU, store, deaf)

    assert solid.noted("open") == 0


def test_orders_go_model_by_model_and_the_takes_of_the_film_first(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(
        tmp_path,
        {
            "1/010": rendered(a_take("a"), a_take("b"), chosen=2),
            "1/020": a_take("c", model=OTHER_CARD),
            "1/030": a_take("d"),
            "1/040": a_take("a"),
        },
    )

    found = ordered(plan, store, solid)

    # b and d go into the film; so does a, for 1/040: it is rendered once.
    assert [order.take.prompt for order in found] == ["b", "d", "a", "c"]
    assert [(order.shot, order.number) for order in found] == [("1/010", 2), ("1/030", 1), ("1/040", 1), ("1/020", 1)]
    assert [order.take.prompt for order in ordered(plan, store, solid, {"1/040"})] == ["a"]
    assert ordered(plan, store, solid, set()) == ()


def test_an_order_pickles_and_says_why(store: Store, solid: Solid, tmp_path: Path) -> None:
    store.memory.remember("river", {"1/010": {1: a_take("dusk")}})
    plate, pictures = painted(tmp_path, 30)
    _, unused = painted(tmp_path, 31)
    plan = film(tmp_path, {"1/010": a_take("dawn", first=plate)}, pictures | unused)
    (order,) = ordered(plan, store, solid)

    assert pickle.loads(pickle.dumps(order)) == order  # noqa: S301 - our own
    assert order.pictures == pictures, "a device process gets the pictures of its take alone"
    assert order.why == "first keyframe and prompt changed"
    assert len({order, replace(order, shot="2/010")}) == 2


def test_a_delivered_clip_is_called_by_its_film_scene_shot_and_take(tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/020": a_take("dawn")})

    assert delivered_name(plan.slug, plan.shots[0].id, 2) == "river_sc1_sh020_t02"


def _render(root: Path, order: RenderOrder) -> None:
    render_take(order, WarmRenderer(), CPU, Store(root), deaf)


def test_a_take_that_another_process_renders_is_left_to_it_and_then_found(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    (order,) = ordered(film(tmp_path, {"1/010": a_take("sleep")}), store, solid)
    other = SPAWN.Process(target=_render, args=(store.root, order))
    other.start()
    pause = threading.Event()
    while solid.noted("begin") == 0:
        assert not pause.wait(0.02)

    with pytest.raises(HeldElsewhereError, match=rf"is rendered by .+ \(process {other.pid}, since ") as refused:
        render_take(order, WarmRenderer(), CPU, store, deaf)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301 - our own

    other.join()
    assert other.exitcode == 0
    assert render_take(order, WarmRenderer(), CPU, store, deaf).size == SIZE
    assert solid.noted("render") == 1


def test_the_device_is_free_once_a_take_is_rendered_and_another_thread_writes_it(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")})
    first, second = ordered(plan, store, solid)
    warm = WarmRenderer()
    heard: list[Phase] = []
    unwritten = begin_take(first, warm, CPU, store, lambda progress: heard.append(progress.phase))

    assert isinstance(unwritten, Unwritten)
    assert heard[-1] is Phase.WRITING
    assert store.find(first.take.key) is None
    between = render_take(second, warm, CPU, store, deaf)
    with ThreadPoolExecutor(1) as writer:
        clip = writer.submit(unwritten.write).result(60)
    assert store.verify(first.take.key) == clip
    assert store.verify(second.take.key) == between
    assert store.record(first.take.key).provenance.seconds["waiting"] > 0.0, "it was not written until now"
    assert set(store.memory.remembered("river")) == {"1/010", "1/020"}
    assert not list((store.root / "takes" / ".locks").iterdir()), "the thread that wrote has let go"


def test_an_unwritten_take_is_still_held_against_other_runs(store: Store, solid: Solid, tmp_path: Path) -> None:
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    unwritten = begin_take(order, WarmRenderer(), CPU, store, deaf)
    assert isinstance(unwritten, Unwritten)
    with pytest.raises(HeldElsewhereError):
        render_take(order, WarmRenderer(), CPU, store, deaf)
    clip = unwritten.write()
    assert render_take(order, WarmRenderer(), CPU, store, deaf) == clip
    assert solid.noted("render") == 1


@pytest.mark.parametrize("keeps", [False, True])
def test_stages_of_one_take_are_dropped_when_it_is_published(
    store: Store, solid: Solid, tmp_path: Path, *, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_KEEP_LATENTS", str(int(keeps)))
    (order,) = ordered(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    latents, text = Stage("a" * 64, "latents", take=order.take.key), Stage("b" * 64, "text")
    for stage in (latents, text):
        store.stages.keep(stage, b"numbers")
    render_take(order, WarmRenderer(store.stages), CPU, store, deaf)

    assert (store.stages.find(latents) is not None) is keeps
    assert store.stages.find(text) == b"numbers"


def test_a_renderer_gets_the_later_takes_of_its_model(store: Store, solid: Solid, tmp_path: Path) -> None:
    shots = {"1/010": a_take("a"), "1/020": a_take("x", model=OTHER_CARD), "1/030": a_take("b"), "1/040": a_take("c")}
    found = ordered(film(tmp_path, shots), store, solid)
    warm = WarmRenderer()
    for order in found:
        render_take(order, warm, CPU, store, deaf)
    lines = solid.diary.read_text().splitlines()
    assert [line for line in lines if line.startswith("prepare")] == [
        "prepare a b c",
        "prepare b c",
        "prepare c",
        "prepare x",
    ]


def test_a_renderer_that_ran_out_of_memory_is_reopened_with_less(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("a"), "1/020": a_take("b"), "1/030": a_take("c")})
    first, second, third = ordered(plan, store, solid)
    warm = WarmRenderer()
    for order in (first, replace(second, tighter=1), replace(third, tighter=1)):
        render_take(order, warm, CPU, store, deaf)
    assert solid.noted("open") == 2
