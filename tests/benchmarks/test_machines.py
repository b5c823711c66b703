"""The short form of `python -m benchmarks.machines`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from benchmarks.machines.studio import Studio, signal_all, until

TAKES = 6


@pytest.mark.slow
def test_a_machine_that_stopped_for_too_long_is_replaced_and_publishes_nothing(tmp_path: Path) -> None:
    """Two machines render one film. One is stopped past its lease, and goes on when the other has finished."""
    studio = Studio(tmp_path, takes=TAKES, step=0.1, lease=4.0)
    studio.write()
    machines = {name: studio.start(name, "render", str(studio.storyboard)) for name in ("studio-a", "studio-b")}
    victim, other = machines["studio-a"], machines["studio-b"]
    try:
        until(120, lambda: studio.held_by("studio-a"))
        signal_all(victim.pid, signal.SIGSTOP)
        assert other.wait(180) == 0, studio.said("studio-b")
        film, takes = studio.film_digest(), _inodes(studio)
        signal_all(victim.pid, signal.SIGCONT)
        assert victim.wait(120) == 0, studio.said("studio-a")
    finally:
        for machine in machines.values():
            signal_all(machine.pid, signal.SIGKILL)
    assert "its lease of" in studio.said("studio-b")
    assert len(takes) == TAKES
    assert _inodes(studio) == takes, "no take was published again"
    assert studio.film_digest() == film
    assert "film: unchanged" in studio.said("studio-a")


def _inodes(studio: Studio) -> dict[str, int]:
    """The folder of each take."""
    return {folder.name: folder.stat().st_ino for folder in (studio.outputs / "takes").glob("[0-9a-f]*")}
