"""Pure patches through the encoder and back: the colours that a player shows."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.media.films import Shelf, cut_of, film
from tests.media.pictures import clip
from wan_render.cut import Event
from wan_render.media.ffmpeg import program
from wan_render.media.preview import write_preview
from wan_render.plan import StillPicture
from wan_render.render_values import Pixels
from wan_render.take import Plate, Size

RASTER = Size(832, 480)
PATCHES = np.array(
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)],
        [(0, 255, 255), (255, 0, 255), (255, 255, 255), (0, 0, 0)],
        [(128, 128, 128), (200, 120, 80), (30, 90, 160), (250, 200, 10)],
        [(12, 12, 12), (240, 240, 240), (90, 20, 60), (64, 160, 96)],
    ],
    np.uint8,
)


def patches() -> Pixels:
    return np.repeat(np.repeat(PATCHES, RASTER.height // 4, axis=0), RASTER.width // 4, axis=1)


def seen(file: Path) -> NDArray[np.float64]:
    """The middle of every patch of the last frame, decoded as yuv420p and inverted by BT.709 in TV range."""
    with av.open(str(file)) as container:
        *_, frame = container.decode(video=0)
        assert frame.format.name == "yuv420p"
        return patches_of(np.asarray(frame.to_ndarray(), np.uint8))


def patches_of(decoded: Pixels) -> NDArray[np.float64]:
    """The same of a frame in yuv420p: luma above chroma."""
    planes = decoded.astype(np.float64)
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    y = planes[:height]
    u, v = (part.reshape(height // 2, width // 2) for part in np.split(planes[height:].reshape(-1), 2))
    rows, columns = (np.arange(4) * 2 + 1) * height // 8, (np.arange(4) * 2 + 1) * width // 8
    y, u, v = y[np.ix_(rows, columns)], u[np.ix_(rows // 2, columns // 2)], v[np.ix_(rows // 2, columns // 2)]
    return _rgb((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)


def _rgb(y: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.709-6, 3.2 to 3.4, solved for R, G, B; 0 to 255."""
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.stack([red, green, blue], axis=-1) * 255


@pytest.mark.parametrize("delivery", [RASTER, Size(1280, 720), Size(640, 368)], ids=str)
def test_a_film_shows_the_colours_of_its_pictures(tmp_path: Path, delivery: Size) -> None:
    shelf = Shelf(tmp_path, {"patches": patches()})
    event = Event("1/010", StillPicture(Plate("patches", RASTER)), 0, 3)
    file = film(cut_of(event, size=RASTER, delivery=delivery), shelf)
    assert np.abs(seen(file) - PATCHES).max() < 4


def test_a_clip_and_its_preview_show_the_same_colours(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mkv", np.stack([patches()] * 3))
    write_preview(file, tmp_path / "preview.mp4")
    assert np.abs(seen(tmp_path / "preview.mp4") - PATCHES).max() < 4


def test_films_and_previews_are_tagged(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [10, 20, 30])
    write_preview(shelf.clip("a"), tmp_path / "preview.mp4")
    for file in (film(cut_of(Event("1/010", source, 0, 3)), shelf), tmp_path / "preview.mp4"):
        with av.open(str(file)) as container:
            context = container.streams.video[0].codec_context
            tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tags == (1, 1, 1, 1)  # BT.709 three times and TV range, by ITU-T H.273 and by FFmpeg's enumeration


def edge(size: Size, axis: int, at: int) -> Pixels:
    """One colour up to row (axis 0) or column (axis 1) `at`, another from there on."""
    places = np.moveaxis(np.zeros((size.height, size.width, 3), np.uint8), axis, 0)
    places[:at], places[at:] = (220, 90, 90), (60, 128, 128)
    return np.ascontiguousarray(np.moveaxis(places, 0, axis))


def chroma_shift(file: Path, axis: int, at: float) -> float:
    """Where chroma samples lie, in luma pixels right of (below) the middle of the 2x2 pixels that each stands for.

    As many samples have the first colour as lie before the edge; a sampling grid that lies further left has more.
    """
    with av.open(str(file)) as container:
        *_, frame = container.decode(video=0)
        planes = frame.to_ndarray().astype(np.float64)
    red = planes[frame.height :].reshape(2, frame.height // 2, frame.width // 2)[1]
    line = red.mean(axis=1 - axis)
    before, after = line[2:8].mean(), line[-8:-2].mean()
    return at - 2 * float(((line - after) / (before - after)).sum())


@pytest.mark.parametrize(("axis", "expected"), [(0, 0.0), (1, -0.5)], ids=["down", "across"])
@pytest.mark.parametrize("delivery", [Size(416, 240), Size(624, 360)], ids=str)
def test_chroma_is_sited_as_h264_says(tmp_path: Path, delivery: Size, axis: int, expected: float) -> None:
    """Left: halfway between two rows, aligned with the left one of two columns."""
    raster, shifts = Size(416, 240), []
    scale = Fraction(delivery.height, raster.height)
    for at in range(100, 104):  # an edge at a whole sample is kept by any grid: the mean of four tells
        shelf = Shelf(tmp_path, {"edge": edge(raster, axis, at)})
        event = Event("1/010", StillPicture(Plate("edge", raster)), 0, 2)
        shifts.append(chroma_shift(film(cut_of(event, size=raster, delivery=delivery), shelf), axis, float(at * scale)))
    assert np.mean(shifts) == pytest.approx(expected, abs=0.15)


def test_previews_and_films_have_the_same_chroma_siting(tmp_path: Path) -> None:
    shifts = []
    for at in range(100, 104):
        file = clip(tmp_path / "clip.mkv", np.stack([edge(Size(416, 240), 1, at)] * 2))
        write_preview(file, tmp_path / "preview.mp4")
        shifts.append(chroma_shift(tmp_path / "preview.mp4", 1, at))
    assert np.mean(shifts) == pytest.approx(-0.5, abs=0.15)


def test_films_and_previews_are_tagged_with_their_chroma_siting(tmp_path: Path) -> None:
    """In the header of the stream: mp4 has no field for it, and PyAV does not report it."""
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [10, 20, 30])
    write_preview(shelf.clip("a"), tmp_path / "preview.mp4")
    for file in (film(cut_of(Event("1/010", source, 0, 3)), shelf), tmp_path / "preview.mp4"):
        command = [program(), "-i", str(file), "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
        fields = {words[-4]: words[-1] for line in lines if "chroma_" in line and len(words := line.split()) > 3}
        assert fields["chroma_loc_info_present_flag"] == "1"
        assert (
            fields["chroma_sample_loc_type_top_field"] == fields["chroma_sample_loc_type_bottom_field"] == "0"
        )  # left


def test_square_pixels(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/010", shelf.levels("a", [10, 20]), 0, 2)
    file = film(cut_of(event, delivery=Size(120, 66), rate=Fraction(24)), shelf)
    with av.open(str(file)) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)
