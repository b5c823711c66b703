"""kill -9 of every process of a run, in every phase: the same command continues, and the film is the same."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import environment, write_harbour
from tests.cli.warm_python import warm_python
from wan_render.media import ffmpeg

pytestmark = pytest.mark.slow

PHASE = {"writing": "preview.mp4", "filming": "film.mp4"}
"""What ffmpeg makes in each: the program under test is started there, and kills."""

VICTIM = {
    "ffmpeg": "$$",
    "device process": "$PPID",
    "run": "$PPID",
    "run of the device process": "$(cut -d' ' -f4 /proc/$PPID/stat)",
}


def killer(folder: Path, phase: str, victim: str) -> str:
    """An ffmpeg that kills a process once, when it is started in some phase."""
    file = folder / "killer.sh"
    once = f'[ -e "$0.done" ] || {{ touch "$0.done"; kill -9 {VICTIM[victim]}; sleep 0.2; exit 1; }}'
    file.write_text(
        f'#!/bin/sh\ncase "$*" in *{PHASE[phase]}*) {once} ;; esac\nexec \'{ffmpeg.program()}\' "$@"\n',
        encoding="utf-8",
    )
    file.chmod(0o755)
    return str(file)


def rendered(folder: Path) -> subprocess.CompletedProcess[str]:
    """The film of `write_harbour(folder)`."""
    command = ("render", "film/harbour.yaml", "--backend", "animatic", "--outputs", "outputs")
    return warm_python().run(command, folder, environment(folder), forks=False)  # a device process is the run's child


@pytest.fixture(scope="module")
def untroubled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The film of an undisturbed run."""
    folder = tmp_path_factory.mktemp("untroubled")
    write_harbour(folder)
    return (folder / rendered(folder).stdout.splitlines()[-1]).read_bytes()


@pytest.mark.parametrize(
    ("phase", "victim"),
    [
        ("writing", "ffmpeg"),
        ("writing", "device process"),
        ("writing", "run of the device process"),
        ("filming", "ffmpeg"),
        ("filming", "run"),
    ],
)
def test_a_kill_costs_only_time(
    untroubled: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, victim: str
) -> None:
    write_harbour(tmp_path)
    monkeypatch.setenv("WAN_RENDER_FFMPEG", killer(tmp_path, phase, victim))
    done = rendered(tmp_path)
    if victim.startswith("run"):
        assert done.returncode == -signal.SIGKILL
        done = rendered(tmp_path)
    assert (tmp_path / "killer.sh.done").exists(), "the kill took place"
    assert (done.returncode, "slate" in done.stderr) == (0, False), done.stderr
    video = tmp_path / done.stdout.splitlines()[-1]
    assert video.parent.name == "v001"
    assert video.read_bytes() == untroubled
    assert left_over(tmp_path / "outputs") == []
    assert [path.name for path in (tmp_path / "tmp").iterdir() if path.suffix != ".lock"] == []
    _, alive = psutil.wait_procs([each for each in psutil.process_iter(["environ"]) if belongs(each, tmp_path)], 60)
    assert not alive


def left_over(outputs: Path) -> list[Path]:
    """Unfinished files."""
    return [path for path in outputs.rglob("*") if ".part" in path.name or path.name.startswith((".film-", ".probe"))]


def belongs(process: psutil.Process, folder: Path) -> bool:
    environment = process.info["environ"] or {}
    return environment.get("TMPDIR") == str(folder / "tmp") and process.pid != os.getpid()
