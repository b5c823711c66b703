"""What a run leaves behind that is killed or has a bug."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment

KILLED_IN_REVIEW = """
import os, signal, sys
from importlib import import_module

from wan_render.cli import main
import_module("wan_render.production.finish").write_report = lambda review, folder: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main(sys.argv[1:]))
"""

DEFECTIVE = """
import sys
import wan_render.cli.check as check
from wan_render.cli import main
check.run = lambda arguments: 1 / 0
sys.exit(main(sys.argv[1:]))
"""


def run(program: str, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment(folder), timeout=120, check=False
    )


def test_leftovers_of_a_run_killed_during_the_review_are_removed_by_the_next(
    wan_render: Run, harbour: Path, tmp_path: Path
) -> None:
    done = run(KILLED_IN_REVIEW, tmp_path, "render", harbour, "--backend", "animatic", "--only", "1/010")
    assert done.returncode == -signal.SIGKILL, done.stderr
    films = tmp_path / "outputs" / "films" / "harbour"
    assert list(films.glob(".part-*/.pictures-*/*.png")), "pictures of the missing shot were made"
    assert not list((tmp_path / "tmp").rglob("*.png"))
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    assert not list(films.glob(".part-*"))
    assert not list((films / "v001").glob(".pictures-*"))


def test_old_reports_of_bugs_are_deleted(harbour: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "wan-render" / "defects"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"2026-01-{number:02}.log").touch()
    done = run(DEFECTIVE, tmp_path, "check", harbour)
    assert done.returncode == 3
    assert "a defect: ZeroDivisionError: division by zero; please report it with " in done.stderr
    reports = sorted(folder.iterdir())
    assert len(reports) == 20
    assert "1 / 0" in reports[-1].read_text() or "ZeroDivisionError" in reports[-1].read_text()
    assert str(reports[-1]) in done.stderr


@pytest.mark.parametrize("cache", ["/proc/nowhere", "a file"])
def test_a_bug_is_reported_without_a_cache(harbour: Path, tmp_path: Path, cache: str) -> None:
    (tmp_path / "a file").touch()
    command = [sys.executable, "-c", DEFECTIVE, "check", str(harbour)]
    env = environment(tmp_path) | {"WAN_RENDER_CACHE": str(tmp_path / cache)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 3
    (report,) = (tmp_path / "tmp").glob("wan-render-*.log")
    assert str(report) in done.stderr
