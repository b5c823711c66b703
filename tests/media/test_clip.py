from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.pictures import SMALL, clip, noise
from tests.media.probing import probe
from wan_render.errors import DiskError, DiskFullError, MachineError
from wan_render.media.clip import read_frames, read_stored, write_clip
from wan_render.media.preview import write_preview
from wan_render.render_values import Frames
from wan_render.take import Size


@pytest.mark.parametrize("size", [SMALL, Size(80, 48), Size(50, 34), Size(16, 16)], ids=str)
def test_a_clip_comes_back_bit_for_bit(tmp_path: Path, size: Size) -> None:
    pixels = noise(9, size)
    file = clip(tmp_path / "clip.mkv", pixels)
    assert np.array_equal(np.stack(list(read_frames(file, 0, 9))), pixels)


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 17), (8, 1), (16, 1), (3, 11), (17, 0), (5, 0)])
def test_any_part_of_a_clip_is_read_by_index(tmp_path: Path, first: int, count: int) -> None:
    pixels = noise(17)
    file = clip(tmp_path / "clip.mkv", pixels, Fraction(30000, 1001))
    read = list(read_frames(file, first, count))
    assert len(read) == count
    assert all(np.array_equal(a, b) for a, b in zip(read, pixels[first : first + count], strict=True))


def test_clips_are_ffv1_and_intra_only(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mkv", noise(5))
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "bgr0")
        assert [packet.is_keyframe for packet in container.demux(stream) if packet.size] == [True] * 5


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(24), Fraction(30000, 1001), Fraction(48)], ids=str)
def test_the_rate_is_kept(tmp_path: Path, rate: Fraction) -> None:
    assert probe(clip(tmp_path / "clip.mkv", noise(3), rate)).rate == rate


def test_equal_frames_make_equal_files(tmp_path: Path) -> None:
    one, two = clip(tmp_path / "1.mkv", noise(3)), clip(tmp_path / "2.mkv", noise(3))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(("first", "count", "absent"), [(0, 6, 5), (4, 2, 5), (5, 1, 5), (80, 3, 80)])
def test_a_clip_that_is_too_short_is_an_error(tmp_path: Path, first: int, count: int, absent: int) -> None:
    file = clip(tmp_path / "clip.mkv", noise(5))
    with pytest.raises(MachineError, match=f"frame {absent} is missing;"):
        list(read_frames(file, first, count))


def test_a_truncated_clip_is_an_error(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mkv", noise(9))
    file.write_bytes(file.read_bytes()[:-30_000])
    with pytest.raises(MachineError, match=r"clip\.mkv"):
        list(read_frames(file, 0, 9))


@pytest.mark.parametrize("content", [b"", b"\x00" * 4096, b"no video at all"], ids=["empty", "zeros", "text"])
def test_a_file_that_is_not_a_video_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "clip.mkv"
    file.write_bytes(content)
    with pytest.raises(MachineError, match=r"clip\.mkv"):
        list(read_frames(file, 0, 1))


def test_a_missing_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"nowhere\.mkv"):
        list(read_frames(tmp_path / "nowhere.mkv", 0, 1))


def test_a_video_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(1)[0], "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(MachineError, match="not a clip of wan-render"):
        list(read_frames(file, 0, 1))


def test_negative_frames_are_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from 0 on"):
        next(read_stored(tmp_path / "clip.mkv", -1, 1))


def test_reading_can_stop_early_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mkv", noise(9))
    before = threading.active_count()
    frames = read_frames(file, 0, 9)
    next(frames)
    del frames
    assert threading.active_count() == before


def test_a_failed_write_is_a_disk_error_and_leaves_no_part(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        write_clip(tmp_path / "no folder" / "clip.mkv", Frames(noise(1), Fraction(16)))
    (tmp_path / "taken.mkv").mkdir()
    (tmp_path / "taken.mkv" / "file").touch()
    with pytest.raises(DiskError, match="cannot be written"):
        write_clip(tmp_path / "taken.mkv", Frames(noise(1), Fraction(16)))
    assert [file.name for file in tmp_path.iterdir()] == ["taken.mkv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv.part").symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match="the disk is full"):
        write_clip(tmp_path / "clip.mkv", Frames(noise(8), Fraction(16)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["night:22", "pipe:1", "concat:a|b", "%03d", "-", "file:x", "http:", "a'b\\c;[d]"])
def test_a_clip_may_be_in_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """FFmpeg's libraries read text before a colon as a protocol."""
    monkeypatch.chdir(tmp_path)
    clip = Path(name) / "clip.mkv"
    clip.parent.mkdir()
    write_clip(clip, Frames(noise(2), Fraction(16)))
    assert [picture.tobytes() for picture in read_frames(clip, 0, 2)] == [picture.tobytes() for picture in noise(2)]
    write_preview(clip, clip.with_name("preview.mp4"))
    assert probe(clip.with_name("preview.mp4")).frames == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_clip_that_cannot_be_opened_is_a_disk_error_not_damage(tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"no clip")
    (tmp_path / "folder.mkv").mkdir()
    for name in ("broken.mkv", "folder.mkv", "nowhere.mkv", "x" * 300 + ".mkv"):
        with pytest.raises(MachineError) as caught:
            list(read_frames(tmp_path / name, 0, 1))
        assert "delete" not in str(caught.value)
        assert "read" in str(caught.value) or "too long" in str(caught.value)
