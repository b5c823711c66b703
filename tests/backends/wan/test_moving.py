"""Weights that are read from their files are those that were loaded, and a file that can't be read is an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import loaded, reference
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.checkpoint.mapped_files import MappedFiles, mapped_files
from wan_render.backends.wan.checkpoint.moving import PIECE_BYTES, FileMove, Move, moved_to_device
from wan_render.backends.wan.profiles import transformer
from wan_render.backends.wan.profiles.render_profile import EXACT as EXACT_PROFILE
from wan_render.backends.wan.profiles.render_profile import FAST, Profile
from wan_render.errors import WeightsError

pytestmark = [pytest.mark.wan, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

Tinies = Callable[[str], Tiny]
CPU = torch.device("cpu")


class Pair(torch.nn.Module):
    """A weight of several pieces, one of a few bytes, and a buffer."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.large, self.small = (torch.nn.Parameter(weights[name], requires_grad=False) for name in ("large", "small"))
        self.register_buffer("mean", weights["mean"])


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "large": torch.randn(3 * PIECE_BYTES // 4 + 5, generator=generator),
        "small": torch.randn(3, generator=generator).bfloat16(),
        "mean": torch.randn(7, 2, generator=generator),
    }


def mapped(file: Path) -> Pair:
    save_file(weights(), file)
    return Pair(load_file(file))


def move(module: torch.nn.Module, files: MappedFiles | None = None) -> None:
    with ExitStack() as stack:
        FileMove(CPU, files or mapped_files(), stack)(module)


def in_files(module: torch.nn.Module) -> list[str]:
    files = mapped_files()
    return [name for name, tensor in module.state_dict().items() if files.place_of(tensor) is not None]


def assert_as_saved(module: torch.nn.Module) -> None:
    wanted = weights()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in module.state_dict().items())


def test_weights_are_read_to_the_last_bit(tmp_path: Path) -> None:
    module = mapped(tmp_path / "weights.safetensors")
    assert in_files(module) == ["large", "small", "mean"]
    move(module)
    assert in_files(module) == []
    assert_as_saved(module)


@pytest.mark.parametrize("component", ["transformer", "text_encoder", "image_encoder", "vae"])
def test_components_are_too(tiny: Tinies, component: str) -> None:
    loader = FolderLoader(read_checkpoint(tiny("flf2v-2.1").folder), EXACT["cpu"])
    module, wanted = loader.module(component), loader.module(component).state_dict()
    assert in_files(module)
    move(module)
    assert in_files(module) == []
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in module.state_dict().items())


def test_weights_of_several_files_are_too(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    first, *rest = weights().items()
    save_file(dict([first]), one)
    save_file(dict(rest), other)
    module = Pair(load_file(one) | load_file(other))
    move(module)
    assert in_files(module) == []
    assert_as_saved(module)


@pytest.mark.parametrize("profile", [EXACT_PROFILE, FAST], ids=lambda profile: profile.name)
def test_forms_of_profiles_are_the_same(tiny: Tinies, monkeypatch: pytest.MonkeyPatch, profile: Profile) -> None:
    folder, used = tiny("flf2v-2.1").folder, list[torch.nn.Module]()
    wanted = reference(loaded(folder), profile).state_dict()

    @contextmanager
    def from_files(device: torch.device) -> Iterator[Move]:
        with ExitStack() as stack:
            file_move = FileMove(device, mapped_files(), stack)

            def noted(module: torch.nn.Module) -> None:
                used.append(module)
                assert in_files(module)
                file_move(module)
                assert in_files(module) == []

            yield noted

    monkeypatch.setattr(transformer, "moving_to", from_files)
    found = reference(loaded(folder), profile).state_dict()
    assert used
    assert found.keys() == wanted.keys()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.items())


def test_on_a_cpu_weights_stay_in_their_files(tmp_path: Path) -> None:
    module = mapped(tmp_path / "weights.safetensors")
    assert moved_to_device(module, CPU) is module
    assert in_files(module) == ["large", "small", "mean"]


def test_a_link_to_the_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "blob").mkdir()
    file = tmp_path / "blob" / "0123"
    save_file(weights(), file)
    (tmp_path / "weights.safetensors").symlink_to(file)
    module = Pair(load_file(tmp_path / "weights.safetensors"))
    move(module)
    assert in_files(module) == []
    assert_as_saved(module)


def test_what_was_changed_in_memory_stays_changed(tmp_path: Path) -> None:
    module = mapped(tmp_path / "weights.safetensors")
    module.large[5] = 9.0
    wanted = module.large.clone()
    move(module)
    assert torch.equal(module.large, wanted)


def test_a_file_that_was_replaced_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    module, files = mapped(file), mapped_files()
    save_file({name: tensor + 1 for name, tensor in weights().items()}, tmp_path / "other")
    (tmp_path / "other").replace(file)
    move(module, files)
    assert_as_saved(module)


def test_a_file_that_is_cut_off_meanwhile_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    module, size = mapped(file), 2 * PIECE_BYTES + 100
    os.truncate(file, size)
    with pytest.raises(WeightsError) as caught:
        move(module)
    problem = caught.value.problems[0]
    assert problem.where == str(file)
    assert f"has {size:,} bytes" in problem.found
    assert "expected at least" in problem.allowed
    assert "download" in problem.remedy


def test_where_the_system_does_not_tell_torch_moves_them(tmp_path: Path) -> None:
    module = mapped(tmp_path / "weights.safetensors")
    move(module, mapped_files(tmp_path / "no such file"))
    assert_as_saved(module)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_they_are_the_same(tmp_path: Path) -> None:
    module = mapped(tmp_path / "weights.safetensors")
    moved_to_device(module, torch.device("cuda"))
    assert all(tensor.is_cuda for tensor in module.state_dict().values())
    assert_as_saved(module.cpu())
