"""The short form of benchmarks/cloud: random faults and kills, and no take is paid twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cloud.fault_sequence import run_sequence
from benchmarks.cloud.remembered_videos import remembered_videos
from tests.fake_model_studio import FakeService, serving, variables


def test_nothing_is_paid_twice_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = 0
    with remembered_videos():
        for seed in range(6):
            with serving(FakeService()) as service:
                for name, value in variables(service).items():
                    monkeypatch.setenv(name, value)
                ended = run_sequence(seed, tmp_path / str(seed), service)
            assert not ended.broken, f"seed {seed}: {ended.broken}"
            kills += ended.kills
    assert kills > 0
