"""Colours that a picture's file states, and pictures of more than 8 bits: what becomes of them."""

from __future__ import annotations

import functools
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from tests.test_plates import plate_of, profile_with_swapped_primaries, refusal, saved
from wan_render.errors import PictureError
from wan_render.facts import FactCache
from wan_render.plates import PictureFacts, picture_facts
from wan_render.plates.hdr import pq_light, pq_signal
from wan_render.take import CONFORM_VERSION, FINE_CONFORM_VERSION, Size

Samples = NDArray[Any]
Chunk = tuple[bytes, bytes]

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

PQ_2020, HLG_2020, P3, SRGB_CICP = (
    (b"cICP", bytes(points)) for points in ((9, 16, 0, 1), (9, 18, 0, 1), (12, 13, 0, 1), (1, 13, 0, 1))
)
LINEAR, GAMMA_22 = ((b"gAMA", struct.pack(">I", gamma)) for gamma in (100_000, 45_455))
REC_709_CHRM = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))


@pytest.fixture
def cache(tmp_path: Path) -> FactCache:
    return FactCache(tmp_path / "cache")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(file: Path, samples: Samples, *before: Chunk, after: tuple[Chunk, ...] = ()) -> Path:
    """(height, width[, channels]) of uint8 or uint16 as a PNG with chunks before and after its pixels."""
    depth, order = (16, ">u2") if samples.dtype == np.uint16 else (8, "u1")
    height, width = samples.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples[0, 0].size]
    rows = b"".join(b"\0" + row.astype(order).tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", head), *before, (b"IDAT", zlib.compress(rows, 1)), *after, (b"IEND", b""))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))
    return file


def flat(colour: tuple[float, ...], most: int = 65535, size: int = 64) -> Samples:
    """One colour, each channel 0 to 1."""
    samples = np.array([round(part * most) for part in colour], np.uint16 if most > 255 else np.uint8)
    return np.broadcast_to(samples, (size, size, len(colour))).copy()


def mean(plate: Samples) -> Samples:
    return np.asarray(plate.reshape(-1, 3).mean(axis=0))


def told(file: Path, cache: FactCache) -> tuple[str, str]:
    facts = picture_facts(file, cache)
    return "; ".join(facts.notes), "; ".join(facts.warnings)


def srgb(light: float) -> float:
    """IEC 61966-2-1, 0 to 255."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


# --- HDR -------------------------------------------------------------------------------------------


def test_pq_is_that_of_bt_2100() -> None:
    """Signals of ITU-R BT.2408-7, table 1 and of the curve's ends."""
    signals = pq_signal(np.array([0.0, 10, 100, 203, 1000, 10_000]))
    assert signals == pytest.approx([0.0, 0.30, 0.508, 0.581, 0.752, 1.0], abs=0.002)
    assert pq_light(signals) == pytest.approx([0, 10, 100, 203, 1000, 10_000], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("light", "level"),
    [(0, 0), (20.3, srgb(0.1)), (36.5, srgb(0.18)), (80, srgb(80 / 203)), (1000, 255), (4000, 255)],
)
def test_pq_is_tone_mapped(tmp_path: Path, cache: FactCache, light: float, level: float) -> None:
    """203 cd/m² is the display's white; what is dark enough is as it was, 1000 cd/m² and more are white."""
    signal = float(pq_signal(np.array(light)))
    file = png(tmp_path / "a.png", flat((signal,) * 3), PQ_2020)
    assert mean(plate_of(file, cache)) == pytest.approx([level] * 3, abs=0.6)
    notes, warnings = told(file, cache)
    assert "HDR (PQ, Rec. 2020)" in warnings
    assert "16 bits" in notes


def test_brighter_light_stays_brighter(tmp_path: Path, cache: FactCache) -> None:
    signal = np.linspace(0, float(pq_signal(np.array(1000.0))), 256)
    ramp = np.repeat(np.round(signal * 65535).astype(np.uint16)[None, :, None], 64, axis=0).repeat(3, axis=2)
    plate = plate_of(png(tmp_path / "a.png", ramp, PQ_2020), cache)
    levels = plate.reshape(64, 32, 8, 3).mean(axis=(0, 2, 3))  # dithered: 8 columns tell
    assert (np.diff(levels) >= 0).all()
    white = np.searchsorted(signal, float(pq_signal(np.array(203.0)))) // 8
    assert 220 < levels[white] < 240, "paper is nearly white, and highlights have room above it"


@pytest.mark.parametrize(("signal", "light"), [(0.0, 0.0), (0.5, 1000 * (1 / 12) ** 1.2), (1.0, 1000.0)])
def test_hlg_is_shown_by_its_system_gamma(tmp_path: Path, cache: FactCache, signal: float, light: float) -> None:
    """HLG of a signal is as bright as PQ of the light that BT.2100 shows for it."""
    hlg = mean(plate_of(png(tmp_path / "a.png", flat((signal,) * 3), HLG_2020), cache))
    pq = mean(plate_of(png(tmp_path / "b.png", flat((float(pq_signal(np.array(light))),) * 3), PQ_2020), cache))
    assert hlg == pytest.approx(pq, abs=0.5)
    assert "HDR (HLG, Rec. 2020)" in told(tmp_path / "a.png", cache)[1]


def test_the_hue_of_a_highlight_stays(tmp_path: Path, cache: FactCache) -> None:
    light = np.array((800.0, 400.0, 400.0))
    signal = tuple(float(part) for part in pq_signal(light))
    red, green, blue = mean(plate_of(png(tmp_path / "a.png", flat(signal), (b"cICP", bytes((1, 16, 0, 1)))), cache))
    assert green == pytest.approx(blue, abs=0.5)
    linear = [((level / 255 + 0.055) / 1.055) ** 2.4 for level in (red, green)]
    assert linear[0] / linear[1] == pytest.approx(2, abs=0.03)


def test_8_bits_of_hdr_are_tone_mapped_too(tmp_path: Path, cache: FactCache) -> None:
    file = png(tmp_path / "a.png", flat((0.5,) * 3, 255), PQ_2020)
    light = float(pq_light(np.array(128 / 255)))
    assert light < 110
    assert mean(plate_of(file, cache)) == pytest.approx([srgb(light / 203)] * 3, abs=4)
    assert "16 bits" not in told(file, cache)[0]


# --- other statements ------------------------------------------------------------------------------

ADOBE_TO_XYZ = ((0.57667, 0.18556, 0.18823), (0.29734, 0.62736, 0.07529), (0.02703, 0.07069, 0.99134))
XYZ_TO_SRGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
"""Adobe RGB (1998) Color Image Encoding, 4.3.5.3, and IEC 61966-2-1: published, not ours."""


P3_TO_SRGB = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))
"""Apple's Display P3 to sRGB, linear, as CSS Color 4 has it in its sample code, to four places."""


