"""The short form of `python -m benchmarks.faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.aftermath import leftovers, unverified
from benchmarks.faults.campaign import Campaign
from benchmarks.faults.fault_ledger import Fault, Ledger


@pytest.mark.slow
@pytest.mark.thorough  # every kind of fault has a test of its own
def test_no_fault_costs_more_than_time(tmp_path: Path) -> None:
    """Twelve faults of ten kinds, which is why it is this seed, over a night of two films; see benchmarks/faults."""
    campaign = Campaign(tmp_path / "faults", seed=356, films=2, shots=3, gap=0.2, step=0.05)
    try:
        assert campaign.run(12) == []
    finally:
        campaign.remove()


# The judge


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A take was rendered by process 7 and published, and then rendered and published again."""
    ledger = Ledger(tmp_path, tmp_path / "takes")
    (tmp_path / "renders").write_text(
        "begin k 7 10.0 cpu 0\nend k 7 11.0 cpu 0\nbegin k 7 20.0 cpu 0\nend k 7 21.0 cpu 0\n"
    )
    ledger.appeared["k"] = [11.5, 21.5]
    return ledger


def test_a_take_that_was_rendered_again_without_a_reason_is_found(ledger: Ledger) -> None:
    assert list(ledger.complaints()) == ["take k was published 2 times and damaged 0 times"]
    ledger.damage("k", 1)
    ledger.damage("k", 1)
    assert list(ledger.complaints()) == []


def test_a_render_that_nothing_explains_is_found(ledger: Ledger) -> None:
    ledger.appeared["k"] = [21.5]
    lost = ["take k was rendered at 11.0 and neither published nor lost to a fault"]
    assert list(ledger.complaints()) == lost
    ledger.faults.append(Fault("kill a device process", "process 8", at=11.2, process=8))
    assert list(ledger.complaints()) == lost, "another process"
    ledger.faults.append(Fault("kill a device process", "process 7", at=11.2, process=7))
    assert list(ledger.complaints()) == []


def test_what_is_not_as_published_or_left_behind_is_found(tmp_path: Path) -> None:
    take = tmp_path / "outputs" / "takes" / "k"
    take.mkdir(parents=True)
    (take / "take.json").write_text('{"files": {"clip.mkv": {"sha256": "0"}}}')
    (take / "clip.mkv").touch()
    film = tmp_path / "outputs" / "films" / "river" / "v001"
    film.mkdir(parents=True)
    (film / "film.json").write_text("{}")
    assert len(list(unverified(tmp_path / "outputs"))) == 1, "the film; the take is set aside, as no film shows it"
    (tmp_path / "tmp").mkdir()
    (tmp_path / "outputs" / "takes" / ".part-k").mkdir()
    assert [words.rpartition("/")[2] for words in leftovers(tmp_path, tmp_path / "outputs")] == [".part-k is left"]
