"""The examples run as their documentation says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import environment, write_harbour
from tests.media.probing import probe

ROOT = Path(__file__).parents[1]


def test_the_api_makes_a_film(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "examples" / "api.py", write_harbour(tmp_path), tmp_path / "outputs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    film = Path(done.stdout.strip())
    assert film == tmp_path / "outputs" / "films" / "harbour" / "v001" / film.name
    assert probe(film).frames == 33, "two shots of 17 frames share one keyframe"