def of_p3(colour: tuple[float, float, float]) -> list[float]:
    light = np.where(np.array(colour) <= 0.04045, np.array(colour) / 12.92, ((np.array(colour) + 0.055) / 1.055) ** 2.4)
    return [srgb(float(np.clip(part, 0, 1))) for part in np.array(P3_TO_SRGB) @ light]


def of_adobe(colour: tuple[float, float, float]) -> list[float]:
    light = np.array(XYZ_TO_SRGB) @ np.array(ADOBE_TO_XYZ) @ np.array(colour) ** 2.19921875
    return [srgb(float(np.clip(part, 0, 1))) for part in light]


def exif(space: int, index: str | None = None) -> bytes:
    data = Image.Exif()
    data.get_ifd(0x8769)[0xA001] = space
    if index is not None:
        data.get_ifd(0x8769)[0xA005] = {1: index}
    return data.tobytes()


@pytest.mark.parametrize("ending", ["jpg", "webp", "png"])  # Pillow writes no such TIFF
def test_adobe_rgb_by_exif_is_converted(tmp_path: Path, cache: FactCache, ending: str) -> None:
    colour = (0.8, 0.5, 0.3)
    options = {"exif": exif(65535, "R03"), "quality": 100} | ({"lossless": True} if ending == "webp" else {})
    file = saved(tmp_path / f"a.{ending}", np.asarray(flat(colour, 255)), **options)
    assert mean(plate_of(file, cache)) == pytest.approx(of_adobe((204 / 255, 128 / 255, 76 / 255)), abs=2)
    assert "Adobe RGB" in told(file, cache)[0]


