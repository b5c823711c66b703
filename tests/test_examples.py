"""The examples run as their documentation says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wan_render
from tests.cli.conftest import environment, write_harbour
from tests.media.probing import probe

ROOT = Path(__file__).parents[1]


def example(name: str, tmp_path: Path) -> str:
    """What one of docs/examples prints for a film of two shots, whose outputs go into a folder of their own."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "examples" / name, write_harbour(tmp_path), tmp_path / "outputs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_api_makes_a_film(tmp_path: Path) -> None:
    said = example("api.py", tmp_path)
    film = Path(said.strip())
    assert film == tmp_path / "outputs" / "films" / "harbour" / "v001" / film.name
    assert probe(film).frames == 33, "two shots of 17 frames share one keyframe"


def test_the_example_that_looks_at_takes_names_their_verdicts(tmp_path: Path) -> None:
    said = example("choose_takes.py", tmp_path)
    lines = [line.partition(": ") for line in said.splitlines()]
    assert [name for name, _, _ in lines] == ["1/010 take 1", "1/020 take 1"]
    assert {verdict for _, _, verdict in lines} <= {"pass", "flag", "fail"}


def test_the_api_raises_every_mistake_with_its_place(tmp_path: Path) -> None:
    file = write_harbour(tmp_path)
    file.write_text(file.read_text("utf-8").replace("keyframes:", "keyframez:"), encoding="utf-8")
    with pytest.raises(wan_render.StoryboardError) as caught:
        wan_render.read(file)
    assert caught.value.problems[0].where.startswith(str(file))
    with pytest.raises(AttributeError, match="has no attribute 'reed'"):
        wan_render.reed  # noqa: B018 - it is not there


def test_a_film_can_be_finished_without_its_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path / "cache"))
    film = wan_render.read(write_harbour(tmp_path), outputs=tmp_path / "outputs", backend="animatic")
    assert len(film.missing()) == 2
    assert list(film.finish().slates) == ["1/010", "1/020"]
