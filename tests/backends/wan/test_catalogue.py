"""The published models: their official numbers, known without torch."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.take import ShotKind, Size

T2V, I2V, FLF2V, BRIDGE = ShotKind.T2V, ShotKind.I2V, ShotKind.FLF2V, ShotKind.BRIDGE

NUMBERS = [
    ("wan2.1-flf2v-14b", {FLF2V}, 50, (5.0,), 16.0),
    ("wan2.1-i2v-14b-480p", {I2V}, 40, (5.0,), 3.0),
    ("wan2.1-i2v-14b-720p", {I2V}, 40, (5.0,), 5.0),
    ("wan2.1-t2v-1.3b", {T2V}, 50, (6.0,), 8.0),
    ("wan2.1-t2v-14b", {T2V}, 50, (5.0,), 5.0),
    ("wan2.1-vace-1.3b", {BRIDGE}, 50, (5.0,), 16.0),
    ("wan2.1-vace-14b", {BRIDGE}, 50, (5.0,), 16.0),
    ("wan2.2-i2v-a14b", {I2V, FLF2V}, 40, (3.5, 3.5), 5.0),
    ("wan2.2-t2v-a14b", {T2V}, 40, (4.0, 3.0), 12.0),
    ("wan2.2-ti2v-5b", {T2V, I2V}, 50, (5.0,), 5.0),
]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return catalogue(FactCache(tmp_path))


@pytest.mark.parametrize(("name", "kinds", "steps", "guidance", "shift"), NUMBERS)
def test_a_model_has_its_official_numbers(
    models: Models, name: str, kinds: set[ShotKind], steps: int, guidance: tuple[float, ...], shift: float
) -> None:
    card = models.card(name)

    assert set(card.kinds) == kinds
    for defaults in card.kinds.values():
        sampling = defaults.sampling
        assert (sampling.steps, sampling.guidance, sampling.shift, sampling.profile) == (
            steps,
            guidance,
            shift,
            "exact",
        )


def test_every_model_is_in_the_table(models: Models) -> None:
    assert set(models.names) == {row[0] for row in NUMBERS}
    with pytest.raises(KeyError):
        models.card("wan3-t2v")


def test_the_5b_has_a_rate_length_and_grid_of_its_own(models: Models) -> None:
    small, big = models.card("wan2.2-ti2v-5b"), models.card("wan2.1-t2v-14b")

    assert (small.rate, small.trained_frames, small.size_multiple) == (Fraction(24), 121, 32)
    assert (big.rate, big.trained_frames, big.size_multiple) == (Fraction(16), 81, 16)


def test_native_sizes_are_on_the_models_own_grid(models: Models) -> None:
    for card in map(models.card, models.names):
        assert card.native_sizes
        for size in card.native_sizes:
            assert size.width % card.size_multiple == size.height % card.size_multiple == 0


def test_negative_prompts_go_by_the_model(models: Models) -> None:
    """As in each repository's wan/configs: 2.1 puts words before the shared text, 2.2 has it alone."""
    shared = models.card("wan2.1-t2v-14b").kinds[T2V].negative
    before = {"wan2.1-flf2v-14b": "镜头切换，镜头晃动，"} | dict.fromkeys(
        ("wan2.1-i2v-14b-480p", "wan2.1-i2v-14b-720p"), "镜头晃动，"
    )

    assert shared.startswith("色调艳丽，过曝，静态")
    assert shared.endswith("背景人很多，倒着走")
    for name in models.names:
        for kind, defaults in models.card(name).kinds.items():
            assert defaults.negative == before.get(name, "") + shared
            assert bool(defaults.negative_note) == (name == "wan2.2-i2v-a14b" and kind is FLF2V)


def test_every_licence_is_named_with_where_it_is_said(models: Models) -> None:
    for card in map(models.card, models.names):
        assert card.licence is not None
        assert card.licence.name == "Apache-2.0"
        generation = "Wan2.1" if card.name.startswith("wan2.1") else "Wan2.2"
        page = f"https://huggingface.co/{card.identity.partition('@')[0]}"
        assert card.licence.said_in == (page, f"https://github.com/Wan-Video/{generation}")
        for lora in card.distilled:
            assert lora.licence.said_in == (f"https://huggingface.co/{lora.repository}",)


@pytest.mark.parametrize(
    ("kind", "size", "name"),
    [
        (FLF2V, Size(832, 480), "wan2.1-flf2v-14b"),
        (FLF2V, Size(1280, 720), "wan2.1-flf2v-14b"),
        (T2V, Size(832, 480), "wan2.1-t2v-14b"),
        (I2V, Size(832, 480), "wan2.1-i2v-14b-480p"),
        (I2V, Size(624, 624), "wan2.1-i2v-14b-480p"),
        (I2V, Size(1280, 720), "wan2.1-i2v-14b-720p"),
        (I2V, Size(832, 1088), "wan2.1-i2v-14b-720p"),
    ],
)
def test_the_default_model_follows_kind_and_raster(models: Models, kind: ShotKind, size: Size, name: str) -> None:
    assert models.default(kind, size).name == name


def test_identities_are_of_the_hub_and_all_different(models: Models) -> None:
    identities = [models.card(name).identity for name in models.names]

    assert len(set(identities)) == len(identities)
    assert all(identity.startswith("Wan-AI/Wan2.") and identity.endswith("@main") for identity in identities)


def test_the_catalogue_needs_no_torch() -> None:
    heavy = ("torch", "diffusers", "transformers", "numpy", "PIL", "huggingface_hub")
    code = (
        "import sys; import wan_render.backends.wan.models.catalogue; from wan_render.backends.wan import BACKEND;"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == ""
