from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue

import pytest
from PIL import Image

from tests.media.probing import probe
from tests.production.solid import CPU, SIZE, Solid, a_take, film, painted, rendered
from tests.reference import produce
from wan_render.errors import (
    DiskError,
    DiskFullError,
    FfmpegKilledError,
    FfmpegMissingError,
    InputError,
    Problem,
    Stopped,
    WeightsError,
)
from wan_render.media import ffmpeg
from wan_render.plan import FilmPlan
from wan_render.plan.film_plan import CardText, NotYet, StillPicture
from wan_render.production.failures import failures
from wan_render.production.film_stages import FilmStage
from wan_render.production.finish import finish
from wan_render.production.render_take import render_take
from wan_render.production.run import begin
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import Device, Phase, Progress
from wan_render.session.forecast_text import forecast
from wan_render.status import State, status
from wan_render.store import FilmVersion, Store, read_film
from wan_render.take import Size, Take

SPAWN = get_context("spawn")


@pytest.fixture
def solid(tmp_path: Path) -> Solid:
    return Solid(tmp_path / "diary.txt")


def made(plan: FilmPlan, store: Store, solid: Solid) -> FilmVersion:
    return produce(plan, solid, store, CPU)


def test_a_film_is_made_with_its_page_and_its_lists(store: Store, solid: Solid, tmp_path: Path) -> None:
    plate, pictures = painted(tmp_path, 30)
    dawn = a_take("dawn", first=plate)
    dawn = replace(dawn, sampling=replace(dawn.sampling, guided_share=0.75))
    plan = film(
        tmp_path,
        {"1/010": dawn, "1/020": StillPicture(plate), "1/030": CardText("Fin")},
        pictures,
    )

    version = made(plan, store, solid)

    assert (version.name, version.frames, version.slates, version.reused) == ("v001", 15, {}, False)
    facts = probe(version.video)
    assert (facts.frames, facts.size) == (15, Size(128, 96))
    names = {path.name for path in version.folder.iterdir()}
    assert {"film.mp4", "index.html", "shots.csv", "plan.json", "cut.json", "film.json", "contact.png"} <= names
    planned = json.loads((version.folder / "plan.json").read_text(encoding="utf-8"))
    assert [shot["state"] for shot in planned["shots"]] == ["missing", "found", "found"]
    cut = json.loads((version.folder / "cut.json").read_text(encoding="utf-8"))
    assert [event["name"] for event in cut["events"]] == ["1/010", "1/020", "1/030"]
    assert facts.tags["title"] == "River"
    assert f"1/010 take {dawn.key[:8]} seed 100 steps 1" in facts.tags["shots"]
    assert " in the first 75 % shift " in facts.tags["shots"]
    assert read_film(version.folder).tags.items() <= facts.tags.items()
    assert "1/010" in version.page.read_text(encoding="utf-8")
    assert list((store.films.folder / "river").glob(".part-*")) == []


