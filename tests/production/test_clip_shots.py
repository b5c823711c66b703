"""Films with video files: their frames, their length, their sound in time."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.footage.videos import grey, greys, video
from tests.media.films import luma
from tests.media.probing import probe
from tests.production.solid import CPU, Solid
from tests.reference import produce
from tests.sound.sounds import burst, heard, level, place, silence, wav
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.footage.any_video import read_video
from wan_render.footage.footage_part import FootagePart
from wan_render.media.clip import write_pictures
from wan_render.media.ffmpeg import run
from wan_render.plan import FilmPlan, PlannedJoint, make_plan
from wan_render.plates import conform
from wan_render.sound.soundtrack import RATE
from wan_render.store import FilmVersion, Store
from wan_render.storyboard import read_storyboard
from wan_render.take import Plate, Size
from wan_render.upscaling import LANCZOS

FILM = "film: {raster: 128x96, deliver: 128x96, aspect: 4:3, rate: %s}\n"


def planned(folder: Path, shots: str, rate: str = "24") -> FilmPlan:
    file = folder / "film.yaml"
    file.write_text(FILM % rate + shots)
    return planned_file(file)


def planned_file(file: Path) -> FilmPlan:
    cache = FactCache(file.parent / "cache")
    models = catalogue(cache)
    document = read_storyboard(file, models=models, cache=cache)
    return make_plan(document, models=models, backend_id="solid/1", cache=cache)


def made(plan: FilmPlan, folder: Path) -> FilmVersion:
    return produce(plan, Solid(folder / "diary.txt"), Store(folder / "outputs"), CPU)


def shown(film: FilmVersion, folder: Path) -> list[int]:
    """The frame of the tests' video that each frame of the film shows."""
    frames = list(read_video(film.video, 1000, lambda _: None))
    write_pictures(folder / "seen.mkv", frames, Size(128, 96), Fraction(24))
    return greys(folder / "seen.mkv", len(frames))


def test_a_clip_is_shown_at_its_own_speed_with_its_sound(tmp_path: Path) -> None:
    silent = video(tmp_path / "silent.mp4")
    sound = wav(tmp_path / "sound.wav", silence(0.6), burst(0.2), silence(0.2))
    run(["-i", str(silent), "-i", str(sound), "-c:v", "copy", "-ac", "6", "-y", str(tmp_path / "boat.mp4")])
    plan = planned(
        tmp_path,
        "shots:\n"
        "  - {card: x, duration: 1s}\n"
        "  - {clip: boat.mp4, in: 0.2s, out: 0.9s, hold: 0.5s}\n"
        "  - {clip: silent.mp4, clip_sound: on}\n"
        "audio: {loudness: off}\n",
    )
    film = made(plan, tmp_path)
    assert probe(film.video).frames == 24 + 17 + 12 + 24  # 1.001 s are 24 frames
    seen = shown(film, tmp_path)
    rate = Fraction(30000, 1001)
    for k, at in enumerate(seen[24:41]):
        assert abs(at - (6 + k * rate / 24)) <= 1
    assert seen[41:53] == [seen[40]] * 12
    assert seen[53] == 0
    assert seen[-1] in (28, 29)
    heard_at = place(burst(0.2), heard(film.video)) / RATE
    assert heard_at == pytest.approx(1 + 0.6 - 6 / rate, abs=1 / 48)  # `in` is frame 6
    assert level(heard(film.video)[int(2.3 * RATE) :]) < -60
    assert made(plan, tmp_path).reused
    page = film.page.read_text(encoding="utf-8")
    assert [page.count(f"<figcaption>{name}</figcaption>") for name in ("first", "middle", "last")] == [2, 2, 2]
    assert (film.folder / "review" / "2-middle.jpg").is_file()
    assert re.search(r"00:00:01:00</span> <span[^>]*>sound, 0\.[67] s</span> <span[^>]*>boat\.mp4", page)
    timeline = json.loads((film.folder / "cut.otio").read_text(encoding="utf-8"))
    clips = [each for each in timeline["tracks"]["children"][0]["children"] if each["name"] == "1/020"]
    (reference,) = clips[0]["media_references"].values()
    assert (film.folder / reference["target_url"]).resolve() == (tmp_path / "boat.mp4").resolve()
    assert clips[0]["source_range"]["start_time"]["value"] == round(6 / rate * 24)
    assert [each["source_range"]["duration"]["value"] for each in clips] == [17, 12]


def test_the_sound_can_be_off_or_quieter(tmp_path: Path) -> None:
    silent = video(tmp_path / "silent.mp4", frames=10)
    sound = wav(tmp_path / "sound.wav", burst(0.3))
    run(["-i", str(silent), "-i", str(sound), "-c:v", "copy", "-y", str(tmp_path / "a.mp4")])
    assert planned(tmp_path, "shots: [{clip: a.mp4, clip_sound: off}]").soundtrack is None
    track = planned(tmp_path, "shots: [{clip: a.mp4, clip_sound: -6dB}]").soundtrack
    assert track is not None
    assert [each.gain for each in track.sounds] == [-6]