@pytest.mark.parametrize(("space", "index", "warned"), [(1, "R98", False), (65535, None, True), (1, "R03", False)])
def test_exif_that_does_not_say_adobe_rgb_changes_nothing(
    tmp_path: Path, cache: FactCache, space: int, index: str | None, *, warned: bool
) -> None:
    file = saved(tmp_path / "a.png", np.asarray(flat((0.8, 0.5, 0.3), 255)), exif=exif(space, index))
    assert mean(plate_of(file, cache)) == pytest.approx([204, 128, 76])
    assert ("not sRGB" in told(file, cache)[1]) is warned
    assert picture_facts(file, cache).conform == CONFORM_VERSION


def test_linear_light_by_gama_is_converted(tmp_path: Path, cache: FactCache) -> None:
    for name, samples in (("deep.png", flat((0.5, 0.18, 0.01))), ("plain.png", flat((0.5, 0.18, 0.01), 255))):
        file = png(tmp_path / name, samples, LINEAR)
        expected = [srgb(round(part * 255) / 255 if name == "plain.png" else part) for part in (0.5, 0.18, 0.01)]
        assert mean(plate_of(file, cache)) == pytest.approx(expected, abs=0.6)
        assert "linear light" in told(file, cache)[0]


def test_display_p3_is_converted(tmp_path: Path, cache: FactCache) -> None:
    file = png(tmp_path / "a.png", flat((0.7, 0.6, 0.3)), P3)
    assert mean(plate_of(file, cache)) == pytest.approx(of_p3((0.7, 0.6, 0.3)), abs=0.6)
    assert "Display P3" in told(file, cache)[0]


@pytest.mark.parametrize("bits", [8, 10])
def test_an_avif_says_by_nclx_what_it_is(tmp_path: Path, cache: FactCache, bits: int) -> None:
    file, most = tmp_path / "a.avif", (1 << bits) - 1
    value = round(0.5081 * most)  # 100 cd/m²
    picture = np.full((64, 64, 3), value, np.uint8 if bits == 8 else np.uint16)
    done, data = cv2.imencode(".avif", picture, [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100])
    assert done
    at = (content := bytearray(data.tobytes())).index(b"nclx") + 4
    struct.pack_into(">HH", content, at, 9, 16)
    file.write_bytes(content)
    assert mean(plate_of(file, cache)) == pytest.approx([srgb(98 / 203)] * 3, abs=2.5)
    notes, warnings = told(file, cache)
    assert "HDR (PQ, Rec. 2020)" in warnings
    assert ("10 bits" in notes) is (bits == 10)


def test_10_bits_of_an_avif_are_used(tmp_path: Path, cache: FactCache) -> None:
    picture = np.full((64, 64, 3), 401, np.uint16)  # between 99 and 100 of 255
    _, data = cv2.imencode(".avif", picture, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100])
    (tmp_path / "a.avif").write_bytes(data.tobytes())
    assert mean(plate_of(tmp_path / "a.avif", cache)) == pytest.approx([401 * 255 / 1023] * 3, abs=0.26)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((P3, LINEAR, REC_709_CHRM), "P3"),
        ((P3, (b"iCCP", b"odd\0\0" + zlib.compress(profile_with_swapped_primaries()))), "P3"),
        ((SRGB_CICP, (b"iCCP", b"odd\0\0" + zlib.compress(profile_with_swapped_primaries()))), "sRGB"),
        (((b"iCCP", b"odd\0\0" + zlib.compress(profile_with_swapped_primaries())), LINEAR), "profile"),
        (((b"sRGB", b"\0"), LINEAR, REC_709_CHRM), "sRGB"),
        ((LINEAR, REC_709_CHRM), "linear"),
        (((b"cICP", bytes((2, 2, 0, 1))), LINEAR), "linear"),
        ((GAMMA_22, REC_709_CHRM), "sRGB"),
        ((), "sRGB"),
    ],
)
@pytest.mark.parametrize("most", [255, 65535])
def test_the_statement_that_counts_is_png_s(
    tmp_path: Path, cache: FactCache, chunks: tuple[Chunk, ...], expected: str, most: int
) -> None:
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2), most), *chunks)
    right = {
        "sRGB": [204, 102, 51],
        "P3": of_p3((0.8, 0.4, 0.2)),
        "profile": [51, 102, 204],
        "linear": [srgb(part) for part in (0.8, 0.4, 0.2)],
    }[expected]
    assert mean(plate_of(file, cache)) == pytest.approx(right, abs=1.6)


