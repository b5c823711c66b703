"""Deliverables through their codecs and back: colours, tags, sound, timecode, gradients, and equal bytes."""

from __future__ import annotations

import struct
import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.plane import VideoPlane
from numpy.typing import NDArray
from PIL import Image

from tests.media.films import Shelf, cut_of
from tests.media.pictures import noise
from tests.media.test_colour import PATCHES
from wan_render.authored import DeliverableForm
from wan_render.cut import Cut, Event
from wan_render.media.deliverable_codecs import VIDEO_FORMS
from wan_render.media.deliverable_encode import DeliverableWork, write_video
from wan_render.media.deliverable_pictures import write_gif, write_poster, write_sequence, write_webp
from wan_render.plan import PlannedDeliverable, StillPicture
from wan_render.render_values import Pixels
from wan_render.take import Plate, Size

RASTER = Size(320, 192)
RATE = Fraction(24)
MASTERS: tuple[DeliverableForm, ...] = ("prores422hq", "prores4444")

COLOUR_TOLERANCE: dict[DeliverableForm, float] = {
    "png": 0,
    "prores4444": 0.5,
    "prores422hq": 0.5,
    "hevc10": 1,
    "av1": 1,
    "preview": 2,
    "webp": 2,
    "gif": 1,
}
"""How far a patch may be off, in levels of 0 to 255. Measured: 0, 0.2, 0.3, 0.6, 0.5, 1.1, 1, and 0 for the GIF, whose
palette has room for all 16."""

MOST_BANDING: dict[DeliverableForm, float] = {"prores4444": 0.08, "prores422hq": 0.08, "hevc10": 0.15, "av1": 0.3}
"""Levels of 8 bits that the mean of 16 columns may be off. Measured: 0.03, 0.04, 0.08, 0.22. H.264: 0.75."""


