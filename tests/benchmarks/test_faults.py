"""The short form of `python -m benchmarks.faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.campaign import Campaign


@pytest.mark.slow
def test_no_fault_costs_more_than_time(tmp_path: Path) -> None:
    """Twenty faults over a night of two films; see benchmarks/faults."""
    campaign = Campaign(tmp_path / "faults", seed=3, films=2, shots=5, gap=0.2, step=0.05)
    try:
        assert campaign.run(20) == []
    finally:
        campaign.remove()
