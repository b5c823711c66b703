"""The table of cards in docs/memory.md: what is computed on each, and how models fit, by fake cards' abilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import pytest

from tests.conftest import Smi
from wan_render.backends.wan.checkpoint.checkpoint_folder import Checkpoint
from wan_render.backends.wan.checkpoint.configs import Index, VaeConfig
from wan_render.backends.wan.memory.budget import Budget
from wan_render.backends.wan.memory.offload_choice import MemoryFit, MemoryStep, choose
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.models.transformer_shapes import PUBLISHED_BUILDS, weight_shapes
from wan_render.backends.wan.profiles.ability import variant
from wan_render.devices import gpus
from wan_render.take import Plate, Sampling, ShotKind, Size, Take

PAGE = Path(__file__).parents[3] / "docs" / "memory.md"

BESIDE_TORCH = 900_000_000
"""What a process has on a card besides what torch allocates."""

HOST = 64_000_000_000

OTHERS = {"text_encoder": 11_360_000_000, "image_encoder": 2_520_000_000, "vae": 508_000_000}
"""Bytes of the other components: UMT5-xxl in bfloat16, CLIP ViT-H and the VAE in float32."""


@dataclass(frozen=True)
class Card:
    """A row: its name, what nvidia-smi says of it, and the cells of the table."""

    name: str
    capability: str
    mebibytes: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class PublishedSizes:
    """The sizes of a published model's weights, without them."""

    checkpoint: Checkpoint

    def weights_bytes(self, component: str) -> int:
        numbers = sum(map(prod, weight_shapes(self.checkpoint.transformer).values()))
        return OTHERS.get(component, 2 * numbers)


def table_of(head: str) -> Iterator[list[str]]:
    """The rows of the page's table that begins with `head`."""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    columns = next(line for line in lines if line.startswith(head)).count("|") - 1
    for line in lines:
        if not line.startswith("|"):
            return
        if not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == columns
            yield cells


CARDS = tuple(
    Card(name, capability, int(mebibytes.replace(",", "")), tuple(cells))
    for name, capability, mebibytes, *cells in table_of("| card |")
)
SMALL_HOSTS = tuple(table_of("| MiB of the card |"))


def take_of(model: Official, profile: str, computed: str) -> Take:
    kind = model.kinds[0]
    plate = Plate("0" * 64, Size(832, 480))
    return Take(
        backend="wan/1",
        model=model.identity,
        first=None if kind is ShotKind.T2V else plate,
        last=plate if kind is ShotKind.FLF2V else None,
        prompt="a river",
        negative="",
        frames=81,
        size=Size(832, 480),
        rate=model.rate,
        seed=1,
        sampling=Sampling(50, (5.0,), 5.0, profile, variant=computed),
    )


FURTHER = {official.FLF2V_14B: ("image_encoder",), official.I2V_A14B: ("transformer_2",)}


def fit_of(model: Official, mebibytes: int, profile: str = "exact", computed: str = "", host: int = HOST) -> MemoryFit:
    names = ("text_encoder", "vae", "transformer", *FURTHER.get(model, ()))
    checkpoint = Checkpoint(
        folder=Path(),
        index=Index(class_name="WanPipeline"),
        classes=tuple((name, "") for name in names),
        transformer=PUBLISHED_BUILDS[model.identity],
        vae=VaeConfig(),
        flow_shift=5.0,
    )
    needs = Budget(PublishedSizes(checkpoint), fuses=True).needs(take_of(model, profile, computed))
    return choose(None, 0, needs, mebibytes * 2**20 - BESIDE_TORCH, host_free=host)


WORDS = {"text_encoder": "text encoder", "transformer": "transformer"}


def cell(fit: MemoryFit) -> str:
    """A fit as the table has it."""
    if fit.aside:
        return "freed, keys and values in host memory"
    names = ", ".join(WORDS[name] for name in sorted(fit.streamed))
    return f"{fit.step.value} ({names})" if names else fit.step.value


def computed_row(card: Card, smi: Smi) -> tuple[str, ...]:
    smi(f"GPU-aaaa-1, {card.mebibytes}, {card.name}\n", capabilities=f"GPU-aaaa-1, {card.capability}\n")
    computed = variant("fast", gpus()).name
    return (
        cell(fit_of(official.FLF2V_14B, card.mebibytes)),
        f"`{computed or 'float8'}`",
        cell(fit_of(official.FLF2V_14B, card.mebibytes, "fast", computed)),
        cell(fit_of(official.T2V_1_3B, card.mebibytes)),
    )


@pytest.mark.parametrize(("mebibytes", "host", "exact", "fast"), SMALL_HOSTS)
def test_two_experts_fit_into_small_hosts_as_the_table_says(mebibytes: str, host: str, exact: str, fast: str) -> None:
    size, free = int(mebibytes.replace(",", "")), int(host) * 1_000_000_000
    assert exact == str(fit_of(official.I2V_A14B, size, host=free))
    assert fast == str(fit_of(official.I2V_A14B, size, "fast", "8-bit-weights", host=free))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_of_the_table_is_used_as_the_table_says(
    card: Card, smi: Smi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fa3_fwd.py").write_text("raise AssertionError('only looked for')")
    monkeypatch.syspath_prepend(tmp_path)
    assert card.cells == computed_row(card, smi)


def test_the_table_has_every_branch() -> None:
    """Every architecture with a variant of its own, and every way to fit a transformer."""
    assert {card.capability for card in CARDS} == {"8.0", "8.6", "8.9", "9.0", "10.0", "12.0"}
    cells = {cell for card in CARDS for cell in card.cells}
    assert {"`float8`", "`exact-attention`", "`8-bit-weights`"} <= cells
    steps = {MemoryStep.RESIDENT.value, "freed", "freed, keys and values in host memory"}
    streamed = {f"streamed ({names})" for names in ("transformer", "text encoder", "text encoder, transformer")}
    assert steps | streamed <= cells
