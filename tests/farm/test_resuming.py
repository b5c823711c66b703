"""A device process that dies after denoising: what was denoised is not denoised again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.tiny_wan import KINDS, card_of, save_tiny
from wan_render.backends import backend
from wan_render.devices import cpu
from wan_render.errors import DeviceError
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.store import Store
from wan_render.take import Sampling, Take


@pytest.mark.wan
@pytest.mark.slow
def test_a_process_killed_after_denoising_costs_only_the_decoding(tmp_path: Path) -> None:
    kind = KINDS["t2v-2.1"]
    card = card_of(save_tiny(kind, tmp_path / "model"))
    sampling = Sampling(steps=3, guidance=(5.0,), shift=5.0)
    take = Take("wan/1", card.identity, None, None, "a river", "static", 5, kind.size, Fraction(16), 1, sampling)
    order = RenderOrder(take, backend("wan"), card, {}, "1/010", 1)
    store = Store(tmp_path / "outputs")
    heard: list[Progress] = []
    settings = FarmSettings(locks=tmp_path / "locks", handler="tests.farm.duties:dies_decoding")
    with LocalFarm([cpu()], store.root, settings) as farm:
        with pytest.raises(DeviceError):
            farm.render(order, lambda _: None)
        kept = {stage.what.split()[0] for stage in store.stages.kept()}
        resumed = farm.render(order, heard.append)
        fresh = farm.render(replace(order, take=replace(take, seed=2)), lambda _: None)
    assert kept == {"text", "latents"}
    assert [event for event in heard if event.phase is Phase.STEP] == [Progress(Phase.STEP, 3, 3)]
    assert Phase.ENCODING not in {event.phase for event in heard}
    assert {stage.what.split()[0] for stage in store.stages.kept()} == {"text"}, "latents go with their publication"
    assert store.verify(resumed.key) == resumed
    assert fresh.key != resumed.key