@pytest.mark.parametrize(
    "body",
    [b"", b"\1", bytes((9, 99, 0, 1)), bytes((200, 16, 0, 1)), bytes((9, 16, 1, 1))],
    ids=lambda body: body.hex(),
)
def test_an_unknown_cicp_is_told_and_left_out(tmp_path: Path, cache: FactCache, body: bytes) -> None:
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2), 255), (b"cICP", body))
    assert mean(plate_of(file, cache)) == pytest.approx([204, 102, 51])
    assert "cICP" in told(file, cache)[1]


@pytest.mark.parametrize(
    "chunks",
    [
        ((b"gAMA", struct.pack(">I", 0)),),
        ((b"gAMA", struct.pack(">I", 1)),),
        ((b"gAMA", struct.pack(">I", 2**31)),),
        ((b"cHRM", b"\0" * 32),),
        ((b"cHRM", struct.pack(">8I", *[33000] * 8)), LINEAR),
    ],
    ids=["no gamma", "gamma of black", "gamma of white", "no primaries", "one point"],
)
def test_impossible_colours_are_told_and_left_out(tmp_path: Path, cache: FactCache, chunks: tuple[Chunk, ...]) -> None:
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2), 255), *chunks)
    assert mean(plate_of(file, cache)) == pytest.approx([204, 102, 51])
    assert "impossible" in told(file, cache)[1]


@pytest.mark.parametrize(
    "chunks",
    [((b"acTL", struct.pack(">II", 2, 0)),), (PQ_2020, SRGB_CICP), ((b"cICP", b"\1"),), ((b"iCCP", b"p\0\0junk"),)],
    ids=["animation", "two statements", "damaged statement", "damaged profile"],
)
def test_16_bits_are_read_in_silence_whatever_lies_beside_them(
    tmp_path: Path, cache: FactCache, capfd: pytest.CaptureFixture[str], chunks: tuple[Chunk, ...]
) -> None:
    """libpng writes its complaints to the terminal by itself."""
    file = png(tmp_path / "a.png", flat((0.5,) * 3), *chunks)
    plate_of(file, cache)
    assert "16 bits per channel: dithered" in told(file, cache)[0]
    assert capfd.readouterr() == ("", "")


def test_narrow_range_is_widened(tmp_path: Path, cache: FactCache) -> None:
    samples = np.full((64, 64, 3), 16, np.uint8)
    samples[:32] = 235
    plate = plate_of(png(tmp_path / "a.png", samples, (b"cICP", bytes((1, 1, 0, 0)))), cache)
    assert (plate[0, 0, 0], plate[-1, -1, 0]) == (255, 0)


def test_the_primaries_of_a_tiff_are_converted(tmp_path: Path, cache: FactCache) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[318] = tags.tagtype[319] = 5
    tags[318], tags[319] = (0.3127, 0.3290), (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    file = saved(tmp_path / "a.tiff", np.asarray(flat((0.8, 0.4, 0.2), 255)), tiffinfo=tags)
    assert mean(plate_of(file, cache)) == pytest.approx(of_p3((0.8, 0.4, 0.2)), abs=1.6)


def test_cielab_is_converted(tmp_path: Path, cache: FactCache) -> None:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    image = ImageCms.applyTransform(Image.new("RGB", (64, 64), (200, 100, 50)), transform)
    assert image is not None
    file = saved(tmp_path / "a.tiff", image)
    assert mean(plate_of(file, cache)) == pytest.approx([200, 100, 50], abs=3)
    assert "CIELAB" in told(file, cache)[0]


# --- more than 8 bits ------------------------------------------------------------------------------


def deep_tiff(file: Path, samples: Samples) -> Path:
    assert cv2.imwrite(str(file), samples if samples.shape[2] == 1 else samples[..., ::-1])
    return file


WRITERS: dict[str, Callable[[Path, Samples], Path]] = {"a.png": png, "a.tiff": deep_tiff}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_gradient_of_16_bits_is_dithered(tmp_path: Path, cache: FactCache, name: str, channels: int) -> None:
    """Over 8 levels of 8 bits there are no steps: 8 columns have the mean of what they were."""
    ramp = np.linspace(100 * 257, 108 * 257, 512).round().astype(np.uint16)
    samples = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (64, 512, channels)))
    file = WRITERS[name](tmp_path / name, samples)
    plate = plate_of(file, cache)
    means = plate[..., 0].reshape(64, 64, 8).mean(axis=(0, 2))
    assert means == pytest.approx(ramp.reshape(64, 8).mean(axis=1) / 257, abs=0.1)
    assert np.array_equal(plate, plate_of(file, cache)), "the same picture is always dithered alike"
    assert "16 bits per channel: dithered to 8" in told(file, cache)[0]
    assert not told(file, cache)[1]


