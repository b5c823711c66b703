"""What an editor learns of a take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.store.values import filled, take
from wan_render.editors.take_facts import take_metadata
from wan_render.store import Store


def test_everything_that_decided_the_pixels_is_told(tmp_path: Path) -> None:
    store, whole = Store(tmp_path / "outputs"), take(1)
    partly = replace(whole, sampling=replace(whole.sampling, guided_share=0.75, variant="exact-attention"))
    for each in (whole, partly):
        store.publish(each, filled())
    told = [take_metadata(store.record(each.key), "1/010", 1, None) for each in (whole, partly)]
    assert [facts.get("guided_share") for facts in told] == [None, 0.75]
    assert [facts.get("variant") for facts in told] == [None, "exact-attention"]
