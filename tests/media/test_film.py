from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from tests.media.films import CONTINUOUS, CUT, Shelf, cut_of, film, levels, luma
from tests.media.pictures import SMALL, flat, noise
from tests.media.probing import probe
from wan_render.cut import ClipSource, Cut, Event, SlateSource
from wan_render.errors import DiskError, FfmpegError, MachineError
from wan_render.media.film_encode import AHEAD_FRAMES, make_film
from wan_render.media.frame_layers import Layer
from wan_render.media.raster import SLATE_GREY, composed, raster_frames
from wan_render.plan import CardText, PlannedJoint, StillPicture
from wan_render.take import Plate, Size


def quiet(_done: int, _total: int) -> None:
    """Ignore progress."""


def ramp(frame: int) -> int:
    """A grey level that differs from the neighbouring frames' by seven steps."""
    return 20 + frame * 7 % 200


def assert_levels(file: Path, expected: list[float], within: float = 2.0) -> None:
    seen = levels(file)
    assert len(seen) == len(expected)
    wrong = {n: pair for n, pair in enumerate(zip(seen, expected, strict=True)) if abs(pair[0] - pair[1]) > within}
    assert not wrong


def test_four_continuous_shots_of_81_frames_are_a_film_of_321(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shots = [shelf.levels(f"{n}", [ramp(80 * n + frame) for frame in range(81)]) for n in range(4)]
    events = [Event(f"1/0{n + 1}0", shot, 0, 80, joint=CONTINUOUS) for n, shot in enumerate(shots)]
    events[3] = replace(events[3], frames=81, joint=None)
    file = film(cut_of(*events), shelf)
    assert_levels(file, [ramp(frame) for frame in range(321)])
    facts = probe(file)
    assert (facts.frames, facts.rate) == (321, Fraction(16))
    assert abs(facts.seconds - Fraction(321, 16)) < Fraction(1, 1000)


def test_a_film_is_what_its_cut_says_frame_by_frame(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, {"still": flat([90])[0]})
    one = shelf.levels("one", [100 + frame for frame in range(12)])
    two = shelf.levels("two", [200 - frame for frame in range(12)])
    cut = cut_of(
        Event("", CardText(""), 0, 3, joint=CUT),
        Event("1/010", one, 2, 6, hold=3, joint=PlannedJoint("dissolve", 3)),
        Event("1/020", two, 0, 8, joint=PlannedJoint("fade", 5)),
        Event("1/030", StillPicture(Plate("still", SMALL)), 0, 4, hold=1, joint=CUT),
        Event("1/040", one, 11, 1, joint=None),
    )
    file = film(cut, shelf)
    held = 107.0
    assert_levels(
        file,
        [
            *[0, 0, 0],
            *[102, 103, 104, 105, 106, held],
            *[0.75 * held + 0.25 * 200, 0.5 * held + 0.5 * 199, 0.25 * held + 0.75 * 198],
            *[197, 196, 195 * 2 / 3, 194 / 3, 0],
            *[0, 45, 90, 90, 90],
            *[111],
        ],
    )


def test_the_film_fades_in_and_out(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/010", shelf.levels("a", [200] * 9), 0, 9)
    assert_levels(film(cut_of(event, fades=(4, 2)), shelf), [0, 50, 100, 150, 200, 200, 200, 100, 0])


def test_a_slate_is_dark_grey_and_as_long_as_its_shot(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    file = film(cut_of(Event("1/010", SlateSource("1/010", "no"), 0, 5, hold=2), delivery=Size(128, 96)), shelf)
    corners = [picture[-8:, -8:].mean() for picture in luma(file)]
    assert [round((corner - 16) * 255 / 219) for corner in corners] == [SLATE_GREY] * 7


def test_raster_frames_are_the_clips_own_bytes_outside_of_joints(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    pixels = noise(6)
    cut = cut_of(Event("1/010", shelf.put("a", pixels), 1, 5, hold=1))
    frames = [frame[:, :, 2::-1].copy() for frame in raster_frames(cut, shelf)]
    assert np.array_equal(np.stack(frames), pixels[[1, 2, 3, 4, 5, 5]])


@pytest.mark.parametrize("weights", [("1/3", "2/3"), ("1/9", "8/9"), ("1/6", "1/3"), ("1/2", "1/2")])
def test_a_blend_is_the_nearest_level(weights: tuple[str, str]) -> None:
    below, above = (np.dstack([picture, picture[:, :, :1]]) for picture in noise(2, Size(256, 256)))
    first, second = map(Fraction, weights)
    mixed = composed([(below, Layer(0, 0, first)), (above, Layer(1, 0, second))])
    unit = int(np.lcm(first.denominator, second.denominator))
    exact = below.astype(int) * int(first * unit) + above.astype(int) * int(second * unit)
    assert (np.abs(mixed.astype(int) * unit - exact) * 2 <= unit).all()


def test_three_pictures_are_blended_like_two() -> None:
    pictures = [np.dstack([picture, picture[:, :, :1]]) for picture in noise(3)]
    parts = [(picture, Layer(n, 0, Fraction(n + 1, 6))) for n, picture in enumerate(pictures)]
    exact = sum((n + 1) * picture.astype(int) for n, picture in enumerate(pictures))
    assert (np.abs(composed(parts).astype(int) * 6 - exact) <= 3).all()


def test_dissolves_can_mix_light_and_equal_pictures_stay_what_they_are() -> None:
    every = np.dstack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 4)
    black, white = np.zeros_like(every), np.full_like(every, 255)
    ninth = [Layer(0, 0, Fraction(1, 9)), Layer(1, 0, Fraction(8, 9))]
    half = [Layer(0, 0, Fraction(1, 2)), Layer(1, 0, Fraction(1, 2))]
    for layers in (ninth, half):
        assert np.array_equal(composed([(every, layers[0]), (every, layers[1])], linear=True), every)
    assert (composed([(black, half[0]), (white, half[1])], linear=True) == 188).all(), "half of the light"
    assert (composed([(black, half[0]), (white, half[1])]) == 128).all(), "half of the levels"
    faded = [replace(layer, weight=layer.weight / 2) for layer in half]
    assert (composed([(every, faded[0]), (every, faded[1])], linear=True) == composed([(every, half[0])])).all()


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(24000, 1001), Fraction(25), Fraction(48)], ids=str)
def test_the_rate_is_constant_and_exact(tmp_path: Path, rate: Fraction) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/010", shelf.levels("a", [ramp(n) for n in range(50)]), 0, 50)
    file = film(cut_of(event, rate=rate), shelf)
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        times = [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]
    assert times == [n / rate for n in range(50)]


def test_a_silent_stereo_track_is_as_long_as_the_film(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    file = film(cut_of(Event("1/010", shelf.levels("a", [30] * 40), 0, 40)), shelf)
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        sound = [frame.to_ndarray() for frame in container.decode(stream)]
        facts = (stream.codec_context.name, stream.codec_context.sample_rate, stream.layout.name)
    assert facts == ("aac", 48000, "stereo")
    samples = sum(part.shape[1] for part in sound)
    assert abs(samples - 40 * 3000) <= 2 * 1024  # whole AAC frames, one of them before the start
    assert max(float(np.abs(part).max()) for part in sound) == 0


def test_playback_can_start_before_the_whole_file_is_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    content = film(cut_of(Event("1/010", shelf.put("a", noise(9)), 0, 9)), shelf).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_every_gop_is_closed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/010", shelf.levels("a", [ramp(n // 5) for n in range(200)]), 0, 200)
    file = film(cut_of(event), shelf)
    with av.open(str(file)) as container:
        packets = [(packet.pts, packet.is_keyframe) for packet in container.demux(video=0) if packet.pts is not None]
    keys = [n for n, (_, is_key) in enumerate(packets) if is_key]
    assert len(keys) >= 200 / (16 * 5)
    for n in keys:  # what is decoded after a keyframe is shown after it
        assert all(time >= packets[n][0] for time, _ in packets[n:])


@pytest.mark.parametrize("fit", ["cover", "contain"])
def test_a_circle_stays_a_circle(tmp_path: Path, fit: str) -> None:
    size = Size(832, 480)
    rows, columns = np.mgrid[: size.height, : size.width]
    disc = (np.hypot(columns - 415.5, rows - 239.5) < 150).astype(np.uint8) * 255
    shelf = Shelf(tmp_path, {"disc": np.dstack([disc] * 3)})
    event = Event("1/010", StillPicture(Plate("disc", size)), 0, 1)
    cut = cut_of(event, size=size, delivery=Size(1280, 720))
    (picture,) = luma(film(replace(cut, fit="cover" if fit == "cover" else "contain"), shelf))
    inside = picture > 125
    wide, high = int(inside.any(axis=0).sum()), int(inside.any(axis=1).sum())
    scale = 1280 / 832 if fit == "cover" else 720 / 480
    assert abs(wide - 300 * scale) <= 2
    assert abs(high - 300 * scale) <= 2
    rows_seen, columns_seen = inside.nonzero()
    assert abs((columns_seen.min() + columns_seen.max()) / 2 - 639.5) <= 1
    assert abs((rows_seen.min() + rows_seen.max()) / 2 - 359.5) <= 1


def test_contain_has_black_bars(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/010", shelf.levels("a", [200] * 2), 0, 2)
    cut = replace(cut_of(event, delivery=Size(128, 48)), fit="contain")
    for picture in luma(film(cut, shelf)):
        assert (np.abs(picture[:, :28].astype(int) - 16) <= 1).all()
        assert (np.abs(picture[:, 36:92].astype(int) - 188) <= 2).all()
        assert (np.abs(picture[:, 100:].astype(int) - 16) <= 1).all()


def test_progress_is_reported_for_every_frame(tmp_path: Path) -> None:
    shelf, calls = Shelf(tmp_path), list[tuple[int, int]]()
    cut = cut_of(Event("1/010", shelf.levels("a", [1, 2, 3]), 0, 3))
    make_film(cut, shelf, tmp_path / "film.mp4", tags={}, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_clips_are_opened_only_when_needed(tmp_path: Path) -> None:
    """So memory does not grow with the length of the film."""
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [50, 60])
    events = [Event(f"1/{n}", source, 0, 2, joint=CUT) for n in range(100)]
    seen: list[int] = []
    make_film(
        cut_of(*events),
        shelf,
        tmp_path / "film.mp4",
        tags={},
        progress=lambda done, _total: seen.append(len(shelf.opened) - done // 2),
    )
    assert max(seen) <= AHEAD_FRAMES // 2 + 2
    assert len(shelf.opened) == 100


def test_a_film_needs_an_event(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one event"):
        make_film(cut_of(), Shelf(tmp_path), tmp_path / "film.mp4", tags={}, progress=quiet)


# What can go wrong


def long_cut(shelf: Shelf) -> Cut:
    source = shelf.put("a", noise(20))
    return cut_of(*[Event(f"1/{n}", source, 0, 20, joint=CUT) for n in range(30)])


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children()}


@pytest.fixture
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Check that the test leaves no process, zombie, thread or file behind."""
    processes, threads = children(), threading.active_count()
    yield
    assert children() <= processes
    assert threading.active_count() <= threads
    assert {file.name for file in tmp_path.iterdir()} <= {"a.mkv", "fake.sh"}


def fails(shelf: Shelf, cut: Cut, progress: Callable[[int, int], None] = quiet) -> None:
    make_film(cut, shelf, shelf.folder / "film.mp4", tags={}, progress=progress)


@pytest.mark.usefixtures("nothing_is_left")
def test_a_killed_ffmpeg_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    shelf, before = Shelf(tmp_path), children()

    def kill(done: int, _total: int) -> None:
        if done == 30:
            (pid,) = children() - before
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(FfmpegError, match=r"killed \(signal 9"):
        fails(shelf, long_cut(shelf), kill)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_the_film_is_retried_if_a_signal_ends_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("wan_render.media.ffmpeg.PAUSE_SECONDS", 0.0)
    shelf, before, heard = Shelf(tmp_path), children(), list[int]()

    def end(done: int, _total: int) -> None:
        heard.append(done)
        if done == 30 and heard.count(30) == 1:
            (pid,) = children() - before
            os.kill(pid, number)

    cut = long_cut(shelf)
    fails(shelf, cut, end)
    assert heard.count(1) == 2
    assert probe(tmp_path / "film.mp4").frames == cut.frames
    (tmp_path / "film.mp4").unlink()


@pytest.mark.usefixtures("nothing_is_left")
def test_an_interrupt_ends_ffmpeg_and_leaves_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)

    def interrupt(done: int, _total: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails(shelf, long_cut(shelf), interrupt)


LONG = """
import sys
import time
from pathlib import Path
from tests.media.films import CUT, Shelf, cut_of
from tests.media.pictures import noise
from wan_render.cut import Event
from wan_render.media.film_encode import make_film

shelf = Shelf(Path(sys.argv[1]))
source = shelf.put("a", noise(20))
cut = cut_of(*[Event(f"1/{n}", source, 0, 20, joint=CUT) for n in range(1000)])


def slowly(done, _total):
    time.sleep(0.002)
    if done == 50:
        print("on", flush=True)


make_film(cut, shelf, shelf.folder / "film.mp4", tags={}, progress=slowly)
"""


@pytest.fixture
def long_film(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """A process in its own group that makes a long film, and its ffmpeg."""
    argv = [sys.executable, "-c", LONG, str(tmp_path)]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        (encoder,) = psutil.Process(process.pid).children()
        yield process, encoder
        process.kill()


def test_ctrl_c_in_a_terminal_ends_the_film_and_leaves_nothing(
    tmp_path: Path, long_film: tuple[subprocess.Popen[str], psutil.Process]
) -> None:
    process, encoder = long_film
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert not encoder.is_running()
    assert [file.name for file in tmp_path.iterdir()] == ["a.mkv"]


def test_ffmpeg_ends_by_itself_if_its_parent_is_killed(
    long_film: tuple[subprocess.Popen[str], psutil.Process],
) -> None:
    process, encoder = long_film
    process.kill()
    encoder.wait(60)
    assert not encoder.is_running()


@pytest.mark.usefixtures("nothing_is_left")
def test_a_clip_that_is_too_short_ends_the_film(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [1, 2, 3])
    with pytest.raises(MachineError, match="frame 3 is missing"):
        fails(shelf, cut_of(Event("1/010", source, 0, 3, joint=CUT), Event("1/020", source, 0, 5)))


@pytest.mark.usefixtures("nothing_is_left")
def test_a_clip_of_another_size_ends_the_film(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [1, 2, 3], Size(80, 48))
    with pytest.raises(MachineError, match="is 80x48; the film's raster is 64x48"):
        fails(shelf, cut_of(Event("1/010", source, 0, 3)))


@pytest.mark.usefixtures("nothing_is_left")
def test_a_missing_clip_ends_the_film(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"gone\.mkv"):
        fails(Shelf(tmp_path), cut_of(Event("1/010", ClipSource("gone"), 0, 3)))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.usefixtures("nothing_is_left")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    cut = long_cut(shelf)
    (tmp_path / "film.mp4.part").symlink_to("/dev/full")
    with pytest.raises(DiskError, match="the disk is full"):
        fails(shelf, cut)


def test_a_disk_that_fills_up_while_the_film_is_made(tmp_path: Path, small_disk: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.put("a", noise(20, Size(256, 192)))
    cut = cut_of(*[Event(f"1/{n}", source, 0, 20, joint=CUT) for n in range(30)], size=Size(256, 192))
    cut = replace(cut, delivery=cut.size)
    (small_disk / "others").write_bytes(bytes(7_000_000))
    with pytest.raises(DiskError, match="the disk is full"):
        make_film(cut, shelf, small_disk / "film.mp4", tags={}, progress=quiet)
    assert [file.name for file in small_disk.iterdir()] == ["others"]


def test_a_missing_folder_is_a_disk_error(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    cut = cut_of(Event("1/010", shelf.levels("a", [1]), 0, 1))
    with pytest.raises(DiskError, match="cannot be written"):
        make_film(cut, shelf, tmp_path / "nowhere" / "film.mp4", tags={}, progress=quiet)


def program(file: Path, *lines: str) -> Mapping[str, str]:
    file.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return {"WAN_RENDER_FFMPEG": str(file)}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["echo first >&2", "echo 'Unknown encoder' >&2", "exit 3"], "exited with code 3.*Unknown encoder"),
        (["cat > /dev/null", "exit 1"], "exited with code 1.*printed nothing"),
        (["cat > /dev/null", "yes complaint | head -c 3000000 >&2", "exit 2"], "exited with code 2.*complaint"),
        (["cat > /dev/null"], "succeeded but wrote no file"),
    ],
    ids=["at once", "silent", "talkative", "says it is done"],
)
@pytest.mark.usefixtures("nothing_is_left")
def test_a_failure_of_ffmpeg_is_reported_with_its_last_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], says: str
) -> None:
    shelf = Shelf(tmp_path)
    cut = long_cut(shelf)
    for name, value in program(tmp_path / "fake.sh", *lines).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match=f"(?s){says}"):
        fails(shelf, cut)


@pytest.mark.usefixtures("nothing_is_left")
def test_an_ffmpeg_that_neither_reads_nor_exits_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_render.media.ffmpeg.LAST_WORDS_SECONDS", 0.2)
    shelf = Shelf(tmp_path)
    cut = long_cut(shelf)
    for name, value in program(tmp_path / "fake.sh", "exec 0<&-", "exec sleep 60").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FfmpegError, match=r"killed \(signal 9"):
        fails(shelf, cut)


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(tmp_path / "no" / "ffmpeg"))
    shelf = Shelf(tmp_path)
    with pytest.raises(FfmpegError, match=r"WAN_RENDER_FFMPEG: .*no/ffmpeg is not a program"):
        fails(shelf, cut_of(Event("1/010", shelf.levels("a", [1]), 0, 1)))


def test_an_existing_film_stays_if_the_next_one_fails(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [1, 2, 3])
    file = film(cut_of(Event("1/010", source, 0, 3)), shelf)
    before = file.read_bytes()
    with pytest.raises(MachineError):
        fails(shelf, cut_of(Event("1/010", source, 0, 4)))
    assert file.read_bytes() == before


def test_the_working_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a]: 100%, \\folder; 片"
    folder.mkdir()
    shelf = Shelf(folder)
    event = Event("1/010", shelf.levels("a", [70] * 3), 0, 3, preview="animatic")
    assert probe(film(cut_of(event), shelf)).frames == 3
    assert sorted(file.name for file in folder.iterdir()) == ["a.mkv", "film.mp4"]