def test_a_level_that_8_bits_have_is_not_dithered(tmp_path: Path, cache: FactCache) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3)).astype(np.uint16)
    assert np.array_equal(plate_of(png(tmp_path / "a.png", noise * 257), cache), noise)


@pytest.mark.parametrize("name", WRITERS)
def test_16_bits_are_scaled_and_cropped_like_8(tmp_path: Path, cache: FactCache, name: str) -> None:
    rough = np.random.default_rng(1).integers(0, 256, (9, 16, 3), np.uint8)
    picture = np.asarray(Image.fromarray(rough).resize((320, 180), Image.Resampling.BICUBIC))
    deep = plate_of(WRITERS[name](tmp_path / name, picture.astype(np.uint16) * 257), cache, Size(96, 96))
    plain = plate_of(saved(tmp_path / "b.png", picture), cache, Size(96, 96))
    assert np.abs(deep.astype(int) - plain).max() <= 1


def test_16_bits_are_composited_over_black(tmp_path: Path, cache: FactCache) -> None:
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2, 0.5)))
    assert mean(plate_of(file, cache)) == pytest.approx([102, 51, 25.5], abs=0.5)
    assert "transparency" in told(file, cache)[1]


def turned_tiff(file: Path, samples: Samples, orientation: int) -> Path:
    """OpenCV cannot write the tag: its list of tags is written again at the end of the file."""
    content = bytearray(deep_tiff(file, samples).read_bytes())
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    tags = [bytes(content[at : at + 12]) for at in range(start + 2, start + 2 + 12 * count, 12)]
    tags = sorted([*tags, struct.pack("<HHIHH", 274, 3, 1, orientation, 0)], key=lambda tag: tag[1::-1])
    struct.pack_into("<I", content, 4, len(content))
    file.write_bytes(content + struct.pack("<H", len(tags)) + b"".join(tags) + b"\0" * 4)
    return file


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WRITERS)
def test_16_bits_are_turned_upright(tmp_path: Path, cache: FactCache, name: str, orientation: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint16) * 257
    data = Image.Exif()
    data[0x0112] = orientation
    plain = saved(tmp_path / "plain.png", (noise // 257).astype(np.uint8), exif=data)
    if name == "a.png":
        file = png(tmp_path / name, noise, (b"eXIf", data.tobytes().removeprefix(b"Exif\0\0")))
    else:
        file = turned_tiff(tmp_path / name, noise, orientation)
    assert np.array_equal(plate_of(file, cache), plate_of(plain, cache))
    assert "dithered" in told(file, cache)[0]


@pytest.mark.parametrize("profile", [SRGB_PROFILE, profile_with_swapped_primaries()], ids=["sRGB", "odd"])
def test_a_profile_converts_16_bits_as_it_converts_8(tmp_path: Path, cache: FactCache, profile: bytes) -> None:
    """LittleCMS does the 8 bits, and we the 16: they agree."""
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint16)
    packed = (b"iCCP", b"p\0\0" + zlib.compress(profile))
    deep = plate_of(png(tmp_path / "a.png", noise * 257, packed), cache)
    plain = plate_of(png(tmp_path / "b.png", noise.astype(np.uint8), packed), cache)
    assert np.abs(deep.astype(int) - plain).max() <= 1
    assert "dithered" in told(tmp_path / "a.png", cache)[0]


def test_a_profile_that_is_damaged_is_left_out_of_16_bits(tmp_path: Path, cache: FactCache) -> None:
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2)), (b"iCCP", b"p\0\0" + zlib.compress(b"junk")))
    assert mean(plate_of(file, cache)) == pytest.approx([204, 102, 51], abs=0.5)
    assert "cannot be read" in told(file, cache)[1]


