"""What every model family promises to the command line, whatever its models are."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.conftest import ONE_LINE, Unwatched
from tests.contracts.test_backend import HEAVY
from wan_render.backends import DEFAULT, backend, families, family_for, names
from wan_render.errors import UsageError
from wan_render.facts import FactCache
from wan_render.model_family import ModelFamily
from wan_render.model_weights import PullRequest
from wan_render.take import ShotKind, Size


@pytest.fixture(params=["wan", "grain"])
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """On a machine without weights."""
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found: str = request.param
    return found


@pytest.fixture
def family(name: str) -> ModelFamily:
    return families()[name]


def test_these_are_all_families() -> None:
    assert set(families()) == {"wan", "grain"}


def test_a_backend_plans_with_its_own_models_or_those_of_the_default_one() -> None:
    chosen = {name: family_for(backend(name)).cards for name in names()}
    assert chosen["animatic"] == chosen[DEFAULT] == families()[DEFAULT].cards
    assert chosen["grain"] == families()["grain"].cards


def test_no_two_models_share_a_name_or_an_identity() -> None:
    cards = [card for each in families().values() for card in each.cards]
    assert len({card.name for card in cards}) == len({card.identity for card in cards}) == len(cards)


def test_it_is_a_value(family: ModelFamily) -> None:
    again = pickle.loads(pickle.dumps(family))  # noqa: S301 - our own bytes
    assert again == family
    assert hash(again) == hash(family)


def test_asking_it_loads_nothing_heavy(name: str) -> None:
    code = f"""
{ONE_LINE}
import sys
from wan_render.backends import families
family = families()[{name!r}]
[family.weights(card) for card in family.cards]
print(*[module for module in {HEAVY!r} if module in sys.modules])
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


def test_its_catalogue_has_the_published_models(family: ModelFamily, tmp_path: Path) -> None:
    models = family.catalogue(FactCache(tmp_path))
    assert {name: models.card(name) for name in models.names} == {card.name: card for card in family.cards}
    with pytest.raises(KeyError):
        models.card("no such model")


def test_every_kind_of_shot_has_a_default_model_that_can_render_it(family: ModelFamily, tmp_path: Path) -> None:
    models = family.catalogue(FactCache(tmp_path))
    for kind in ShotKind:
        for size in (Size(832, 480), Size(1280, 720)):
            card = models.default(kind, size)
            assert kind in card.kinds
            assert card in family.cards


def test_weights_that_are_not_here_say_how_to_get_them(family: ModelFamily) -> None:
    for card in family.cards:
        weights = family.weights(card)
        assert (weights.folder, weights.version) == (None, "")
        assert weights.bytes > 0
        assert weights.problem is not None
        assert weights.problem.remedy == f"run: wan-render models pull {card.name}"


def test_an_unknown_source_of_weights_is_the_users_mistake(family: ModelFamily, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--source"):
        family.pull(PullRequest(family.cards[0], tmp_path, source="a cupboard"), Unwatched())
