"""`wan-render qc CLIP`: verdicts as exit codes, and files that are no clips."""

from __future__ import annotations

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.quality.moving_clips import HEIGHT, WIDTH, pan
from wan_render.cli import main
from wan_render.footage.any_video import read_video
from wan_render.media.clip import write_clip
from wan_render.media.ffmpeg import program
from wan_render.plates.hdr import tone_mapped
from wan_render.render_values import Frames, Pixels

SQUARE = Fraction(1)


def written_mp4(file: Path, frames: Pixels, aspect: Fraction = SQUARE, **options: str) -> Path:
    with av.open(str(file), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=16)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
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


def test_a_clip_that_is_stored_on_its_side_is_judged_upright(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = pan(1)
    written_mp4(tmp_path / "plain.mp4", np.ascontiguousarray(np.rot90(clip, -1, (1, 2))))
    turned = ("-display_rotation", "90", "-i", str(tmp_path / "plain.mp4"), "-c", "copy", str(tmp_path / "phone.mp4"))
    subprocess.run([program(), "-v", "error", *turned], check=True)
    Image.fromarray(clip[0]).save(tmp_path / "first.png")
    assert main(["qc", str(tmp_path / "phone.mp4"), "--first", str(tmp_path / "first.png")]) == 0
    assert "is turned upright" in capsys.readouterr().err
    assert main(["qc", str(tmp_path / "plain.mp4"), "--first", str(tmp_path / "first.png")]) == 1


def test_a_clip_is_judged_at_the_size_at_which_it_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = pan(1)
    narrow = np.stack([cv2.resize(frame, (WIDTH // 2, HEIGHT), interpolation=cv2.INTER_AREA) for frame in clip])
    written_mp4(tmp_path / "clip.mp4", narrow, aspect=Fraction(2))
    Image.fromarray(clip[0]).save(tmp_path / "first.png")
    assert main(["qc", str(tmp_path / "clip.mp4"), "--first", str(tmp_path / "first.png")]) == 0
    assert f"pixels that are not square (2): shown at {WIDTH}x{HEIGHT}" in capsys.readouterr().err


@pytest.mark.parametrize(("transfer", "signal"), [(16, 0.58069), (18, 0.75)])
def test_hdr_is_seen_as_keyframes_are(tmp_path: Path, transfer: int, signal: float) -> None:
    """203 cd/m² in PQ, and the reference white of HLG: BT.2408, table 1. Highlights are compressed."""
    file, notes = tmp_path / "hdr.mkv", list[str]()
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=16)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gbrp10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        deep = np.full((HEIGHT, WIDTH, 3), round(signal * 65535), np.uint16)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(deep, format="rgb48le").reformat(format="gbrp10le")))
        container.mux(stream.encode(None))
    frames = list(read_video(file, 9, notes.append))
    assert len(notes) == 1
    assert "is HDR" in notes[0]
    shown = tone_mapped(np.full((1, 3), 203.0, np.float32))
    expected = float(1.055 * shown.mean() ** (1 / 2.4) - 0.055) * 255
    assert abs(float(frames[0].mean()) - expected) < 3


def test_what_is_transparent_in_a_keyframe_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clear = Image.open(folder / "first.png").convert("RGBA")
    clear.putalpha(128)
    clear.save(folder / "clear.png")
    main(["qc", str(folder / "clip.mkv"), "--first", str(folder / "clear.png")])
    assert "clear.png: has transparency: composited over black" in capsys.readouterr().err


def test_a_clip_of_a_few_pixels_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "tiny.mkv", Frames(np.ascontiguousarray(pan(1)[:, :7, :9]), Fraction(16)))
    assert main(["qc", str(tmp_path / "tiny.mkv")]) == 2
    assert "has frames of 9x7, which show too little; at least 64 pixels" in capsys.readouterr().err


def test_only_the_clip_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["qc"])
    assert capsys.readouterr().err.endswith("the following arguments are required: CLIP\n")
