"""`wan-render qc CLIP`: verdicts as exit codes, and files that are no clips."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.quality.moving_clips import HEIGHT, WIDTH, pan
from wan_render.cli import main
from wan_render.media.clip import write_clip
from wan_render.render_values import Frames, Pixels


def written_mp4(file: Path, frames: Pixels, **options: str) -> Path:
    with av.open(str(file), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound clip as FFV1 and as H.264, its keyframes in another size, and damaged copies."""
    folder = tmp_path_factory.mktemp("clips")
    clip = pan(1)
    write_clip(folder / "clip.mkv", Frames(clip, Fraction(16)))
    written_mp4(folder / "clip.mp4", clip)
    written_mp4(folder / "fast.mp4", clip, movflags="faststart")
    written_mp4(folder / "one.mp4", clip[:1])
    for name, frame in (("first", clip[0]), ("last", clip[-1]), ("other", pan(9, 1)[0])):
        Image.fromarray(frame).resize((WIDTH * 2, HEIGHT * 2)).save(folder / f"{name}.png")
    for name in ("clip.mkv", "fast.mp4", "clip.mp4"):
        data = (folder / name).read_bytes()
        (folder / f"half-{name}").write_bytes(data[: len(data) // 2])
        (folder / f"almost-{name}").write_bytes(data[: len(data) * 98 // 100])
    spoilt = bytearray((folder / "clip.mkv").read_bytes())
    for at in np.random.default_rng(0).integers(len(spoilt) // 3, len(spoilt) // 2, 40):
        spoilt[at] ^= 255
    (folder / "flipped.mkv").write_bytes(bytes(spoilt))
    (folder / "text.mp4").write_text("a text\n" * 1000)
    (folder / "list.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{folder}/clip.mp4\n#EXT-X-ENDLIST\n"
    )
    (folder / "empty.mp4").write_bytes(b"")
    os.mkfifo(folder / "pipe.mp4")
    return folder


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_a_sound_clip_passes(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = ["--first", str(folder / "first.png"), "--last", str(folder / "last.png")]
    assert main(["qc", str(folder / name), *pictures]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"{name}: pass")
    assert len(lines) == 12
    assert all(line.split()[1] == "pass" for line in lines[1:])


def test_a_wrong_end_fails_and_json_says_which(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qc", str(folder / "clip.mkv"), "--last", str(folder / "other.png"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "fail"
    assert found["checks"]["last"]["verdict"] == "fail"
    assert found["checks"]["last"]["value"] < found["checks"]["last"]["threshold"]
    assert found["checks"]["first"] == {"value": None, "threshold": None, "verdict": None}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.mp4", "no such file"),
        (".", "is a folder"),
        ("pipe.mp4", "is a pipe"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "cannot be read as a video"),
        ("list.mp4", "cannot be read as a video"),
        ("first.png", "cannot be read as a video"),
        ("one.mp4", "has 1 frame; a clip of at least 2 frames"),
        ("half-clip.mp4", "cannot be read as a video"),
        ("half-clip.mkv", "is cut off or damaged: it ends after"),
        ("almost-clip.mkv", "is cut off or damaged: it ends after"),
        ("half-fast.mp4", "is damaged or cut off"),
        ("almost-fast.mp4", "is damaged or cut off"),
        ("flipped.mkv", "is damaged: a checksum"),
    ],
)
def test_what_is_no_whole_clip_is_bad_input(
    folder: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qc", str(folder / name)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["nothing.png", "clip.mp4", "text.mp4", "pipe.mp4"])
def test_what_is_no_picture_is_bad_input(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qc", str(folder / "clip.mkv"), "--first", str(folder / name)]) == 2
    assert name in capsys.readouterr().err
