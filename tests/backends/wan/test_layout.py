"""How many devices may share a take, how they share it, and what that is taken to gain. No torch is needed for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.wan.conftest import Tiny
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import Checkpoint, read_checkpoint
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.estimate import estimated_seconds
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.parallel import layout as layouts
from wan_render.backends.wan.parallel.layout import Layout, group_sizes, layout, require_group
from wan_render.errors import RenderError
from wan_render.render_values import Group
from wan_render.take import Plate, Sampling, ShotKind, Size, Take

P480, P720, P704 = Size(832, 480), Size(1280, 720), Size(1280, 704)


def take_of(model: Official, size: Size, frames: int = 81, guidance: tuple[float, ...] | None = None) -> Take:
    kind = model.kinds[0]
    plate = Plate("0" * 64, size)
    return Take(
        backend="wan/1",
        model=model.identity,
        first=None if kind is ShotKind.T2V else plate,
        last=plate if kind is ShotKind.FLF2V else None,
        prompt="",
        negative="",
        frames=frames,
        size=size,
        rate=model.rate,
        seed=1,
        sampling=Sampling(model.steps, guidance or model.guidance, model.shift),
    )


@pytest.mark.parametrize(
    ("model", "size", "frames", "guidance", "allowed"),
    [
        (official.FLF2V_14B, P480, 81, None, (1, 2, 4, 8)),
        (official.FLF2V_14B, P720, 81, None, (1, 2, 4, 8)),
        (official.I2V_A14B, P480, 81, None, (1, 2, 4, 8)),
        (official.TI2V_5B, P704, 121, None, (1, 2, 4, 8)),
        (official.FLF2V_14B, P480, 81, (1.0,), (1, 2, 4, 8)),  # 32,760 tokens, 40 heads
        (official.T2V_1_3B, P480, 81, (1.0,), (1, 2, 4)),  # 12 heads
        (official.T2V_1_3B, P480, 81, None, (1, 2, 4, 8)),
        (official.I2V_A14B, P480, 81, (3.5, 1.0), (1, 2, 4, 8)),
        (official.FLF2V_14B, Size(816, 480), 13, (1.0,), (1, 2, 4, 8)),  # 6,120 tokens
        (official.FLF2V_14B, Size(816, 496), 9, (1.0,), (1,)),  # 4,743 tokens, an odd number
        (official.FLF2V_14B, Size(816, 496), 9, None, (1, 2)),
        (official.FLF2V_14B, Size(816, 496), 5, None, (1, 2, 4)),  # 3,162 tokens
    ],
)
def test_tokens_and_heads_are_shared_equally_or_not_at_all(
    model: Official, size: Size, frames: int, guidance: tuple[float, ...] | None, allowed: tuple[int, ...]
) -> None:
    assert group_sizes(take_of(model, size, frames, guidance), model.card()) == allowed


def test_guidance_is_shared_before_tokens_are() -> None:
    take = take_of(official.FLF2V_14B, P480)
    assert [layout(take, size) for size in (1, 2, 4, 8)] == [Layout(1, 1), Layout(2, 1), Layout(2, 2), Layout(2, 4)]


@pytest.mark.parametrize("guidance", [(1.0, 1.0), (3.5, 1.0)])
def test_where_an_expert_has_no_guidance_tokens_are_shared_alone(guidance: tuple[float, ...]) -> None:
    take = take_of(official.I2V_A14B, P480, guidance=guidance)
    assert [layout(take, size) for size in (1, 2, 8)] == [Layout(1, 1), Layout(1, 2), Layout(1, 8)]


def test_a_layout_is_described_in_words() -> None:
    assert str(Layout(2, 1)) == "2: guidance x2"
    assert str(Layout(2, 2)) == "4: guidance x2, sequence x2"
    assert str(Layout(1, 8)) == "8: sequence x8"


@pytest.mark.wan
def test_a_local_folder_is_asked_for_its_heads(tiny: Callable[[str], Tiny]) -> None:
    """Two of them: four devices share one prediction in no way."""
    model = tiny("flf2v-2.1")
    assert BACKEND.group_sizes(model.take(ShotKind.FLF2V), model.card) == (1, 2, 4)
    unguided = model.take(ShotKind.FLF2V, sampling=Sampling(4, (1.0,), 5.0))
    assert BACKEND.group_sizes(unguided, model.card) == (1, 2)
    assert BACKEND.group_sizes(unguided, replace(model.card, folder=Path("/nowhere"))) == (1,)


@pytest.mark.wan
def test_a_folder_is_read_once_however_often_it_is_asked(
    tiny: Callable[[str], Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A farm asks for every take of the run, five times a second while a request waits."""
    model, reads = tiny("i2v-a14b"), []

    def read(folder: Path) -> Checkpoint:
        reads.append(folder)
        return read_checkpoint(folder)

    monkeypatch.setattr(layouts, "read_checkpoint", read)
    layouts._heads_in.cache_clear()
    for frames in (5, 9, 13):
        group_sizes(model.take(ShotKind.FLF2V, frames=frames), model.card)
    assert reads == [model.card.folder]


def test_an_unknown_model_renders_alone() -> None:
    take = take_of(official.FLF2V_14B, P480)
    assert group_sizes(take, replace(official.FLF2V_14B.card(), identity="somebody/else@main")) == (1,)


@pytest.mark.parametrize("group", [Group(0, 3, Path()), Group(4, 4, Path()), Group(0, 16, Path())])
def test_a_group_that_cannot_share_the_take_is_refused(group: Group) -> None:
    with pytest.raises(RenderError, match="for this take: 1, 2, 4, 8 devices"):
        require_group(take_of(official.FLF2V_14B, P480), official.FLF2V_14B.card(), group)


def test_several_devices_share_the_denoising_and_nothing_else() -> None:
    """As measured on H200s: two make a step 1.966 and 1.995 times as fast, four 3.46 times; the 2.85 s of encoding and
    decoding stay."""
    take = take_of(official.FLF2V_14B, P480)
    alone, two, four = (estimated_seconds(take, "cuda", devices) - 2.85 for devices in (1, 2, 4))
    assert 1.966 < alone / two < 1.995
    assert alone / four == pytest.approx(3.46, rel=0.005)


def test_devices_that_share_guidance_gain_nothing_in_steps_without_it() -> None:
    take = take_of(official.FLF2V_14B, P480)
    half = replace(take, sampling=replace(take.sampling, guided_share=0.5))
    full, shorter = (estimated_seconds(each, "cuda") - 2.85 for each in (take, half))
    assert shorter == pytest.approx(0.75 * full)
    assert estimated_seconds(half, "cuda", 2) - 2.85 == pytest.approx(0.5 * full, rel=0.02)


def test_nothing_of_it_loads_torch() -> None:
    code = "import sys; import wan_render.backends.wan.parallel.layout; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
