"""A run's process is known by its lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.farm_home import run_lock
from flows.farm_home.run_lock import hold, is_held, remove_free
from tests.flows.project import PROJECT


def test_a_lock_is_held_as_long_as_its_process_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "ATTEMPTS", 2)
    code = (
        "import sys; from pathlib import Path; from flows.farm_home.run_lock import hold; hold(Path(sys.argv[1]), 'a')"
    )
    command = [sys.executable, "-c", f"{code}; print('held', flush=True); sys.stdin.read()", str(tmp_path)]
    assert not is_held(tmp_path, "a")
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert is_held(tmp_path, "a")
        assert not hold(tmp_path, "a")
        remove_free(tmp_path)
        assert is_held(tmp_path, "a")
        process.kill()
    assert not is_held(tmp_path, "a")
    remove_free(tmp_path)
    assert list((tmp_path / "runs").iterdir()) == []
