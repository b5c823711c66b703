"""Keyframes: what is known of a picture's file, and how it becomes a plate."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.work import calls, opened_files
from wan_render.errors import PictureError
from wan_render.facts import FactCache
from wan_render.plates import conform, cover, crop_shown, picture_facts
from wan_render.plates.conform import DARKER, FRAME, FRAME_WIDTH
from wan_render.plates.reading import FORMATS, read_bytes
from wan_render.take import Plate, Size

Array = NDArray[np.uint8]
WIDE, HIGH = 96, 64


@pytest.fixture
def cache(tmp_path: Path) -> FactCache:
    return FactCache(tmp_path / "cache")


def quarters() -> Array:
    """Red, green over blue, white: every turn and flip of it is another picture."""
    pixels = np.zeros((HIGH, WIDE, 3), np.uint8)
    pixels[: HIGH // 2, : WIDE // 2] = (255, 0, 0)
    pixels[: HIGH // 2, WIDE // 2 :] = (0, 255, 0)
    pixels[HIGH // 2 :, : WIDE // 2] = (0, 0, 255)
    pixels[HIGH // 2 :, WIDE // 2 :] = (255, 255, 255)
    return pixels


def saved(file: Path, image: Image.Image | Array, **options: Any) -> Path:
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(file, **options)
    return file


def plate_of(file: Path, cache: FactCache, size: Size | None = None, **options: Any) -> Array:
    facts = picture_facts(file, cache)
    options.setdefault("conform", facts.conform)
    return conform(file, Plate(facts.digest, size or Size(facts.width, facts.height), **options))


def refusal(file: Path, cache: FactCache) -> str:
    with pytest.raises(PictureError) as caught:
        picture_facts(file, cache)
    (problem,) = caught.value.problems
    assert str(file) in problem.where
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems  # noqa: S301 - our own bytes
    return problem.found


# --- what can be used ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "webp", "tiff", "bmp", "gif"])
def test_lossless_formats_come_through_bit_exact(tmp_path: Path, cache: FactCache, ending: str) -> None:
    file = saved(tmp_path / f"a.{ending}", quarters(), **({"lossless": True} if ending == "webp" else {}))
    facts = picture_facts(file, cache)
    assert (facts.width, facts.height, facts.notes) == (WIDE, HIGH, ())
    assert np.array_equal(plate_of(file, cache), quarters())


@pytest.mark.parametrize("ending", ["jpg", "avif"])
def test_lossy_formats_come_through(tmp_path: Path, cache: FactCache, ending: str) -> None:
    file = saved(tmp_path / f"a.{ending}", np.full((HIGH, WIDE, 3), (200, 100, 50), np.uint8), quality=95)
    assert np.abs(plate_of(file, cache).astype(int) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_is_applied(tmp_path: Path, cache: FactCache, orientation: int) -> None:
    """A camera stores the picture turned; the viewer turns it back."""
    stored: dict[int, Callable[[Array], Array]] = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / "a.png", np.ascontiguousarray(stored[orientation](quarters())), exif=exif)
    facts = picture_facts(file, cache)
    assert (facts.width, facts.height) == (WIDE, HIGH)
    assert ("was turned upright by its EXIF orientation" in facts.notes) is (orientation != 1)
    assert np.array_equal(plate_of(file, cache), quarters())


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_composited_over_black_and_told(tmp_path: Path, cache: FactCache, mode: str) -> None:
    image = Image.new("RGBA", (64, 64), (200, 200, 200, 128))
    file = (
        saved(tmp_path / "a.tiff", image.convert(mode)) if mode != "PA" else saved(tmp_path / "a.png", image.quantize())
    )
    assert any("transparency" in warning for warning in picture_facts(file, cache).warnings)
    assert np.abs(plate_of(file, cache).astype(int) - 100).max() <= 2


def test_a_transparent_colour_key_is_transparent(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", quarters(), transparency=(255, 255, 255))
    expected = quarters()
    expected[HIGH // 2 :, WIDE // 2 :] = 0
    assert np.array_equal(plate_of(file, cache), expected)


def test_an_opaque_alpha_channel_is_nothing_to_tell(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", Image.fromarray(quarters()).convert("RGBA"))
    assert picture_facts(file, cache).notes == ()
    assert np.array_equal(plate_of(file, cache), quarters())


def test_16_bits_are_scaled_not_clipped(tmp_path: Path, cache: FactCache) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (64, 1))
    file = saved(tmp_path / "a.png", Image.fromarray(ramp))
    assert any("16 bits" in note for note in picture_facts(file, cache).notes)
    assert np.array_equal(plate_of(file, cache)[0, :, 0], np.arange(256))


def test_16_bits_of_colour_are_scaled_not_clipped(tmp_path: Path, cache: FactCache) -> None:
    """Pillow cannot write such a PNG, but others do."""
    ramp = np.tile((np.arange(256, dtype=np.uint16) * 257)[:, None], (64, 1, 3)).astype(">u2")
    file = tmp_path / "a.png"
    file.write_bytes(png(256, 64, b"".join(b"\0" + row.tobytes() for row in ramp), depth=16, colour=2))
    assert np.array_equal(plate_of(file, cache)[0, :, 0], np.arange(256))


def test_a_palette_is_looked_up(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", Image.fromarray(quarters()).quantize(4))
    assert np.array_equal(plate_of(file, cache), quarters())


def test_one_bit_is_black_and_white(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", Image.fromarray(quarters()[..., 2]).convert("1"))
    assert set(np.unique(plate_of(file, cache))) == {0, 255}


def test_cmyk_becomes_colour(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.jpg", Image.new("CMYK", (64, 64), (0, 255, 255, 0)), quality=100)
    assert any("CMYK" in warning for warning in picture_facts(file, cache).warnings)
    red, green, blue = plate_of(file, cache)[0, 0]
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_of_an_animation_the_first_picture_is_used_and_told(tmp_path: Path, cache: FactCache) -> None:
    frames = [Image.fromarray(np.full((64, 64, 3), value, np.uint8)) for value in (10, 200)]
    for ending, options in (("gif", {}), ("webp", {"lossless": True}), ("png", {}), ("tiff", {})):
        file = saved(tmp_path / f"a.{ending}", frames[0], save_all=True, append_images=frames[1:], **options)
        assert any("animated" in warning for warning in picture_facts(file, cache).warnings), ending
        assert plate_of(file, cache).max() == 10


def profile_with_swapped_primaries() -> bytes:
    """sRGB's profile with the colorants of red and blue exchanged: its red is shown blue."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    description = data.find("sRGB".encode("utf-16-be"))
    data[description : description + 8] = "odd!".encode("utf-16-be")
    return bytes(data)


