"""Facts of video files, and the frames that a film takes from them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.footage.videos import NTSC, SIZE, video
from tests.sound.sounds import burst, silence, wav
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.footage.footage_facts import FootageFacts, footage_facts
from wan_render.footage.footage_frames import conformed_frames
from wan_render.footage.footage_part import FootagePart, SizedFootage
from wan_render.media.ffmpeg import run

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
PQ = ("-vf", "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc")


def facts_of(file: Path) -> FootageFacts:
    return footage_facts(file, FactCache(file.parent / "cache"))


@pytest.mark.parametrize(
    ("name", "options", "rate", "words"),
    [
        ("plain.mp4", H264, NTSC, ""),
        ("plain.mkv", H264, NTSC, ""),  # its times are whole milliseconds
        ("late.ts", (*H264, "-output_ts_offset", "77"), NTSC, ""),
        ("wide.mp4", ("-vf", "setsar=2", *H264), NTSC, "not square"),
        ("hdr.mp4", ("-c:v", "libx265", "-x265-params", "log-level=0", "-pix_fmt", "yuv420p10le", *PQ), NTSC, "HDR"),
        ("lines.mp4", ("-vf", "setfield=tff", "-flags", "+ildct", *H264[:-2]), NTSC, "interlaced"),
        ("turning.gif", ("-vf", "fps=10"), Fraction(10), ""),
        ("uneven.mp4", ("-vf", "setpts='if(gt(N,9),PTS*2,PTS)'", "-fps_mode", "vfr", *H264), None, ""),
        ("slow.mp4", ("-vf", "fps=2", *H264), None, ""),
    ],
)
def test_what_is_known_of_a_file(
    name: str, options: tuple[str, ...], rate: Fraction | None, words: str, tmp_path: Path
) -> None:
    facts = facts_of(video(tmp_path / name, *options))
    assert facts.rate == rate
    assert (facts.width, facts.height) == ((SIZE.width * (2 if "wide" in name else 1)), SIZE.height)
    assert words in " ".join((*facts.notes, *facts.warnings))
    assert bool(facts.warnings) == (words in ("HDR", "interlaced"))
    assert facts.sound_at is None
    expected = 2 if "uneven" in name else 1
    assert float(facts.seconds) == pytest.approx(expected, abs=0.1 if rate != 2 else 0.6)


def test_a_turned_file_is_upright(tmp_path: Path) -> None:
    plain = video(tmp_path / "plain.mp4", *H264)
    turned = tmp_path / "turned.mp4"
    run(["-display_rotation", "90", "-i", str(plain), "-c", "copy", "-y", str(turned)])
    facts = facts_of(turned)
    assert (facts.width, facts.height) == (SIZE.height, SIZE.width)


def test_sound_that_begins_later_is_known(tmp_path: Path) -> None:
    plain = video(tmp_path / "plain.mp4", *H264)
    sound = wav(tmp_path / "sound.wav", burst(0.5), silence(0.1))
    file = tmp_path / "both.mkv"
    run(["-i", str(plain), "-itsoffset", "0.4", "-i", str(sound), "-c:v", "copy", "-ac", "6", "-y", str(file)])
    assert float(facts_of(file).sound_at or 0) == pytest.approx(0.4, abs=0.03)


def test_each_uneven_frame_is_shown_at_its_own_time(tmp_path: Path) -> None:
    options = ("-vf", "setpts='if(gt(N,9),PTS*2,PTS)'", "-fps_mode", "vfr", "-c:v", "ffv1", "-pix_fmt", "bgr0")
    file = video(tmp_path / "uneven.mkv", *options)
    part = FootagePart(facts_of(file).digest, Fraction(0), 24, Fraction(24), None)
    pictures = conformed_frames(file, SizedFootage(part, SIZE), lambda _: None)
    shown = [round((float(picture.mean()) - 30) / 3) for picture in pictures]
    moments = [Fraction(at) / NTSC * (2 if at > 9 else 1) for at in range(30)]
    assert shown == [
        max(at for at in range(30) if moments[at] <= Fraction(k, 24) + Fraction(1, 1000)) for k in range(24)
    ]


def test_files_that_cannot_be_shown(tmp_path: Path) -> None:
    good = video(tmp_path / "good.mp4", *H264)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("words\n" * 500)
    (tmp_path / "half.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    wav(tmp_path / "sound.wav", silence(0.1))
    run(["-i", str(tmp_path / "sound.wav"), "-y", str(tmp_path / "sound.mkv")])
    for name, words in {
        "empty.mp4": "is empty",
        "text.mp4": "cannot be read as a video",
        "half.mp4": "cannot be read as a video",
        "sound.mkv": "has no video",
        "none.mp4": "cannot be read",
    }.items():
        with pytest.raises(InputError, match=words):
            facts_of(tmp_path / name)
