"""A film with a bridge, of tiny models: two shots from words, and VACE between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from tests.backends.wan.conftest import Tiny
from tests.production.solid import CPU
from tests.production.storyboards import pixels_of, take_of
from tests.reference import produce
from wan_render.backends import backend
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.plan import make_plan
from wan_render.store import Store
from wan_render.storyboard import read_storyboard

pytestmark = pytest.mark.wan

FILM = """\
version: 1
film: {title: Harbour, raster: 64x48, deliver: 64x48}
defaults:
  duration: 1s
  render: {t2v: {model: words, steps: 2}, bridge: {model: vace, steps: 2}}
shots:
  - {action: boats leave, transition: bridge 4f}
  - {action: boats come home}
"""


def test_a_film_with_a_bridge(tiny: Callable[[str], Tiny], tmp_path: Path) -> None:
    for name, kind in (("words", "t2v-2.1"), ("vace", "vace")):
        copytree(tiny(kind).folder, tmp_path / name)
    file = tmp_path / "harbour.yaml"
    file.write_text(FILM, encoding="utf-8")
    cache = FactCache(tmp_path / "cache")
    models = catalogue(cache)
    plan = make_plan(
        read_storyboard(file, models=models, cache=cache), models=models, backend_id=backend("wan").id, cache=cache
    )
    assert [card.name.rpartition("/")[2] for card in plan.models.values()] == ["words", "vace"]
    store = Store(tmp_path / "outputs")
    version = produce(plan, backend("wan"), store, CPU)

    assert (version.slates, version.frames, list(version.takes)) == ({}, 32, list(plan.by_key))
    before, bridge, after = (pixels_of(store, take) for take in plan.takes)
    assert take_of(plan, "1/010+bridge").model.startswith("sha256:")
    assert np.array_equal(bridge[:12], before[:12])
    assert np.array_equal(bridge[20:], after[4:])
    assert len({frame.tobytes() for frame in bridge[12:20]}) == 8
    assert store.record(take_of(plan, "1/010+bridge").key).provenance.versions["transformer"] == "diffusers"