def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path, cache: FactCache) -> None:
    file = saved(
        tmp_path / "a.png", Image.new("RGB", (64, 64), (255, 0, 0)), icc_profile=profile_with_swapped_primaries()
    )
    assert any("converted to sRGB" in note for note in picture_facts(file, cache).notes)
    red, green, blue = plate_of(file, cache)[0, 0]
    assert (blue > 250, red < 5, green < 5) == (True, True, True)


def test_a_profile_keeps_its_hands_off_transparency(tmp_path: Path, cache: FactCache) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 128))
    file = saved(tmp_path / "a.png", image, icc_profile=profile_with_swapped_primaries())
    assert abs(int(plate_of(file, cache)[0, 0, 2]) - 128) <= 2


def test_a_profile_of_srgb_changes_nothing_and_is_nothing_to_tell(tmp_path: Path, cache: FactCache) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = saved(tmp_path / "a.png", quarters(), icc_profile=profile)
    assert picture_facts(file, cache).notes == ()
    assert np.abs(plate_of(file, cache).astype(int) - quarters()).max() <= 1


@pytest.mark.parametrize("profile", [b"junk", b"\0" * 200])
def test_an_unreadable_profile_is_told_and_left_out(tmp_path: Path, cache: FactCache, profile: bytes) -> None:
    file = saved(tmp_path / "a.png", quarters(), icc_profile=profile)
    assert any("cannot be read" in warning for warning in picture_facts(file, cache).warnings)
    assert np.array_equal(plate_of(file, cache), quarters())