def stripes(target: Path) -> Path:
    """A video of 256x192 with stripes two pixels wide, which 128x96 pixels cannot show."""
    row = np.where(np.arange(256) // 2 % 2, 200, 40).astype(np.uint8)
    picture = np.broadcast_to(row[None, :, None], (192, 256, 3))
    source = target.with_suffix(".source.mkv")
    write_pictures(source, [picture] * 3, Size(256, 192), Fraction(24))
    run(["-i", str(source), "-c:v", "libx264rgb", "-qp", "0", "-y", str(target)])
    return target


def test_a_clip_that_is_larger_than_the_raster_keeps_its_detail(tmp_path: Path) -> None:
    stripes(tmp_path / "a.mkv")
    assert planned(tmp_path, "shots: [{clip: a.mkv}]").upscale is None
    (tmp_path / "large.yaml").write_text(
        FILM.replace("deliver: 128x96", "deliver: 256x192") % 24 + "shots: [{clip: a.mkv}, {duration: 3f, action: x}]"
    )
    plan = planned_file(tmp_path / "large.yaml")
    assert plan.upscale == LANCZOS
    assert not any("detail" in str(warning) for warning in plan.warnings)
    film = made(plan, tmp_path)
    frames = list(luma(film.video))
    contrast = [float(frame[60:132, 40:216].std()) for frame in frames]
    assert min(contrast[:3]) > 40, "the stripes are there"
    assert contrast[-1] < 1, "a take is plain"
    assert {frame.shape[1] for frame in frames} == {256}


def test_rates_of_films_and_clips(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", frames=12, rate=Fraction(24000, 1001))
    nearly = planned(tmp_path, "shots: [{clip: a.mp4}]").shots[0]
    assert nearly.rate is None
    assert nearly.frames == 12
    native = planned(tmp_path, "shots: [{clip: a.mp4}]", rate="native")
    assert native.rate == Fraction(24000, 1001)
    retimed = planned(tmp_path, "shots: [{clip: a.mp4, fit: contain}]", rate="48").shots[0]
    assert retimed.rate == Fraction(24000, 1001)
    assert isinstance(retimed.content, FootagePart)
    assert retimed.content.frames == 12


@pytest.mark.parametrize(
    ("shot", "words"),
    [
        ("clip: a.mp4, in: 2s", "shots[0].in: a.mp4 is 0.40 s long; `in` is before its end"),
        ("clip: a.mp4, out: 2s", "shots[0].out: a.mp4 is 0.40 s long"),
        ("clip: a.mp4, duration: 2s", "shots[0].duration: a.mp4 is 0.40 s long"),
        ("clip: text.mp4", "text.mp4 cannot be read as a video"),
        ("from: {clip: a.mp4, frame: 12}", "a.mp4 has 12 frames, 0.40 s"),
        ("from: {clip: a.mp4, frame: end}", "'end' is not a frame of a video file"),
        ("card: x, clip_sound: off", "'clip_sound' without 'clip'"),
        ("still: x, focus: [0, 0]", "'focus' without 'clip'"),
    ],
)
def test_mistakes(shot: str, words: str, tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", frames=12)
    (tmp_path / "text.mp4").write_text("words\n" * 500)
    with pytest.raises(StoryboardError) as error:
        planned(tmp_path, f"shots: [{{{shot}}}]")
    assert words in str(error.value)


def test_a_gap_between_two_clips_is_filled_from_frame_to_frame(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", frames=12, rate=Fraction(24))
    video(tmp_path / "b.mp4", frames=10, rate=Fraction(24))
    shots = (
        "shots:\n"
        "  - {clip: a.mp4}\n"
        "  - {from: {clip: a.mp4, frame: last}, to: {clip: b.mp4, frame: first}, action: blue, duration: 0.5s}\n"
        "  - {clip: b.mp4}\n"
    )
    plan = planned(tmp_path, shots)
    assert [shot.joint.kind for shot in plan.shots if shot.joint] == ["continuous", "continuous"]
    assert [shot.frames for shot in plan.shots] == [11, 12, 10]
    take = plan.takes[0]
    assert isinstance(take.first, Plate)
    pixels = conform(plan.pictures[take.first.picture], take.first)
    assert abs(float(pixels.mean()) - grey(11)) < 2
    film = made(plan, tmp_path)
    seen = shown(film, tmp_path)
    for shown_frame, at in zip(seen[:11] + seen[-10:], [*range(11), *range(10)], strict=True):
        assert abs(shown_frame - at) <= 1

    (tmp_path / "renamed.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    named = shots.replace("{clip: a.mp4, frame: last}", "end").replace("{clip: a.mp4}", "{clip: renamed.mp4}")
    again = planned(tmp_path, f"keyframes: {{end: {{clip: renamed.mp4, frame: 11}}}}\n{named}")
    assert again.takes[0].key == take.key
    assert again.shots[0].joint == PlannedJoint("cut")