def test_an_unchanged_film_is_not_made_again(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn")})
    first = made(plan, store, solid)

    again = made(plan, store, solid)

    assert again == replace(first, reused=True)
    assert solid.noted("render") == 1


def test_a_changed_film_is_the_next_version_and_renders_what_changed(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    first = made(film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")}), store, solid)
    before = first.video.read_bytes()

    second = made(film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("dusk")}), store, solid)

    assert second.name == "v002"
    assert first.video.read_bytes() == before
    assert solid.noted("render") == 3
    assert store.record(a_take("dusk").key).provenance.why == "prompt changed"


def test_renamed_and_reordered_shots_render_nothing(store: Store, solid: Solid, tmp_path: Path) -> None:
    made(film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")}), store, solid)

    renamed = film(tmp_path, {"2/020": a_take("noon"), "2/010": a_take("dawn")})
    version = made(renamed, store, solid)

    assert (version.name, version.slates) == ("v002", {})
    assert solid.noted("render") == 2
    assert {"2/010", "2/020"} <= set(store.memory.remembered("river")), (
        "found takes are remembered under their new names"
    )


def test_a_damaged_clip_is_set_aside_and_rendered_again(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")})
    first = made(plan, store, solid)
    _spoil(store, a_take("noon").key)

    again = made(plan, store, solid)

    assert again == replace(first, reused=True), "equal clips make an equal film"
    assert store.takes.damaged(a_take("noon").key) is not None
    assert solid.noted("render noon") == 2
    assert solid.noted("render dawn") == 1
    assert store.record(a_take("noon").key).provenance.why == "its clip was damaged"


def test_a_clip_that_is_damaged_before_the_film_is_made_becomes_a_slate(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")})
    made(plan, store, solid)
    with begin(plan, solid, store) as run:
        _spoil(store, a_take("noon").key)
        version = finish(run, failures({}))

    assert set(version.slates) == {"1/020"}
    assert "damaged" in version.slates["1/020"]
    assert made(plan, store, solid).slates == {}


def test_a_failed_shot_is_a_slate_and_the_next_run_retries_it(store: Store, solid: Solid, tmp_path: Path) -> None:
    version = made(film(tmp_path, {"1/010": a_take("fail"), "1/020": a_take("noon")}), store, solid)

    assert version.slates == {"1/010": "spilt"}
    assert version.frames == 10
    assert "spilt" in version.page.read_text(encoding="utf-8")
    assert store.find(a_take("noon").key) is not None

    made(film(tmp_path, {"1/010": a_take("fail"), "1/020": a_take("noon")}), store, solid)
    assert solid.noted("begin fail") == 2


def test_what_cannot_be_rendered_yet_is_a_slate_that_says_so(store: Store, solid: Solid, tmp_path: Path) -> None:
    version = made(film(tmp_path, {"1/010": NotYet("`through` comes later")}), store, solid)

    assert version.slates == {"1/010": "`through` comes later"}


def test_a_still_whose_picture_was_replaced_is_a_slate(store: Store, solid: Solid, tmp_path: Path) -> None:
    plate, pictures = painted(tmp_path, 30)
    plan = film(tmp_path, {"1/010": StillPicture(plate)}, pictures)
    Image.new("RGB", (128, 96), "white").save(tmp_path / "30.png")

    assert list(made(plan, store, solid).slates) == ["1/010"]


def test_a_machine_that_fails_every_shot_makes_a_film_of_slates(store: Store, solid: Solid, tmp_path: Path) -> None:
    version = made(film(tmp_path, {"1/010": a_take("die")}), store, solid)

    assert version.slates == {"1/010": "paint spilt; run the same command again to retry"}
    assert probe(version.video).frames == 5


def test_with_a_full_disk_the_film_is_made_of_existing_takes(store: Store, solid: Solid, tmp_path: Path) -> None:
    version = made(film(tmp_path, {"1/010": a_take("full"), "1/020": a_take("noon")}), store, solid)

    assert version.slates == {"1/010": "paint spilt"}


def ffmpeg_that(folder: Path, *lines: str) -> str:
    """A program that runs these lines of shell, then ffmpeg."""
    file = folder / "ffmpeg.sh"
    file.write_text("\n".join(["#!/bin/sh", *lines, f"exec '{ffmpeg.program()}' \"$@\""]) + "\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "PAUSE_SECONDS", 0.0)


@pytest.mark.usefixtures("hurried")
def test_an_ffmpeg_that_is_killed_once_costs_nothing(
    store: Store, solid: Solid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it lists its features, during the preview, and during the film."""
    mark = 'case "$*" in *preview.mp4*) what=preview ;; *film.mp4*) what=film ;; *) what=list ;; esac'
    once = '[ -e "$0.$what" ] || { touch "$0.$what"; kill -9 $$; }'
    monkeypatch.setenv("WAN_RENDER_FFMPEG", ffmpeg_that(tmp_path, mark, once))
    version = made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)

    assert (version.slates, solid.noted("render")) == ({}, 1)
    assert store.record(a_take("dawn").key).provenance.remarks == ()
    said = [text for text in caplog.messages if text.startswith("retrying")]
    assert [text.split()[2].strip(":") for text in said] == ["list", "preview", "film"]
    assert all("was killed (signal 9)" in text for text in said)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("end", ["kill -9 $$", "exit 1"])
def test_a_preview_that_cannot_be_made_is_a_remark_and_is_made_with_the_next_film(
    store: Store,
    solid: Solid,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: str,
) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", ffmpeg_that(tmp_path, f'case "$*" in *preview.mp4*) {end} ;; esac'))
    first = made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)

    clip = store.verify(a_take("dawn").key)
    assert clip is not None
    assert (first.slates, clip.preview.exists()) == ({}, False)
    (remark,) = store.record(clip.key).provenance.remarks
    assert remark.startswith("its preview could not be made: ffmpeg ")
    assert f"{remark}; the film is made without it" in caplog.messages
    assert "its preview could not be made" in first.page.read_text(encoding="utf-8")

    monkeypatch.delenv("WAN_RENDER_FFMPEG")
    second = made(film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")}), store, solid)
    assert probe(clip.preview).frames == 5
    assert "its preview could not be made" not in second.page.read_text(encoding="utf-8")
    assert store.verify(clip.key) == clip
    assert solid.noted("render dawn") == 1


@pytest.mark.usefixtures("hurried")
def test_a_film_that_ffmpeg_cannot_make_is_reported_and_its_takes_are_kept(
    store: Store, solid: Solid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", ffmpeg_that(tmp_path, 'case "$*" in *film.mp4*) kill -11 $$ ;; esac'))
    with pytest.raises(FfmpegKilledError, match=r"no film was made: ffmpeg: was killed \(signal 11"):
        made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)

    assert store.find(a_take("dawn").key) is not None
    assert list((store.films.folder / "river").glob("v*")) == []


def test_an_ffmpeg_that_cannot_make_films_is_refused_before_anything_renders(
    store: Store, solid: Solid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = ffmpeg_that(tmp_path, f"'{ffmpeg.program()}' \"$@\" | grep -v libx264; exit 0")
    monkeypatch.setenv("WAN_RENDER_FFMPEG", poor)
    with pytest.raises(FfmpegMissingError, match="lacks encoder libx264"):
        made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)

    assert solid.noted("open") == 0


def test_a_page_that_cannot_be_made_costs_no_film(
    store: Store, solid: Solid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("wan_render.report.page.page_template", lambda _name: 1 / 0)
        version = made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    assert (version.name, version.page.exists()) == ("v001", False)
    assert probe(version.video).frames == 5
    assert "river v001 has no review page (ZeroDivisionError: division by zero)" in caplog.text

    again = made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    assert (again.name, again.page.exists()) == ("v002", True)


@pytest.mark.parametrize("name", ["night:22", "-", "%03d", "pipe:1|concat:a"])
def test_outputs_and_storyboards_may_be_in_folders_of_any_name(
    solid: Solid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    plate, pictures = painted(Path(name), 30)
    plan = film(Path(name), {"1/010": a_take("dawn", first=plate), "1/020": StillPicture(plate)}, pictures)
    version = made(plan, Store(Path(name) / "outputs"), solid)
    assert (version.slates, probe(version.video).frames) == ({}, 10)
    assert version.page.exists()


def test_a_run_that_needs_more_space_than_there_is_does_not_start(store: Store, solid: Solid, tmp_path: Path) -> None:
    enormous = replace(a_take("dawn"), frames=10**12)

    with pytest.raises(DiskError, match="are free"):
        made(film(tmp_path, {"1/010": enormous, "1/020": a_take("noon")}), store, solid)

    assert solid.noted("open") == 0


def test_a_disk_that_fills_up_while_a_take_is_written_leaves_nothing_half_published(
    solid: Solid, tmp_path: Path, small_disk: Path
) -> None:
    store = Store(small_disk / "outputs")
    plan = film(tmp_path, {"1/010": a_take("dawn")})

    def fill(progress: Progress) -> None:
        if progress.phase == Phase.WRITING:
            _fill(small_disk)

    with pytest.raises(DiskFullError, match=r"no film was made: .*/outputs: 0 MB are free"):
        produce(plan, solid, store, CPU, fill)

    assert store.find(a_take("dawn").key) is None
    (small_disk / "filler").unlink()
    assert made(plan, store, solid).slates == {}


def test_a_disk_that_fills_up_while_the_film_is_made_keeps_the_takes_and_shows_no_film(
    solid: Solid, tmp_path: Path, small_disk: Path
) -> None:
    store = Store(small_disk / "outputs")
    plan = film(tmp_path, {"1/010": a_take("dawn")})

    def fill(stage: FilmStage) -> None:
        assert stage.done <= stage.total
        _fill(small_disk)

    with begin(plan, solid, store) as run:
        produced = {order: render_take(order, WarmRenderer(), CPU, store, lambda _: None) for order in run.orders}
        with pytest.raises(DiskError):
            finish(run, failures(produced), progress=fill)

    assert store.films.versions("river") == ()
    (small_disk / "filler").unlink()
    assert made(plan, store, solid).name == "v001"
    assert solid.noted("render") == 1


def test_a_model_that_this_machine_lacks_is_named_before_anything_renders(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    lacking = replace(solid, lacking="no weights")

    with pytest.raises(WeightsError, match="no weights"):
        made(film(tmp_path, {"1/010": a_take("dawn")}), store, lacking)

    assert made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid).slates == {}
    assert made(film(tmp_path, {"1/010": a_take("dawn")}), store, lacking).reused, "what is there needs no model"


def approximate(prompt: str, seed: int = 100) -> Take:
    take = a_take(prompt, seed)
    return replace(take, sampling=replace(take.sampling, profile="fast"))


GPUS = tuple(Device(name, "a GPU", 1 << 30, f"GPU-{name}") for name in ("cuda:0", "cuda:1", "cuda:2"))


def test_a_profile_that_none_of_the_devices_can_render_is_refused_before_anything_renders(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": approximate("noon")})
    weak = replace(solid, weak=tuple(gpu.name for gpu in GPUS))
    refused = "profile 'fast': cuda:0, cuda:1, cuda:2: too weak; strong ones; buy another"
    with pytest.raises(WeightsError, match=refused), begin(plan, weak, store, devices=GPUS):
        pass
    assert solid.noted("open") == 0
    with begin(plan, weak, store, only=["1/010"], devices=GPUS) as run:
        assert run.confined == ()


def test_takes_are_barred_from_devices_that_cannot_render_their_profile_with_a_warning(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": approximate("noon")})
    with begin(plan, replace(solid, weak=("cuda:1", "cuda:2", "cuda:9")), store, devices=GPUS) as run:
        assert [order.barred for order in run.orders] == [frozenset(), {"cuda:1", "cuda:2"}]
        assert [order.barred for order in run.orders[0].later] == [{"cuda:1", "cuda:2"}]
        assert list(map(str, run.confined)) == [
            "profile 'fast': rendered on cuda:0, not on cuda:1, cuda:2: too weak; strong ones"
        ]


@pytest.mark.parametrize(
    ("exact", "fast", "words"),
    [
        (4, 0, "4 takes to render on 3 devices: about 5 s"),
        (0, 4, "4 takes to render on 1 device: about 10 s"),
        (5, 1, "6 takes to render on 3 devices: about 5 s"),
        (2, 4, "6 takes to render on 3 devices: about 10 s"),
    ],
)
def test_only_devices_that_can_render_a_take_count_in_the_expected_time(
    store: Store, solid: Solid, tmp_path: Path, exact: int, fast: int, words: str
) -> None:
    takes = [a_take("dawn", seed) for seed in range(exact)] + [approximate("noon", seed) for seed in range(fast)]
    plan = film(tmp_path, {f"1/{number:03}": take for number, take in enumerate(takes)})
    mixed = replace(solid, weak=("cuda:1", "cuda:2"))
    with begin(plan, mixed, store, devices=GPUS) as run:
        assert forecast(run.before, run.orders, GPUS, "auto").startswith(words)


def test_a_second_storyboard_with_the_slug_is_refused(store: Store, solid: Solid, tmp_path: Path) -> None:
    made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    other = tmp_path / "copy.yaml"
    other.touch()

    with pytest.raises(InputError, match="already belongs to"):
        made(replace(film(tmp_path, {"1/010": a_take("noon")}), file=other), store, solid)

    assert solid.noted("render") == 1


def test_a_pinned_clip_goes_into_the_film_and_nothing_is_rendered_for_it(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    pinned = film(tmp_path, {"1/010": rendered(a_take("dusk"), pin=a_take("dawn").key[:8])})

    version = made(pinned, store, solid)

    assert version.takes == (a_take("dawn").key,)
    assert solid.noted("render") == 1
    assert status(pinned, store, solid).shot("1/010").state == State.KEPT
    assert version.reused, "it is the very film that was there"


def test_a_pinned_clip_is_labelled_by_the_backend_that_rendered_it(store: Store, solid: Solid, tmp_path: Path) -> None:
    made(film(tmp_path, {"1/010": a_take("dawn")}), store, solid)
    real = replace(solid, id="real/1", is_preview=False)
    dusk = replace(a_take("dusk"), backend="real/1")
    plan = film(tmp_path, {"1/010": rendered(dusk, pin=a_take("dawn").key[:8]), "1/020": replace(dusk, seed=7)})
    plan = replace(plan, backend="real/1")

    events = json.loads((made(plan, store, real).folder / "cut.json").read_text())["events"]
    assert [event["preview"] for event in events] == ["", ""], "a backend that is not in the registry is no preview"

    events = json.loads((made(replace(plan, backend="solid/1"), store, solid).folder / "cut.json").read_text())[
        "events"
    ]
    assert [event["preview"] for event in events] == ["solid", ""]


def test_only_the_selected_shots_are_rendered(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")})
    with begin(plan, solid, store, only={"1/020"}) as run:
        assert [order.shot for order in run.orders] == ["1/020"]
        version = finish(run, failures({}))

    assert version.slates == {"1/010": "not rendered: not selected", "1/020": "not rendered"}


def test_waiting_for_the_film_of_another_run_is_reported(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn")})
    first = made(plan, store, solid)
    said = Queue[str]()
    found: list[FilmVersion] = []

    def second() -> None:
        with begin(plan, solid, store) as run:
            found.append(finish(run, failures({}), waiting=said.put))

    thread = threading.Thread(target=second)
    with store.films.lock("river", lambda: None):
        thread.start()
        assert re.fullmatch(r"waiting for .+ \(process \d+, since .+\) to finish the film river", said.get(timeout=60))
        with pytest.raises(Empty):
            said.get(timeout=1.5)  # once is enough
        assert found == []
    thread.join(60)

    assert found == [replace(first, reused=True)]


def test_stopping_ends_the_run_at_once(store: Store, solid: Solid, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise Stopped(Problem("run", f"stopped in {progress.phase}"))

    with pytest.raises(Stopped):
        produce(film(tmp_path, {"1/010": a_take("dawn")}), solid, store, CPU, stop)

    assert store.films.latest("river") is None


def _produce(plan: FilmPlan, solid: Solid, root: Path) -> None:
    produce(plan, solid, Store(root), CPU)


def test_a_killed_run_is_continued_without_rendering_a_finished_take_twice(
    store: Store, solid: Solid, tmp_path: Path
) -> None:
    plan = film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("sleep"), "1/030": a_take("noon")})
    process = SPAWN.Process(target=_produce, args=(plan, solid, store.root))
    process.start()
    while solid.noted("begin sleep") == 0:
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    version = made(plan, store, solid)

    assert version.slates == {}
    assert [solid.noted(f"render {prompt}") for prompt in ("dawn", "sleep", "noon")] == [1, 1, 1]
    assert list(store.takes.folder.glob(".part-*")) == []


def test_two_runs_at_once_make_one_film_and_render_each_take_once(store: Store, solid: Solid, tmp_path: Path) -> None:
    plan = film(tmp_path, {"1/010": a_take("sleep"), "1/020": a_take("noon")})
    processes = [SPAWN.Process(target=_produce, args=(plan, solid, store.root)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert [version.name for version in store.films.versions("river")] == ["v001"]
    assert solid.noted("render") == 2


def _fill(disk: Path) -> None:
    """Fill the disk."""
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
        while filler.write(bytes(1 << 12)):
            pass


def _spoil(store: Store, key: str) -> None:
    clip = store.find(key)
    assert clip is not None
    assert clip.size == SIZE
    data = bytearray(clip.video.read_bytes())
    data[len(data) // 2] ^= 1
    clip.video.write_bytes(data)