def test_the_thumbnail_is_of_the_converted_picture(tmp_path: Path, cache: FactCache) -> None:
    facts = picture_facts(png(tmp_path / "a.png", flat((0.5, 0.18, 0.01)), LINEAR), cache)
    thumbnail = np.frombuffer(facts.thumbnail, np.uint8).reshape(16, 16, 3)
    assert mean(thumbnail) == pytest.approx([srgb(part) for part in (0.5, 0.18, 0.01)], abs=1)


# --- only what changed has a new key ---------------------------------------------------------------


def facts_of(file: Path, cache: FactCache) -> PictureFacts:
    return picture_facts(file, cache)


@pytest.mark.parametrize(
    ("samples", "chunks", "version"),
    [
        (flat((0.5,) * 3, 255), (), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), ((b"sRGB", b"\0"), GAMMA_22, REC_709_CHRM), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), (GAMMA_22,), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), (SRGB_CICP,), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), ((b"cICP", bytes((1, 1, 0, 1))),), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), ((b"iCCP", b"p\0\0" + zlib.compress(SRGB_PROFILE)),), CONFORM_VERSION),
        (flat((0.5,) * 4, 255), (), CONFORM_VERSION),
        (flat((0.5,) * 3, 255), (LINEAR,), FINE_CONFORM_VERSION),
        (flat((0.5,) * 3, 255), (PQ_2020,), FINE_CONFORM_VERSION),
        (flat((0.5,) * 3), (), FINE_CONFORM_VERSION),
        (flat((0.5,)), (), FINE_CONFORM_VERSION),
    ],
)
def test_only_what_is_read_otherwise_is_conformed_otherwise(
    tmp_path: Path, cache: FactCache, samples: Samples, chunks: tuple[Chunk, ...], version: str
) -> None:
    assert facts_of(png(tmp_path / "a.png", samples, *chunks), cache).conform == version


def test_the_former_version_reads_as_it_did(tmp_path: Path, cache: FactCache) -> None:
    file = png(tmp_path / "a.png", flat((0.5,) * 3), LINEAR)
    assert mean(plate_of(file, cache, conform=CONFORM_VERSION)) == pytest.approx([128] * 3, abs=1)


# --- what a PNG carries along ----------------------------------------------------------------------


def large_profile(size: int) -> bytes:
    """The profile with swapped primaries, with a private tag of random bytes behind it: deflated it stays large."""
    profile = bytearray(profile_with_swapped_primaries())
    profile += np.random.default_rng(1).integers(0, 256, size - len(profile), np.uint8).tobytes()
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def test_a_large_profile_is_used(tmp_path: Path, cache: FactCache) -> None:
    packed = (b"iCCP", b"p\0\0" + zlib.compress(large_profile(4_000_000), 1))
    file = png(tmp_path / "a.png", flat((0.8, 0.4, 0.2), 255), packed)
    assert mean(plate_of(file, cache)) == pytest.approx([51, 102, 204], abs=1.6)
    notes, warnings = told(file, cache)
    assert ("converted to sRGB" in notes, warnings) == (True, "")


@functools.cache
def bomb() -> bytes:
    return zlib.compress(b"\0" * 300_000_000, 9)


