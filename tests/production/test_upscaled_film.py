"""A film whose takes are upscaled: every picture at the film's size, each take kept, continued after a stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.media.films import luma
from tests.production.storyboards import ANIMATIC, Stage
from tests.upscale.networks import published
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.devices import cpu
from wan_render.errors import Problem, Stopped
from wan_render.facts import FactCache
from wan_render.farm.device_finisher import DeviceFinisher
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.plan import FilmPlan, make_plan
from wan_render.production.clip_finisher import ClipWork, FinishesClips
from wan_render.production.failures import failures
from wan_render.production.film_stages import FilmStage
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.status import film_bytes, film_stage_seconds
from wan_render.store import FilmVersion, Store
from wan_render.store.films import read_film
from wan_render.storyboard import read_storyboard
from wan_render.upscale.clip_upscaler import ClipToUpscale, ClipUpscaler

pytestmark = pytest.mark.wan

SHOTS = "shots: [{from: a, to: b}, {still: c}, {from: b, to: c}, {card: Fin}]"
ON_CPU = ClipUpscaler("cpu").upscale


@dataclass
class Counting:
    """Upscales, and keeps the names of clips. It stops at the clip `stop_at`."""

    stop_at: int = 99
    done: list[str] = field(default_factory=list)

    def __call__(self, job: ClipWork, progress: Callable[[int, int], None]) -> None:
        assert isinstance(job, ClipToUpscale)
        self.done.append(job.clip.parent.name)

        def heard(frames: int, total: int) -> None:
            progress(frames, total)
            if len(self.done) == self.stop_at and frames == total:
                raise Stopped(Problem("test", "stopped"))

        ON_CPU(job, heard)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FilmPlan]:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    published(tmp_path / "weights", monkeypatch)
    stage = Stage.made(tmp_path / "stage")

    def planned(upscale: str, more: str = "") -> FilmPlan:
        film = f"film: {{title: Harbour, raster: 64x48, deliver: 128x72, upscale: {upscale}{more}}}"
        file = stage.folder / "harbour.yaml"
        defaults = "defaults: {duration: 5f, transition: cut}\nkeyframes: keyframes/"
        file.write_text(f"version: 1\n{film}\n{defaults}\n{SHOTS}")
        cache = FactCache(stage.folder / "cache")
        document = read_storyboard(file, models=catalogue(cache), cache=cache)
        return make_plan(document, models=catalogue(cache), backend_id=ANIMATIC.id, cache=cache)

    return planned


def made(plan: FilmPlan, store: Store, work: FinishesClips, stages: list[FilmStage] | None = None) -> FilmVersion:
    with begin(plan, ANIMATIC, store) as run:
        with LocalFarm((cpu(),), store.root) as farm:
            outcomes = render_all(run.orders, farm)
        heard = [] if stages is None else stages
        return finish(run, failures(outcomes), work=work, progress=heard.append)


@pytest.mark.slow
def test_a_stopped_film_goes_on_with_the_next_take_and_is_equal(
    plan: Callable[[str], FilmPlan], tmp_path: Path
) -> None:
    whole, stages = Counting(), list[FilmStage]()
    expected = made(plan("realesrgan"), Store(tmp_path / "whole"), whole, stages)
    assert len(whole.done) == 2
    names = list(dict.fromkeys(stage.name for stage in stages))
    assert names == ["upscale 1/010", "upscale 1/030", "encode"]
    assert [stage.share for stage in stages] == sorted(stage.share for stage in stages)
    frames = list(luma(expected.video))
    assert frames[0].shape[-1] == 128
    assert "128 × 72, upscaled by realesrgan (video)" in expected.page.read_text(encoding="utf-8")
    assert read_film(expected.folder).tags["upscaled"] == "to 128x72 by realesrgan (video)"
    upscaled, plain = plan("realesrgan"), plan("lanczos")
    kept = Store(tmp_path / "whole").intermediates.kept()
    assert 0.2 < (film_bytes(upscaled) - film_bytes(plain)) / sum(each.bytes for each in kept) < 2
    assert film_stage_seconds(upscaled)["upscale"] > 0 == film_stage_seconds(plain)["upscale"]

    store = Store(tmp_path / "stopped")
    with pytest.raises(Stopped):
        made(plan("realesrgan"), store, Counting(stop_at=2))
    assert store.films.versions("harbour") == ()
    continued = Counting()
    film = made(plan("realesrgan"), store, continued)
    assert continued.done == whole.done[1:]
    assert film.video.read_bytes() == expected.video.read_bytes()
    assert made(plan("realesrgan"), store, continued).reused


@pytest.mark.slow
def test_strength_and_fit_are_part_of_what_is_kept_and_lanczos_is_a_stage_of_its_own(
    plan: Callable[..., FilmPlan], tmp_path: Path
) -> None:
    store, work = Store(tmp_path / "store"), Counting()
    full = made(plan("realesrgan"), store, work)
    half = made(plan("{method: realesrgan, strength: 0.5}"), store, work)
    plain = made(plan("lanczos"), store, work)
    assert len(work.done) == 4
    one, two, three = (np.stack(list(luma(film.video))).astype(int) for film in (full, half, plain))
    assert np.abs(one[:4] - three[:4]).mean() > np.abs(two[:4] - three[:4]).mean() > 0.1
    assert np.abs(two[:4] - three[:4]).mean() < 12  # the same place, the same brightness
    barred = made(plan("realesrgan", ", fit: contain"), store, work)
    assert len(work.done) == 6
    assert max(frame[:72, -16:].max() for frame in luma(barred.video)) <= 17


@pytest.mark.slow
@pytest.mark.thorough  # test_device_lending lends a device, and the next test upscales in a process on one
def test_a_farm_at_work_lends_its_device(plan: Callable[[str], FilmPlan], tmp_path: Path) -> None:
    """The farm holds the only device until it ends, as in a night."""
    store = Store(tmp_path / "store")
    with begin(plan("realesrgan"), ANIMATIC, store) as run, LocalFarm((cpu(),), store.root) as farm:
        outcomes = render_all(run.orders, farm)
        with DeviceFinisher(store.root, pytest.fail, farm.lending) as device:
            film = finish(run, failures(outcomes), work=device)
    assert film.frames == 20


@pytest.mark.slow
def test_a_device_process_upscales_and_is_gone_afterwards(plan: Callable[[str], FilmPlan], tmp_path: Path) -> None:
    """Its weights are those of the file: the process knows nothing of this test's."""
    store = Store(tmp_path / "store")
    with DeviceFinisher(store.root) as device:
        film = made(plan("realesrgan"), store, device)
        process = device.pid
        assert process
    assert not Path(f"/proc/{process}").exists()
    assert film.frames == 20
    assert (store.root / "logs").glob("finish-*.log")
