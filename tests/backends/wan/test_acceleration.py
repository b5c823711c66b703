"""The accelerated forward in plain torch against diffusers' own, for every kind of model; profiles and schedules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import attend_exactly, inputs_of, loaded, reference, relative_error
from tests.tiny_wan import KINDS
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT as EXACT_PRECISION
from wan_render.backends.wan.checkpoint.loading import FolderLoader, LoadForm
from wan_render.backends.wan.profiles import render_profile as profiles
from wan_render.backends.wan.profiles.render_profile import EXACT, FAST, Machine, Profile
from wan_render.backends.wan.profiles.schedule import distilled_levels, prepared_scheduler
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer
from wan_render.errors import DeviceError, RenderError
from wan_render.settings import install_command
from wan_render.take import Sampling

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", [name for name in KINDS if name != "vace"])  # diffusers computes that
@torch.no_grad()
def test_it_computes_what_diffusers_computes(tiny: Tinies, name: str) -> None:
    stock = loaded(tiny(name).folder)
    asked = inputs_of(stock)
    wanted = stock(**asked)[0]
    found = reference(stock, EXACT)(**asked)[0]
    assert found.shape == wanted.shape
    assert relative_error(found, wanted) < 2e-6


@pytest.mark.parametrize("name", ["flf2v-2.1", "i2v-a14b", "ti2v-5b"])
@torch.no_grad()
def test_in_bfloat16_it_errs_no_more_than_diffusers_does(tiny: Tinies, name: str) -> None:
    """Against float32, over several inputs: it rounds where diffusers rounds, or less often."""
    types = LoadForm(torch.bfloat16, torch.bfloat16, torch.float32, torch.float32)
    narrow = FolderLoader(read_checkpoint(tiny(name).folder), types).module("transformer")
    wide = copy.deepcopy(narrow).float()
    accelerated = reference(copy.deepcopy(narrow), EXACT)
    errors = []
    for seed in range(4):
        asked = inputs_of(wide, seed)
        cast = {k: v.bfloat16() if isinstance(v, torch.Tensor) and v.dim() > 1 else v for k, v in asked.items()}
        asked = {k: v.float() if isinstance(v, torch.Tensor) else v for k, v in cast.items()}
        wanted = wide(**asked)[0]
        errors.append([relative_error(model(**cast)[0].float(), wanted) for model in (narrow, accelerated)])
    theirs, ours = torch.tensor(errors).mean(dim=0).tolist()
    assert 0 < ours < 1.05 * theirs


@torch.no_grad()
def test_a_timestep_for_every_token(tiny: Tinies) -> None:
    """As the 5B is asked where its first frame is given."""
    stock = loaded(tiny("ti2v-5b").folder)
    asked = inputs_of(stock) | {"timestep": torch.tensor([[0.0] * 12 + [612.0] * 48])}
    wanted = stock(**asked)[0]
    assert relative_error(reference(stock, EXACT)(**asked)[0], wanted) < 2e-6


@pytest.mark.parametrize("variant", profiles.VARIANTS["fast"])
@pytest.mark.parametrize("name", ["flf2v-2.1", "t2v-a14b"])
@torch.no_grad()
def test_float8_is_near(tiny: Tinies, name: str, variant: str) -> None:
    """Three bits after the leading one: each product is off by some percent. Rounding fewer things errs less."""
    stock = loaded(tiny(name).folder)
    asked = inputs_of(stock)
    wanted = stock(**asked)[0]
    profile = profiles.VARIANTS["fast"][variant]
    found = {each: reference(copy.deepcopy(stock), each, attend_exactly)(**asked)[0] for each in (FAST, profile)}
    error = relative_error(found[profile], wanted)
    assert 1e-4 < error < 0.08
    assert error < 1.1 * relative_error(found[FAST], wanted)


@torch.no_grad()
def test_the_context_of_text_and_pictures_is_computed_once(tiny: Tinies) -> None:
    """And is the same as if it were computed again; another text has its own."""
    stock = loaded(tiny("flf2v-2.1").folder)
    accelerated = reference(copy.deepcopy(stock), EXACT)
    calls: list[int] = []
    to_k = accelerated.get_submodule("cross_attentions.0.to_k")
    to_k.register_forward_hook(lambda *_: calls.append(1))
    asked, negative = inputs_of(stock), inputs_of(stock, seed=2)
    one = asked | {"encoder_hidden_states": negative["encoder_hidden_states"]}
    for timestep in (900.0, 500.0):
        at = {"timestep": torch.tensor([timestep])}
        for case in (asked, one):
            assert relative_error(accelerated(**case | at)[0], stock(**case | at)[0]) < 2e-6
    assert len(calls) == 2
    accelerated(**inputs_of(stock, seed=3))
    assert len(calls) == 3


@torch.no_grad()
def test_an_equal_text_in_another_tensor_is_not_mistaken_for_the_one_before(tiny: Tinies) -> None:
    stock = loaded(tiny("t2v-2.1").folder)
    accelerated = reference(copy.deepcopy(stock), EXACT)
    asked = inputs_of(stock)
    accelerated(**asked)
    other = asked | {"encoder_hidden_states": torch.zeros_like(asked["encoder_hidden_states"])}
    assert relative_error(accelerated(**other)[0], stock(**other)[0]) < 2e-6


def cached(stock: Any, threshold: float) -> AcceleratedTransformer:
    return reference(copy.deepcopy(stock), Profile("cached", first_block_threshold=threshold))


@torch.no_grad()
def test_the_first_block_cache_with_a_threshold_of_nothing_skips_nothing(tiny: Tinies) -> None:
    stock = loaded(tiny("flf2v-2.1").folder)
    accelerated = cached(stock, 0.0)
    asked = inputs_of(stock)
    for timestep in (900.0, 880.0):
        case = asked | {"timestep": torch.tensor([timestep])}
        assert relative_error(accelerated(**case)[0], stock(**case)[0]) < 2e-6


@torch.no_grad()
def test_the_first_block_cache_keeps_guided_and_unguided_apart(tiny: Tinies) -> None:
    """With a threshold that nothing exceeds every second step is skipped; then each text gets its own rest back."""
    stock = loaded(tiny("flf2v-2.1").folder)
    both, alone = cached(stock, 1e9), cached(stock, 1e9)
    asked = inputs_of(stock)
    negative = asked | {"encoder_hidden_states": inputs_of(stock, seed=2)["encoder_hidden_states"]}
    steps = [torch.tensor([timestep]) for timestep in (900.0, 700.0)]
    together = [(both(**asked | {"timestep": t})[0], both(**negative | {"timestep": t})[0]) for t in steps]
    for t, (of_text, of_negative) in zip(steps, together, strict=True):
        assert torch.equal(alone(**asked | {"timestep": t})[0], of_text)
        assert not torch.equal(of_text, of_negative)
    assert relative_error(together[1][0], stock(**asked | {"timestep": steps[1]})[0]) > 1e-5  # it was skipped


@torch.no_grad()
def test_another_take_begins_without_a_memory_of_the_one_before(tiny: Tinies) -> None:
    stock = loaded(tiny("t2v-2.1").folder)
    accelerated = cached(stock, 1e9)
    asked = inputs_of(stock)
    for timestep in (900.0, 700.0, 900.0):
        found = accelerated(**asked | {"timestep": torch.tensor([timestep])})[0]
    assert relative_error(found, stock(**asked | {"timestep": torch.tensor([900.0])})[0]) < 2e-6


@torch.no_grad()
def test_a_batch_is_refused(tiny: Tinies) -> None:
    stock = loaded(tiny("t2v-2.1").folder)
    asked = inputs_of(stock)
    with pytest.raises(ValueError, match="batch of one"):
        reference(stock, EXACT)(**asked | {"hidden_states": asked["hidden_states"].repeat(2, 1, 1, 1, 1)})


HOPPER = Machine("cuda", (9, 0), has_float8_attention=True)


@pytest.mark.parametrize(
    ("profile", "machine", "said"),
    [
        ("fast", Machine("cpu"), "the device is not an NVIDIA GPU"),
        ("fast", Machine("cuda", (9, 0)), install_command("hopper")),
        ("balanced", Machine("cuda", (8, 0)), "8.9 or later"),
        ("fast", Machine("cuda", (8, 9), has_float8_attention=False), "Hopper"),
    ],
)
def test_what_a_machine_cannot_do_is_refused_in_words(profile: str, machine: Machine, said: str) -> None:
    with pytest.raises(DeviceError) as raised:
        profiles.require_profile(profiles.profile_named(profile), machine)
    assert said in str(raised.value)


@pytest.mark.parametrize("profile", profiles.ALL)
def test_every_profile_is_rendered_by_a_hopper(profile: Profile) -> None:
    profiles.require_profile(profile, HOPPER)


@pytest.mark.parametrize("machine", [Machine("cpu"), Machine("cuda", (7, 5)), Machine("cuda", (8, 9)), HOPPER])
def test_exact_and_what_is_computed_as_exact_is_need_nothing(machine: Machine) -> None:
    profiles.require_profile(EXACT, machine)
    profiles.require_profile(profiles.DRAFT_AS_EXACT, machine)
    assert not profiles.DRAFT_AS_EXACT.needs_own_kernels
    assert all(profile.needs_own_kernels for profile in (profiles.FAST, profiles.BALANCED, profiles.DRAFT))


def test_an_unknown_variant_is_named_with_those_there_are() -> None:
    with pytest.raises(RenderError, match="unknown variant 'ada'; allowed: '', 'exact-attention', 'exact'"):
        profiles.profile_named("draft", "ada")


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(RenderError, match="exact, fast, balanced, draft"):
        profiles.profile_named("fastest")


def not_asked(shift: float) -> Any:
    raise AssertionError(f"the model's own scheduler was asked for, with shift {shift}")


def test_the_draft_follows_the_levels_that_4_step_loras_were_distilled_for() -> None:
    """Training steps 1000, 750, 500 and 250 at a shift of 5: σ = 5t / (1 + 4t)."""
    assert distilled_levels(4) == [1.0, 0.75, 0.5, 0.25]
    scheduler = prepared_scheduler(profiles.DRAFT, Sampling(4, (1.0,), 5.0, "draft"), not_asked, CPU)
    assert torch.allclose(scheduler.timesteps, torch.tensor([1000.0, 937.5, 833.3333, 625.0]))
    assert torch.allclose(scheduler.sigmas, torch.tensor([1.0, 0.9375, 0.8333333, 0.625, 0.0]))


def test_a_draft_that_predicts_the_way_to_a_picture_arrives_there() -> None:
    """The step is Euler's: with the exact velocity towards one picture the four end on it."""
    scheduler = prepared_scheduler(profiles.DRAFT, Sampling(4, (1.0,), 5.0, "draft"), not_asked, CPU)
    generator = torch.Generator().manual_seed(3)
    noise, picture = (torch.randn(1, 4, 2, 3, 3, generator=generator) for _ in range(2))
    latents = noise
    scheduler.set_begin_index(0)
    for t in scheduler.timesteps:
        latents = scheduler.step(noise - picture, t, latents, return_dict=False)[0]
    assert torch.allclose(latents, picture, atol=1e-5)


def test_other_profiles_keep_the_models_own_schedule(tiny: Tinies) -> None:
    model = tiny("t2v-2.1")
    loader = FolderLoader(read_checkpoint(model.folder), EXACT_PRECISION["cpu"])
    scheduler = prepared_scheduler(FAST, Sampling(4, (5.0,), 3.0, "fast"), loader.scheduler, CPU)
    wanted = loader.scheduler(3.0)
    wanted.set_timesteps(4)
    assert type(scheduler) is type(wanted)
    assert torch.equal(scheduler.timesteps, wanted.timesteps)