@pytest.mark.parametrize(
    ("kind", "made", "warning"),
    [
        (b"iCCP", lambda: b"p\0\0" + bomb(), "more than 16 MB"),
        (b"zTXt", lambda: b"Comment\0\0" + bomb(), ""),
        (b"iTXt", lambda: b"Comment\0\1\0en\0\0" + bomb(), ""),
        (b"tEXt", lambda: b"workflow\0" + b"x" * 40_000_000, ""),
    ],
    ids=["iCCP", "zTXt", "iTXt", "tEXt"],
)
@pytest.mark.parametrize("behind", [False, True], ids=["before", "after"])
def test_a_bomb_in_a_chunk_costs_nothing_and_the_picture_is_used(
    tmp_path: Path, cache: FactCache, kind: bytes, made: Callable[[], bytes], warning: str, *, behind: bool
) -> None:
    body = made()
    chunks = ((kind, body),) * 3 if kind == b"tEXt" else ((kind, body),)
    samples = flat((0.8, 0.4, 0.2), 255)
    if behind and kind == b"iCCP":
        return  # Pillow reads a profile before the pixels only
    file = png(tmp_path / "a.png", samples, *(() if behind else chunks), after=chunks if behind else ())
    tracemalloc.start()
    try:
        assert mean(plate_of(file, cache)) == pytest.approx([204, 102, 51])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 290_000_000  # 268 MB are reserved to read any file; the bomb is 300 MB
    assert warning in told(file, cache)[1]


# --- what is said is true --------------------------------------------------------------------------


@pytest.mark.parametrize(("orientation", "warned"), [(0, False), (9, True), (200, True)])
def test_an_orientation_that_does_not_exist_turns_nothing(
    tmp_path: Path, cache: FactCache, orientation: int, *, warned: bool
) -> None:
    data = Image.Exif()
    data[0x0112] = orientation
    file = saved(tmp_path / "a.jpg", np.asarray(flat((0.5,) * 3, 255)), exif=data)
    notes, warnings = told(file, cache)
    assert "upright" not in notes
    assert (f"({orientation})" in warnings) is warned


def test_damaged_exif_does_not_spoil_the_picture(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", np.asarray(flat((0.5,) * 3, 255)), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert mean(plate_of(file, cache)) == pytest.approx([128] * 3)


def tiff_with_compression(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "TIFF")
    content = bytearray(buffer.getvalue())
    at = content.index(struct.pack("<HHIH", 259, 3, 1, 1))
    struct.pack_into("<H", content, at + 8, number)
    return bytes(content)


def float_tiff() -> bytes:
    return bytes(cv2.imencode(".tiff", np.full((64, 64, 3), 0.5, np.float32))[1].tobytes())


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.tiff", float_tiff(), "floating-point"),
        ("a.tiff", tiff_with_compression(34712), "of an unsupported kind"),
        ("a.exr", b"v/1\x01\2\0\0\0" + b"\0" * 64, "OpenEXR"),
        ("a.hdr", b"#?RADIANCE\n", "Radiance HDR"),
        ("a.dpx", b"SDPX" + b"\0" * 64, "DPX"),
        ("a.jxl", b"\xff\x0a" + b"\0" * 64, "JPEG XL"),
    ],
)
def test_what_is_not_read_is_called_so_and_not_damaged(
    tmp_path: Path, cache: FactCache, name: str, data: bytes, found: str
) -> None:
    (tmp_path / name).write_bytes(data)
    said = refusal(tmp_path / name, cache)
    assert found in said
    assert "cut off" not in said


def test_damage_is_facts_or_a_reason_and_nothing_else(tmp_path: Path, cache: FactCache) -> None:
    """In what is read here and not by Pillow: chunks, boxes, profiles."""
    dice = np.random.default_rng(7)
    packed = (b"iCCP", b"p\0\0" + zlib.compress(SRGB_PROFILE))
    first = png(tmp_path / "first.png", flat((0.8, 0.4, 0.2), size=32), P3, LINEAR, REC_709_CHRM, packed)
    avif = cv2.imencode(".avif", np.full((32, 32, 3), 500, np.uint16), [cv2.IMWRITE_AVIF_DEPTH, 10])[1].tobytes()
    outcomes = {"facts": 0, "refused": 0}
    for ending, content in (("png", first.read_bytes()), ("avif", avif)):
        for round_ in range(100):
            data = bytearray(content)
            for at in dice.integers(8, len(data), 3):
                data[at] = dice.integers(0, 256)
            file = tmp_path / f"{round_}.{ending}"
            file.write_bytes(_with_checksums(data) if ending == "png" else data)
            try:
                plate_of(file, cache)
                outcomes["facts"] += 1
            except PictureError:
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, outcomes


def _with_checksums(data: bytearray) -> bytes:
    """A PNG whose chunks have the checksums of what is in them now."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)
