"""Several device processes render one take: what comes is what one device renders. Gloo between real processes on CPUs.

Predictions shared by guidance are those of one device bit for bit. Where tokens are shared, products are of fewer rows
and attentions of fewer heads, which a library may add up in another order: float32 rounding, 1e-7 of a number a time,
grows over two blocks and four steps to less than TOLERANCE of the latents' norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan import members
from tests.backends.wan.conftest import Tiny, plates_of
from tests.backends.wan.forwards import attend_exactly, inputs_of, loaded, reference, relative_error
from tests.backends.wan.members import Listener, Members, TakeReport
from tests.backends.wan.test_lora import own, saved
from tests.tiny_wan import KINDS, card_of, save_tiny, with_sparse_linear
from wan_render.backends.wan.kernels.arithmetic import Loaded, Projections
from wan_render.backends.wan.kernels.attention import SDPA
from wan_render.backends.wan.kernels.float8_arithmetic import Float8
from wan_render.backends.wan.kernels.operations import TorchOperations
from wan_render.backends.wan.kernels.rows import Rows
from wan_render.backends.wan.parallel.ranks import Ranks
from wan_render.backends.wan.profiles import first_block
from wan_render.backends.wan.profiles.render_profile import EXACT, FAST, Profile
from wan_render.errors import DeviceError, LostPeerError, RenderError, WeightsError
from wan_render.render_values import Group, Phase, TakeInputs
from wan_render.take import Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

TOLERANCE = 1e-5

PATIENCE = 180
"""Seconds: four processes import torch at once, on a machine that may be busy."""

Tinies = Callable[[str], Tiny]
FOUR_HEADS = replace(KINDS["t2v-a14b"], heads=4)
Loras = Mapping[str, Path]
NONE: Loras = {}
QUIET = Listener()


@pytest.fixture(scope="module")
def processes() -> Iterator[Members]:
    found = Members(4)
    yield found
    found.close()


@dataclass
class Stage:
    """Device processes, and a folder for every group of them. The first of them leads, and is warm with every model."""

    processes: Members
    folder: Path
    groups: int = 0

    def group(self, size: int) -> list[Group]:
        self.groups += 1
        folder = self.folder / f"group-{self.groups}"
        folder.mkdir(mode=0o700)
        return [Group(rank, size, folder) for rank in range(size)]

    def alone(self, model: Tiny, take: Take, loras: Loras = NONE) -> TakeReport:
        report: TakeReport = self.processes.start(
            0, members.render, model.card, take, plates(take, loras), None
        ).result(PATIENCE)
        return report

    def together(self, model: Tiny, take: Take, size: int, loras: Loras = NONE) -> list[TakeReport]:
        return [future.result(PATIENCE) for future in self.begun(model, take, size, loras)]

    def begun(
        self,
        model: Tiny,
        take: Take,
        size: int,
        loras: Loras = NONE,
        last: Listener = QUIET,
        *,
        finds: bool = False,
    ) -> list[Future[TakeReport]]:
        """By rank. last: what listens to the last of them. finds: whether the leader finds what was kept."""
        groups = self.group(size)
        shown = plates(take, loras)
        leader = self.processes.start(0, members.render, model.card, take, shown, groups[0], finds)
        listeners = [*(Listener() for _ in range(size - 1)), last]
        return [
            leader,
            *(
                self.processes.start(group.rank, members.assist, model.card, take, group, loras, listeners[group.rank])
                for group in groups[1:]
            ),
        ]


@pytest.fixture
def stage(processes: Members, tmp_path: Path) -> Stage:
    return Stage(processes, tmp_path)


def plates(take: Take, loras: Loras) -> TakeInputs:
    return replace(plates_of(take), loras=loras)


def latents(report: TakeReport) -> torch.Tensor:
    assert report.latents is not None
    return report.latents


def assert_same(found: TakeReport, wanted: TakeReport) -> None:
    assert torch.equal(latents(found), latents(wanted))
    assert np.array_equal(found.pixels, wanted.pixels)  # type: ignore[arg-type]


def assert_near(found: TakeReport, wanted: TakeReport) -> None:
    """A number of a frame may fall on the other side of a half."""
    assert relative_error(latents(found), latents(wanted)) < TOLERANCE
    one, other = (np.asarray(report.pixels, dtype=np.int16) for report in (found, wanted))
    assert np.abs(one - other).max() <= 1


EVERY = [
    ("flf2v-2.1", ShotKind.FLF2V),
    ("i2v-a14b", ShotKind.FLF2V),
    ("ti2v-5b", ShotKind.T2V),
    ("ti2v-5b", ShotKind.I2V),
]


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_group_renders_what_one_device_renders(tiny: Tinies, stage: Stage, name: str, kind: ShotKind) -> None:
    """By guidance bit for bit, by tokens within rounding; and the device is as before when it is alone again."""
    model = tiny(name)
    take = model.take(kind)
    alone = stage.alone(model, take)
    two, four = (stage.together(model, take, size) for size in (2, 4))
    assert_same(two[0], alone)
    assert_near(four[0], alone)
    assert_same(stage.alone(model, take), alone)
    assert (two[0].facts["devices"], four[0].facts["devices"]) == ("2: guidance x2", "4: guidance x2, sequence x2")
    assert "devices" not in alone.facts
    assert all(Phase.STEP in report.phases and Phase.DECODING not in report.phases for report in (*two[1:], *four[1:]))


def test_a_group_renders_steps_without_guidance_as_one_device_does(tiny: Tinies, stage: Stage) -> None:
    """Both halves compute the same then."""
    model = tiny("flf2v-2.1")
    guided = model.take(ShotKind.FLF2V)
    take = replace(guided, sampling=replace(guided.sampling, guided_share=0.5))
    alone = stage.alone(model, take)
    two, four = (stage.together(model, take, size) for size in (2, 4))
    assert_same(two[0], alone)
    assert_near(four[0], alone)
    assert two[0].facts["devices"] == "2: guidance x2"


@pytest.fixture(scope="module")
def four_heads(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = save_tiny(FOUR_HEADS, tmp_path_factory.mktemp("four") / "heads")
    return Tiny(FOUR_HEADS, folder, card_of(folder))


@pytest.mark.parametrize(("size", "guidance"), [(2, (1.0, 1.0)), (4, (1.0, 1.0)), (2, (5.0, 1.0))])
def test_tokens_are_shared_where_there_is_no_guidance_to_share(
    four_heads: Tiny, stage: Stage, size: int, guidance: tuple[float, ...]
) -> None:
    """As a draft is sampled; or with one of two experts guided."""
    take = four_heads.take(ShotKind.T2V, sampling=Sampling(4, guidance, 5.0))
    alone, together = stage.alone(four_heads, take), stage.together(four_heads, take, size)
    assert together[0].facts["devices"] == f"{size}: sequence x{size}"
    assert_near(together[0], alone)
    assert_same(stage.alone(four_heads, take), alone)


def test_a_group_attends_to_the_same_blocks_of_keys(stage: Stage, tmp_path: Path) -> None:
    """Of sparse-linear attention: while it attends, each device has all tokens of some heads."""
    kind = KINDS["t2v-2.1"]
    folder = with_sparse_linear(save_tiny(kind, tmp_path / "tiny"))
    model = Tiny(kind, folder, card_of(folder))
    asked = {"size": Size(128, 96), "frames": 17}  # 240 tokens: four blocks of keys, of which one is chosen
    take = model.take(ShotKind.T2V, sampling=Sampling(2, (1.0,), 5.0), **asked)
    alone, together = stage.alone(model, take), stage.together(model, take, 2)
    assert together[0].facts["devices"] == "2: sequence x2"
    assert alone.facts["attention"] == "sparse-linear, 30 % of the keys, torch sdpa"
    assert_near(together[0], alone)


def test_blocks_in_host_memory_share_their_tokens(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V, sampling=Sampling(4, (1.0,), 5.0))
    alone = stage.alone(model, take)
    for rank in range(2):
        stage.processes.start(rank, members.stream_blocks, model.card).result(PATIENCE)
    streamed = stage.together(model, take, 2)[0]
    assert streamed.facts["memory fit"].startswith("streamed")
    assert_near(streamed, alone)


def test_all_ranks_apply_the_takes_loras(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    lora, file = own(stage.folder)
    plain = model.take(ShotKind.FLF2V)
    take = replace(plain, loras=(replace(lora, scale=0.5),))
    loras = {lora.content: file}
    alone = stage.alone(model, take, loras)
    assert_same(stage.together(model, take, 2, loras)[0], alone)
    without = stage.together(model, plain, 2)[0]
    assert relative_error(latents(without), latents(alone)) > 100 * TOLERANCE


def test_values_that_are_not_finite_stop_all_of_a_group_at_the_same_step(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    tensors = {
        f"diffusion_model.blocks.0.self_attn.q.lora_{way}.weight": torch.full(shape, torch.nan)
        for way, shape in (("down", (1, 24)), ("up", (24, 1)))
    }
    lora, file = saved(stage.folder / "nan.safetensors", tensors)
    take = replace(model.take(ShotKind.FLF2V), loras=(lora,))
    for future in stage.begun(model, take, 2, {lora.content: file}):
        with pytest.raises(RenderError, match=r"step 1 of 4 gave .*not finite.*nan\.safetensors"):
            future.result(PATIENCE)
    assert_same(stage.together(model, plain := model.take(ShotKind.FLF2V), 2)[0], stage.alone(model, plain))


def test_joining_is_reported_as_a_step(tiny: Tinies, stage: Stage) -> None:
    """Or a farm takes a process that joins for one that waits, and for stalled after a minute."""
    model = tiny("ti2v-5b")
    for report in stage.together(model, model.take(ShotKind.T2V), 2):
        assert Phase.STEP in report.phases
        assert not report.joined


def test_with_cached_latents_the_other_devices_are_not_needed(tiny: Tinies, stage: Stage) -> None:
    model = tiny("ti2v-5b")
    take = model.take(ShotKind.T2V)
    alone = stage.alone(model, take)
    leader, assistant = (future.result(PATIENCE) for future in stage.begun(model, take, 2, finds=True))
    assert_same(leader, alone)
    assert "devices" not in leader.facts
    assert Phase.STEP not in assistant.phases
    (folder,) = stage.folder.iterdir()
    assert not (folder / "begun").exists()


def test_a_device_that_fails_before_it_joins_takes_the_leader_along(tiny: Tinies, stage: Stage) -> None:
    """It has no file for a LoRA; the leader would wait for it."""
    model = tiny("flf2v-2.1")
    lora, file = own(stage.folder)
    take = replace(model.take(ShotKind.FLF2V), loras=(lora,))
    first, second = stage.group(2)
    leader = stage.processes.start(0, members.render, model.card, take, plates(take, {lora.content: file}), first)
    assistant = stage.processes.start(1, members.assist, model.card, take, second, NONE, Listener())
    with pytest.raises(WeightsError, match="no file was given"):
        assistant.result(PATIENCE)
    with pytest.raises(DeviceError, match="device 1 has gone"):
        leader.result(PATIENCE)


def test_a_device_that_hangs_does_not_block_the_others_for_ever(tiny: Tinies, stage: Stage) -> None:
    """And processes whose group broke can be in another one."""
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V)
    for rank in range(2):
        stage.processes.start(rank, members.lose_patience, 2.0).result(PATIENCE)
    leader, assistant = stage.begun(model, take, 2, last=Listener(sleeps_at_step=2))
    with pytest.raises(DeviceError, match="lost the others") as raised:
        leader.result(PATIENCE)
    assert raised.value.worth_retrying
    with pytest.raises(DeviceError):
        assistant.result(PATIENCE)
    for rank in range(2):
        stage.processes.start(rank, members.lose_patience, 20.0).result(PATIENCE)
    assert_same(stage.together(model, take, 2)[0], stage.alone(model, take))


def test_a_fault_of_this_device_is_not_reported_as_the_loss_of_another(tmp_path: Path) -> None:
    """CUDA tells of a fault at whatever it is asked next, which may be a transfer."""
    alone = Ranks(None, Group(0, 2, tmp_path), torch.device("cpu"), range(2))  # type: ignore[arg-type]  # speaks to nobody here
    with pytest.raises(torch.AcceleratorError), alone._reached():
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700)
    with pytest.raises(LostPeerError), alone._reached():
        raise RuntimeError("Connection closed by peer")


def test_a_device_that_dies_is_noticed_by_all_others(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V)
    *others, victim = stage.begun(model, take, 4, last=Listener(dies_at_step=2))
    for other in others:
        with pytest.raises(DeviceError, match="of a group of 4") as raised:
            other.result(PATIENCE)
        assert raised.value.worth_retrying
    assert victim.exception(PATIENCE) is not None
    stage.processes.replace(3)


def test_a_group_of_a_size_that_does_not_fit_is_refused(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V)
    for group in (Group(0, 3, stage.folder), Group(0, 8, stage.folder)):
        with pytest.raises(RenderError, match="for this take: 1, 2, 4 devices"):
            stage.processes.start(0, members.render, model.card, take, plates(take, NONE), group).result(PATIENCE)


def test_tokens_become_heads_and_heads_tokens(stage: Stage) -> None:
    """Of six tokens and four heads each of two devices has three and two."""
    found = [stage.processes.start(group.rank, members.there_and_back, group) for group in stage.group(2)]
    of_all = torch.arange(6 * 4 * 2, dtype=torch.float32).view(1, 6, 4, 2).to(torch.bfloat16)
    for rank, future in enumerate(found):
        heads, back, doubles, owned = future.result(PATIENCE)
        assert torch.equal(heads, of_all[:, :, 2 * rank : 2 * rank + 2])
        assert torch.equal(back, of_all)
        assert torch.equal(doubles, 2 * heads)
        assert owned == [2 * rank, 2 * rank + 1]


def forwards(stage: Stage, folder: Path, profile: Profile, calls: list[dict[str, Any]]) -> list[torch.Tensor]:
    """By two processes that share their tokens, which find the same."""
    one, other = (
        future.result(PATIENCE)
        for future in [
            stage.processes.start(group.rank, members.accelerated_forwards, folder, profile, calls, group)
            for group in stage.group(2)
        ]
    )
    assert all(map(torch.equal, one, other))
    found: list[torch.Tensor] = one
    return found


def calls_of(model: Tiny, *timesteps: Any) -> list[dict[str, Any]]:
    call = inputs_of(loaded(model.folder))
    return [call | {"timestep": torch.tensor(timestep)} for timestep in timesteps]


@torch.no_grad()
@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
def test_the_accelerated_forward_shares_its_tokens(tiny: Tinies, stage: Stage, name: str) -> None:
    """One with CLIP's pictures, one with a timestep for every token, of which the first twelve are given."""
    model = tiny(name)
    calls = calls_of(model, [612.0], *([[[0.0] * 12 + [612.0] * 48]] if name == "ti2v-5b" else []))
    stock = loaded(model.folder)
    for call, found in zip(calls, forwards(stage, model.folder, EXACT, calls), strict=True):
        assert relative_error(found, stock(**call)[0]) < 2e-6


