from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from tests.media.films import Shelf, cut_of, film
from wan_render.cut import Event
from wan_render.errors import FfmpegError, FfmpegKilledError
from wan_render.media import ffmpeg, ffmpeg_features
from wan_render.media.ffmpeg import Ffmpeg


def test_the_bundled_ffmpeg_has_everything_that_films_need() -> None:
    assert ffmpeg_features.version()[0].isalnum()
    assert ffmpeg_features.missing_features() == ()


def script(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_another_program_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = script(tmp_path / "mine", "echo 'ffmpeg version 4.4.2 Copyright (c)'")
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(file))
    assert ffmpeg.program() == str(file)
    assert ffmpeg_features.version() == "4.4.2"


def test_missing_features_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ffmpeg.program()
    file = script(tmp_path / "poor", f"exec '{real}' \"$@\" | grep -v -e libx264 -e ' ass '")
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(file))
    assert ffmpeg_features.missing_features() == ("filter ass", "encoder libx264")


def test_a_program_that_is_not_ffmpeg_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", "/bin/false")
    with pytest.raises(FfmpegError, match="is not ffmpeg"):
        ffmpeg_features.version()
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(script(tmp_path / "file", "exit 0")))
    with pytest.raises(FfmpegError, match="is not ffmpeg"):
        ffmpeg_features.version()
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(tmp_path / "text"))
    with pytest.raises(FfmpegError, match="does not run"):
        ffmpeg_features.version()


def test_an_error_quotes_what_ffmpeg_printed() -> None:
    with pytest.raises(FfmpegError, match=r"(?s)exited with code .*no_such_option"):
        ffmpeg.run(["-no_such_option", "1", "out.mp4"])


def test_no_program_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    imageio = pytest.importorskip("imageio_ffmpeg")

    def nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio, "get_ffmpeg_exe", nothing)
    with pytest.raises(FfmpegError, match="ffmpeg: not found; reinstall imageio-ffmpeg"):
        ffmpeg.program()


def stuck(folder: Path, when: str) -> str:
    """An ffmpeg that hangs, once, when its arguments contain `when`."""
    file = folder / "stuck.sh"
    once = '[ -e "$0.done" ] || { touch "$0.done"; exec sleep 60; }'
    file.write_text(f'#!/bin/sh\ncase "$*" in *{when}*) {once} ;; esac\nexec \'{ffmpeg.program()}\' "$@"\n')
    file.chmod(0o755)
    return str(file)


def test_a_stuck_ffmpeg_is_ended_and_the_film_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its pipe takes in the first frames of this film: it is stuck at the end, and so is `finish`."""
    shelf = Shelf(tmp_path)
    cut = cut_of(Event("1/010", shelf.levels("a", [10, 20, 30]), 0, 3))
    monkeypatch.setenv("WAN_RENDER_FFMPEG", stuck(tmp_path, "film.mp4"))
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.01")  # enough for the second ffmpeg, which has the same limit
    assert film(cut, shelf).exists()
    assert (tmp_path / "stuck.sh.done").exists()
    assert re.search(r"showed no progress for \d+\.\d s while finishing the file \(limit 1\.8 s\)", caplog.text)


def test_an_ffmpeg_that_stops_reading_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", stuck(tmp_path, "pipe:0"))
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.001")
    with (
        pytest.raises(FfmpegKilledError, match=r"no progress for \d+\.\d s while reading a frame"),
        Ffmpeg(["-f", "rawvideo", "-i", "pipe:0"]) as process,
    ):
        process.write(bytes(1 << 20))


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    import subprocess

    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, wan_render.media.film_encode, wan_render.media.preview, wan_render.media.text; "
            "print(sorted({'av', 'cv2', 'PIL', 'ffmpeg', 'pysubs2', 'imageio_ffmpeg', 'pandas'} & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert loaded.strip() == "[]"