def patches() -> Pixels:
    return np.repeat(np.repeat(PATCHES, RASTER.height // 4, axis=0), RASTER.width // 4, axis=1)


def still(picture: Pixels, frames: int, folder: Path, **changes: Any) -> tuple[Cut, Shelf]:
    event = Event("1/010", StillPicture(Plate("it", RASTER)), 0, frames)
    return replace(cut_of(event, size=RASTER, delivery=RASTER, rate=RATE), **changes), Shelf(folder, {"it": picture})


def made(form: DeliverableForm, cut: Cut, shelf: Shelf, **changes: Any) -> Path:
    """Make a deliverable at the size of the cut's delivery."""
    planned = PlannedDeliverable(form, cut.delivery, cut.rate, cut.frames)
    work = DeliverableWork(planned, cut, shelf, **changes)
    suffix = VIDEO_FORMS[form].suffix if form in VIDEO_FORMS else {"png": "", "gif": ".gif", "webp": ".webp"}[form]
    target = shelf.folder / f"it-{form}{suffix}"
    target.unlink(missing_ok=True)
    writers = {"png": write_sequence, "gif": write_gif, "webp": write_webp}
    writers.get(form, write_video)(work, target, lambda _done, _total: None)
    return target


def decoded(file: Path) -> NDArray[np.float64]:
    """The last frame as levels, (height, width, 3) RGB, 0 to 255: YUV is inverted by BT.709 in TV range."""
    if file.is_dir():
        return np.asarray(Image.open(max(file.glob("*.png"))).convert("RGB"), np.float64)
    if file.suffix in (".gif", ".webp"):
        picture = Image.open(file)
        picture.seek(getattr(picture, "n_frames", 1) - 1)
        return np.asarray(picture.convert("RGB"), np.float64)
    with av.open(str(file)) as container:
        *_, frame = container.decode(video=0)
    y, u, v = (_samples(frame, plane) for plane in frame.planes)
    across, down = y.shape[1] // u.shape[1], y.shape[0] // u.shape[0]
    u, v = (np.repeat(np.repeat(part, down, axis=0), across, axis=1) for part in (u, v))
    y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    return np.stack([red, (y - 0.2126 * red - 0.0722 * blue) / 0.7152, blue], axis=-1) * 255


def _finer(frame: av.VideoFrame) -> int:
    """Steps to one of 8 bits. FFmpeg decodes ProRes 4444 to 12 bits, whatever it was made of."""
    return 1 << (frame.format.components[0].bits - 8)


def _samples(frame: av.VideoFrame, plane: VideoPlane) -> NDArray[np.float64]:
    """A plane in steps of 8 bits, with fractions."""
    coded = np.frombuffer(bytes(plane), np.dtype("<u2" if _finer(frame) > 1 else "u1"))
    return coded.reshape(plane.height, -1)[:, : plane.width].astype(np.float64) / _finer(frame)


def middles(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width, _ = picture.shape
    rows, columns = (np.arange(4) * 2 + 1) * height // 8, (np.arange(4) * 2 + 1) * width // 8
    return picture[np.ix_(rows, columns)]


@pytest.mark.parametrize("form", COLOUR_TOLERANCE)
def test_a_deliverable_shows_the_colours_of_the_film(tmp_path: Path, form: DeliverableForm) -> None:
    cut, shelf = still(patches(), 3, tmp_path)
    off = np.abs(middles(decoded(made(form, cut, shelf))) - PATCHES).max()
    assert off <= COLOUR_TOLERANCE[form]


@pytest.mark.parametrize("form", ["hevc10", "av1", *MASTERS, "preview"])
def test_a_video_file_is_tagged_and_has_sound(tmp_path: Path, form: DeliverableForm) -> None:
    cut, shelf = still(patches(), 3, tmp_path)
    tags = {"storyboard": "river.yaml"}
    file = made(form, cut, shelf, tags=tags, timecode="01:00:00:00", reel="river_v001")
    with av.open(str(file)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        context = video.codec_context
        colours = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert colours == (1, 1, 1, 1)  # BT.709 three times and TV range
        assert container.metadata["storyboard"] == "river.yaml"
        assert (video.frames, video.average_rate) == (3, RATE)
        assert (sound.rate, sound.codec_context.name) == (48000, "pcm_s24le" if form in MASTERS else "aac")
        assert context.pix_fmt == ("yuv444p12le" if form == "prores4444" else VIDEO_FORMS[form].pixels)
        if form in MASTERS:
            timecode = container.streams.data[0].metadata
            assert (timecode["timecode"], timecode["reel_name"]) == ("01:00:00:00", "river_v001")
            assert context.codec_tag == {"prores422hq": "apch", "prores4444": "ap4h"}[form]
            assert b"apl0" in file.read_bytes()
        if form == "hevc10":
            assert context.codec_tag == "hvc1"
    assert _atoms(file).index(b"moov") < _atoms(file).index(b"mdat"), "it can be played while it is loaded"


def _atoms(file: Path) -> list[bytes]:
    data, at, found = file.read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append(name)
        at += size or len(data)
    return found


@pytest.mark.parametrize("form", ["hevc10", "av1", *MASTERS, "png", "gif", "webp"])
def test_a_deliverable_made_again_has_equal_bytes(tmp_path: Path, form: DeliverableForm) -> None:
    files, size = [], Size(240, 144) if form == "gif" else Size(480, 288)  # a GIF of noise takes its seconds
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shelf = Shelf(tmp_path / name)
        cut = cut_of(Event("1/010", shelf.put("a", noise(5, RASTER)), 0, 5), size=RASTER, delivery=size)
        file = made(form, cut, shelf)
        files.append([each.read_bytes() for each in sorted(file.glob("*"))] if file.is_dir() else file.read_bytes())
    assert files[0] == files[1]


def test_frames_that_are_not_scaled_are_exact_in_a_sequence(tmp_path: Path) -> None:
    shelf, pixels = Shelf(tmp_path), noise(3, RASTER)
    cut = cut_of(Event("1/010", shelf.put("a", pixels), 0, 3), size=RASTER, delivery=RASTER)
    folder = made("png", cut, shelf)
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.iterdir())]
    assert [file.name for file in sorted(folder.iterdir())] == [f"it-png.{at:06}.png" for at in (1, 2, 3)]
    assert np.array_equal(np.stack(pictures), pixels)


@pytest.mark.parametrize("form", MOST_BANDING)
def test_a_dark_ramp_does_not_band(tmp_path: Path, form: DeliverableForm) -> None:
    """A ramp from 0 to 255 at 1/31 of its brightness has 8 levels of 8 bits, which show as bands 40 pixels wide. With
    10 bits and dither, the mean of every 16 columns is where it should be."""
    ramp = np.broadcast_to(np.linspace(0, 255, RASTER.width)[None, :, None].round(), (RASTER.height, RASTER.width, 3))
    cut, shelf = still(ramp.astype(np.uint8), 31, tmp_path, fade_out=31)
    ideal = ramp[0, :, 0] / 31

    def banding(picture: NDArray[np.float64]) -> float:
        means = picture.mean(axis=(0, 2)).reshape(-1, 16).mean(axis=1)
        return float(np.abs(means - ideal.reshape(-1, 16).mean(axis=1)).max())

    file = made(form, cut, shelf)
    assert banding(_frame(file, 29)) < MOST_BANDING[form]
    assert banding(_frame(made("preview", cut, shelf), 29)) > 0.5, "8 bits do"


def _frame(file: Path, number: int) -> NDArray[np.float64]:
    """Frame `number` as grey levels: luma only."""
    with av.open(str(file)) as container:
        frame = list(container.decode(video=0))[number]
    levels = (_samples(frame, frame.planes[0]) - 16) * 255 / 219
    return np.repeat(levels[:, :, None], 3, axis=2)


def test_a_master_has_the_mix_as_pcm(tmp_path: Path) -> None:
    cut, shelf = still(patches(), 12, tmp_path)
    mix = tmp_path / "mix.wav"
    samples = (np.sin(np.arange(24000) * 0.05) * 20000).astype("<i2")
    with wave.open(str(mix), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(np.repeat(samples, 2).tobytes())
    with av.open(str(made("prores422hq", cut, shelf, mix=mix))) as container:
        heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    assert np.array_equal(heard.astype(np.int64) >> 16, np.repeat(samples, 2))


def test_a_poster_is_one_frame_of_the_film(tmp_path: Path) -> None:
    shelf, pixels = Shelf(tmp_path), noise(5, RASTER)
    cut = cut_of(Event("1/010", shelf.put("a", pixels), 0, 5), size=RASTER, delivery=RASTER)
    work = DeliverableWork(PlannedDeliverable("poster", RASTER, RATE, 1), cut, shelf)
    write_poster(work, 3, tmp_path / "poster.png", lambda _done, _total: None)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "poster.png").convert("RGB")), pixels[3])


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_looping_film_has_every_second_frame_of_a_fast_one(tmp_path: Path, form: DeliverableForm) -> None:
    shelf = Shelf(tmp_path)
    cut = replace(cut_of(Event("1/010", shelf.put("a", noise(9, RASTER), RATE), 0, 9), size=RASTER), rate=RATE)
    planned = PlannedDeliverable(form, Size(160, 96), Fraction(12), 5)
    target = tmp_path / f"it.{form}"
    write = write_gif if form == "gif" else write_webp
    write(DeliverableWork(planned, cut, shelf), target, lambda _done, _total: None)
    picture = Image.open(target)
    assert (picture.size, getattr(picture, "n_frames", 1), picture.info["loop"]) == ((160, 96), 5, 0)