@torch.no_grad()
def test_float8_is_as_near_with_two_devices_as_with_one(tiny: Tinies, stage: Stage) -> None:
    model = tiny("flf2v-2.1")
    calls = calls_of(model, [612.0])
    wanted = loaded(model.folder)(**calls[0])[0]
    alone = relative_error(reference(loaded(model.folder), FAST, attend_exactly)(**calls[0])[0], wanted)
    together = relative_error(forwards(stage, model.folder, FAST, calls)[0], wanted)
    assert together < 1.2 * alone


@torch.no_grad()
def test_float8_numbers_have_one_scale_on_all_devices(stage: Stage) -> None:
    """Or one device would read another's numbers by its own; where their tokens are unequal that is far off."""
    query, key, value = members.unequal_tokens()
    given = Projections.of(query, key, value), members.HEADS, members.still(64)
    wanted = Loaded(TorchOperations(), SDPA.attend).self_attention(*given)
    rows = Float8(TorchOperations(), attend_exactly).self_attention(*given)
    assert isinstance(wanted, torch.Tensor)
    assert isinstance(rows, Rows)
    one, other = (stage.processes.start(group.rank, members.float8_attention, group) for group in stage.group(2))
    together = one.result(PATIENCE)
    assert torch.equal(together, other.result(PATIENCE))
    assert relative_error(together, wanted) < 1.2 * relative_error(rows.float(), wanted)


@torch.no_grad()
@pytest.mark.parametrize(("share", "skips"), [(1.001, True), (0.999, False)])
def test_the_first_block_cache_skips_on_all_devices_or_on_none(
    tiny: Tinies, stage: Stage, monkeypatch: pytest.MonkeyPatch, share: float, *, skips: bool
) -> None:
    """With a threshold just above or below the change of all tokens, which is not that of each device's own."""
    model = tiny("flf2v-2.1")
    calls = calls_of(model, [900.0], [700.0])
    seen: list[float] = []
    change = first_block.relative_change

    def watched(*args: Any) -> float:
        seen.append(change(*args))
        return seen[-1]

    monkeypatch.setattr(first_block, "relative_change", watched)
    alone = reference(loaded(model.folder), Profile("cached", first_block_threshold=1e9))
    skipped = [alone(**call)[0] for call in calls][1]
    profile = Profile("cached", first_block_threshold=share * seen[0])
    found = forwards(stage, model.folder, profile, calls)[1]
    assert (relative_error(found, skipped) < 2e-6) is skips
    if not skips:
        assert relative_error(found, loaded(model.folder)(**calls[1])[0]) < 2e-6