def test_a_profile_for_other_colours_is_told_and_left_out(tmp_path: Path, cache: FactCache) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = saved(tmp_path / "a.png", Image.new("L", (64, 64), 77), icc_profile=profile)
    assert any("other colours" in warning for warning in picture_facts(file, cache).warnings)
    assert np.all(plate_of(file, cache) == 77)


# --- what cannot be used ---------------------------------------------------------------------------


def png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 1)) + chunk(b"IEND", b"")


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "empty"),
    "text.png": (b"not a picture", "not a picture"),
    "drawing.png": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "web page"),
    "document.png": (b"%PDF-1.7\n", "PDF"),
    "print.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "PostScript"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "video.png": (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", "Git LFS"),
    "bomb.png": (png(30_000, 30_000, b""), "too large"),
    "wide.png": (png(2**31 - 1, 1, b""), "too large"),
    "zero.png": (png(0, 0, b""), ""),
    "head.png": (png(64, 64, b"")[:30], ""),
    "hollow.png": (png(64, 64, b"\0" * 10), "cut off"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_picture_is_refused_with_the_reason(tmp_path: Path, cache: FactCache, name: str) -> None:
    data, reason = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    assert reason in refusal(tmp_path / name, cache)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff", "bmp", "gif", "avif"])
def test_a_file_cut_in_half_is_refused(tmp_path: Path, cache: FactCache, ending: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (HIGH, WIDE, 3), np.uint8)
    file = saved(tmp_path / f"a.{ending}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert refusal(file, cache)


def test_what_is_not_a_file_is_refused_and_nothing_hangs(tmp_path: Path, cache: FactCache) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "no such file" in refusal(tmp_path / "missing.png", cache)
    assert "folder" in refusal(tmp_path, cache)
    assert "pipe" in refusal(tmp_path / "pipe", cache)
    assert "cannot be read" in refusal(tmp_path / "loop", cache)
    assert "device" in refusal(Path("/dev/zero"), cache)
    assert "cannot be read" in refusal(tmp_path / ("a" * 300), cache)


def test_a_file_without_permission_is_refused(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", quarters())
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("root may read everything")
    assert "cannot be read" in refusal(file, cache)


def test_an_icon_is_too_small(tmp_path: Path, cache: FactCache) -> None:
    assert "too small: 16x64" in refusal(saved(tmp_path / "a.png", Image.new("RGB", (16, 64))), cache)


def test_samples_without_a_range_are_refused(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.tiff", Image.new("F", (64, 64), 0.5))
    assert "mode F" in refusal(file, cache)


def test_a_run_length_coded_bmp_is_refused(tmp_path: Path, cache: FactCache) -> None:
    """Pillow decodes it in Python: 64 million pixels would take minutes."""
    header = struct.pack("<IiiHHIIiiII", 40, 8000, 8000, 1, 8, 1, 4, 0, 0, 256, 0) + b"\0" * 1024
    file = tmp_path / "a.bmp"
    file.write_bytes(b"BM" + struct.pack("<IHHI", 1086, 0, 0, 1078) + header + b"\0\1\0\1")
    assert "run-length" in refusal(file, cache)


def test_formats_that_start_other_programs_are_not_read() -> None:
    assert not {"EPS", "PDF", "WMF", "FPX"} & set(FORMATS)


def test_a_damaged_file_is_facts_or_a_reason_and_nothing_else(tmp_path: Path, cache: FactCache) -> None:
    """Random damage to the head of every format, where plugins raise all sorts."""
    dice = random.Random(7)
    noise = np.random.default_rng(1).integers(0, 256, (HIGH, WIDE, 3), np.uint8)
    outcomes = {"facts": 0, "refused": 0}
    for ending in ("png", "jpg", "webp", "tiff", "bmp", "gif", "avif"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, {"jpg": "JPEG"}.get(ending, ending.upper()))
        for round_ in range(40):
            data = bytearray(buffer.getvalue())
            for _ in range(dice.choice((1, 3, 20))):
                data[dice.randrange(min(len(data), dice.choice((64, 400, len(data)))))] = dice.randrange(256)
            file = tmp_path / f"{round_}.{ending}"
            file.write_bytes(data)
            try:
                picture_facts(file, cache)
                outcomes["facts"] += 1
            except PictureError:
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes


# --- facts are remembered --------------------------------------------------------------------------


def test_a_known_picture_is_not_decoded_again(tmp_path: Path) -> None:
    """In a fresh process Pillow is not even imported."""
    file = saved(tmp_path / "a.png", quarters())
    os.utime(file, (1_600_000_000, 1_600_000_000))
    facts = picture_facts(file, FactCache(tmp_path))
    program = (
        "import sys; from pathlib import Path; from wan_render.facts import FactCache; "
        "from wan_render.plates import picture_facts; "
        "print(picture_facts(Path(sys.argv[1]), FactCache(Path(sys.argv[2])))); "
        "assert 'PIL' not in sys.modules and 'numpy' not in sys.modules"
    )
    command = [sys.executable, "-c", program, str(file), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.stdout.strip() == str(facts), told.stderr


def test_a_copy_of_a_picture_has_the_same_facts(tmp_path: Path, cache: FactCache) -> None:
    file = saved(tmp_path / "a.png", quarters())
    (tmp_path / "b.png").write_bytes(file.read_bytes())
    assert picture_facts(file, cache) == picture_facts(tmp_path / "b.png", cache)


def test_the_thumbnail_shows_the_picture(tmp_path: Path, cache: FactCache) -> None:
    large = np.repeat(np.repeat(quarters(), 8, axis=0), 8, axis=1)
    facts = picture_facts(saved(tmp_path / "a.png", large), cache)
    thumbnail = np.frombuffer(facts.thumbnail, np.uint8).reshape(16, 16, 3)
    assert np.array_equal(thumbnail[::8, ::8], quarters()[:: HIGH // 2, :: WIDE // 2])


def test_a_cold_picture_is_read_twice_and_little_is_done_with_it(tmp_path: Path, cache: FactCache) -> None:
    """Read once for its digest and once to be decoded; nothing is done pixel by pixel in Python."""
    noise = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
    image = Image.fromarray(noise).resize((1280, 720))
    picture_facts(saved(tmp_path / "warm.png", image), cache)
    for ending in ("png", "jpg"):
        file = saved(tmp_path / f"a.{ending}", image)
        assert opened_files(partial(picture_facts, file, FactCache(tmp_path / ending))) == [str(file)] * 2
        assert calls(partial(picture_facts, file, cache)) < 2000


# --- plates ----------------------------------------------------------------------------------------


def test_a_plate_covers_its_size_around_the_focus(tmp_path: Path, cache: FactCache) -> None:
    strip = np.repeat(np.arange(0, 256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    file = saved(tmp_path / "a.png", strip)
    middle = plate_of(file, cache, Size(64, 64))
    left = plate_of(file, cache, Size(64, 64), focus=(Fraction(0), Fraction(1, 2)))
    third = plate_of(file, cache, Size(64, 64), focus=(Fraction(1, 2) - Fraction(32, 256), Fraction(1)))
    assert np.array_equal(middle, strip[:, 96:160])
    assert np.array_equal(left, strip[:, :64])
    assert np.array_equal(third, strip[:, 64:128])


def test_a_plate_of_the_same_size_is_the_picture_itself(tmp_path: Path, cache: FactCache) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 48, 3), np.uint8)
    assert np.array_equal(plate_of(saved(tmp_path / "a.png", noise), cache), noise)


def test_the_same_bytes_give_the_same_pixels(tmp_path: Path, cache: FactCache) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (100, 170, 3), np.uint8)
    file = saved(tmp_path / "a.jpg", noise)
    (tmp_path / "b.jpg").write_bytes(file.read_bytes())
    first, second = (plate_of(tmp_path / name, cache, Size(64, 48)) for name in ("a.jpg", "b.jpg"))
    assert first.shape == (48, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("width", "height"), [(64, 160), (160, 64)], ids=["tall", "wide"])
@pytest.mark.parametrize("fit", ["contain", "blur"])
def test_all_of_a_picture_is_in_the_middle_of_its_plate(
    tmp_path: Path, cache: FactCache, fit: str, width: int, height: int
) -> None:
    noise = np.random.default_rng(2).integers(100, 256, (height, width, 3), np.uint8)
    plate = plate_of(saved(tmp_path / "a.png", noise), cache, Size(160, 160), fit=fit)
    left, top = (160 - width) // 2, (160 - height) // 2
    assert np.array_equal(plate[top : top + height, left : left + width], noise)
    beside = (
        np.delete(plate, np.s_[left : left + width], axis=1)
        if width < 160
        else np.delete(plate, np.s_[top : top + height], axis=0)
    )
    if fit == "contain":
        assert not beside.any()
    else:
        assert abs(float(beside.mean()) - noise.mean()) < 8, "the picture's own colours"
        assert beside.std() < noise.std() / 4, "without its shapes"


def test_16_bits_fit_as_8_do(tmp_path: Path, cache: FactCache) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 160)).astype(np.uint16)
    deep = saved(tmp_path / "a.png", Image.fromarray(noise * 257))
    plain = saved(tmp_path / "b.png", Image.fromarray(noise.astype(np.uint8)))
    for fit in ("contain", "blur"):
        plates = [plate_of(file, cache, Size(160, 160), fit=fit).astype(int) for file in (deep, plain)]
        assert np.abs(plates[0] - plates[1]).max() <= 1


@pytest.mark.parametrize("focus", [Fraction(0), Fraction(1, 2), Fraction(1)])
def test_a_crop_is_shown_on_the_whole_picture(tmp_path: Path, cache: FactCache, focus: Fraction) -> None:
    file = saved(tmp_path / "a.png", np.full((400, 200, 3), 200, np.uint8))
    plate = Plate(picture_facts(file, cache).digest, Size(150, 100), (Fraction(1, 2), focus))
    shown = crop_shown(file, plate, 300)
    assert shown.shape == (300, 150, 3), "no longer than asked for, in its own shape"
    height = 100  # of 150x300 a plate of 3:2 keeps so much
    top = round(focus * (300 - height))
    middle = shown[:, 75]
    assert (middle[top + FRAME_WIDTH : top + height - FRAME_WIDTH] == 200).all()
    assert (middle[[top, top + height - 1]] == FRAME).all()
    assert (np.delete(middle, np.s_[top : top + height], axis=0) == 200 // DARKER).all()


def test_a_picture_that_changed_since_the_plan_is_refused(
    tmp_path: Path, cache: FactCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path / "cache"))
    file = saved(tmp_path / "a.png", quarters())
    plate = Plate(picture_facts(file, cache).digest, Size(64, 48))
    saved(file, np.flipud(quarters()))
    stat = file.stat()
    stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    cache._remember_digest(str(file), stamp, plate.picture)  # a file system that keeps no times
    with pytest.raises(PictureError, match="changed since"):
        conform(file, plate)
    assert picture_facts(file, FactCache(tmp_path / "cache")).digest != plate.picture, "the next plan has the new one"


SIDES = st.integers(1, 5000)
PARTS = st.fractions(0, 1)


@given(SIDES, SIDES, SIDES, SIDES, PARTS, PARTS)
def test_the_covered_part_is_the_largest_of_its_shape_within_the_picture(
    width: int, height: int, wide: int, high: int, across: Fraction, down: Fraction
) -> None:
    left, top, right, bottom = cover((width, height), Size(wide, high), (across, down))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left) * high == (bottom - top) * wide
    assert right - left == width or bottom - top == height
    for low, end, focus, length in ((left, right, across, width), (top, bottom, down, height)):
        middle = (low + end) / 2
        assert middle == focus * length or low == 0 or end == length


def test_reading_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "small.png"
    file.write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_bytes(file) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
