from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.films import levels
from tests.media.pictures import clip, flat, noise
from tests.media.probing import probe
from wan_render.errors import FfmpegError, MachineError
from wan_render.media.preview import write_preview
from wan_render.take import Size


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(24000, 1001), Fraction(24)], ids=str)
def test_a_preview_has_every_frame_at_the_clips_rate(tmp_path: Path, rate: Fraction) -> None:
    grey = [20 + n * 7 % 200 for n in range(81)]
    file = clip(tmp_path / "clip.mkv", flat(grey), rate)
    write_preview(file, tmp_path / "preview.mp4")
    facts = probe(tmp_path / "preview.mp4")
    assert (facts.codec, facts.pixel_format, facts.frames, facts.rate) == ("h264", "yuv420p", 81, rate)
    assert np.abs(np.array(levels(tmp_path / "preview.mp4")) - grey).max() < 3


def test_a_preview_can_start_before_it_is_read_completely(tmp_path: Path) -> None:
    write_preview(clip(tmp_path / "clip.mkv", noise(9)), tmp_path / "preview.mp4")
    content = (tmp_path / "preview.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_a_preview_is_small(tmp_path: Path) -> None:
    ramp = np.linspace(0, 200, 832 * 480, dtype=np.uint8).reshape(480, 832)
    moving = np.stack([np.dstack([np.roll(ramp, 4 * n, axis=1)] * 3) for n in range(33)])
    file = clip(tmp_path / "clip.mkv", moving)
    write_preview(file, tmp_path / "preview.mp4")
    assert (tmp_path / "preview.mp4").stat().st_size < 0.1 * file.stat().st_size
    assert probe(tmp_path / "preview.mp4").size == Size(832, 480)


def test_a_missing_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"clip\.mkv"):
        write_preview(tmp_path / "clip.mkv", tmp_path / "preview.mp4")
    assert not list(tmp_path.iterdir())


def test_a_preview_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mkv", noise(2))
    with pytest.raises(FfmpegError, match="No such file"):
        write_preview(file, tmp_path / "nowhere" / "preview.mp4")
