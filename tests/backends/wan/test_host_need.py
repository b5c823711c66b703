"""How much host memory a device process needs, from the headers of its weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch

from tests.farm.orders import order
from tests.tiny_wan import KINDS, card_of, save_tiny
from wan_render.backend_contract import HasHostMemory
from wan_render.backends import backend
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.memory.host_need import PROCESS_BYTES
from wan_render.backends.wan.memory.offload_choice import HOST_RESERVE_BYTES
from wan_render.host_memory import HostMemory
from wan_render.render_values import Device

GPU = Device("cuda:0", "under test", 80 * 10**9)


def test_what_is_streamed_stays_in_host_memory(tmp_path: Path) -> None:
    wan, take = backend("wan"), order("a deer").take
    assert isinstance(wan, HasHostMemory)
    card = card_of(save_tiny(KINDS["t2v-2.1"], tmp_path / "tiny"))
    frames = 5 * 3 * take.frames * take.size.width * take.size.height
    loader = FolderLoader(read_checkpoint(tmp_path / "tiny"), EXACT["cuda"])
    sizes = {name: loader.weights_bytes(name) for name in ("transformer", "text_encoder", "vae")}
    resident = wan.host_bytes(take, card, GPU) - PROCESS_BYTES["cuda"] - frames
    assert resident == max(sizes["transformer"], sizes["text_encoder"]), "they are converted there, one at a time"
    streamed = wan.host_bytes(take, card, GPU, tighter=2) - PROCESS_BYTES["cuda"] - frames
    blocks = loader.module("transformer").get_submodule("blocks")
    stays = 2 * sum(weight.numel() for weight in blocks.parameters())
    assert streamed == pytest.approx(stays + sizes["text_encoder"], rel=0.02)
    cpu = Device("cpu", "under test", 0)
    assert wan.host_bytes(take, card, cpu, tighter=1) < wan.host_bytes(take, card, cpu)


def test_weights_that_are_stored_as_they_are_used_stay_in_their_files(tmp_path: Path) -> None:
    wan, take = backend("wan"), order("a deer").take
    assert isinstance(wan, HasHostMemory)
    folder = save_tiny(KINDS["t2v-2.1"], tmp_path / "tiny")
    half = copytree(folder, tmp_path / "half")
    loader, in_float32 = FolderLoader(read_checkpoint(folder), EXACT["cuda"]), 0
    for name in ("transformer", "text_encoder"):
        module: Any = loader.module(name)
        module.save_pretrained(half / name)
        in_float32 += sum(weight.numel() for weight in module.parameters() if weight.dtype is not torch.bfloat16)
    saved = wan.host_bytes(take, card_of(folder), GPU) - wan.host_bytes(take, card_of(half), GPU)
    largest = max(loader.weights_bytes(name) for name in ("transformer", "text_encoder"))
    assert saved == largest - 2 * in_float32, "of a transformer some layers are in float32, which has no encoder"


@pytest.mark.parametrize(("lacking", "is_leaner"), [(0, False), (1, True)])
def test_what_takes_turns_in_host_memory_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: int, *, is_leaner: bool
) -> None:
    """Decided from the memory that is left when the process is there, which is not yet."""
    wan, take = backend("wan"), order("a deer").take
    assert isinstance(wan, HasHostMemory)
    card = card_of(save_tiny(KINDS["t2v-2.1"], tmp_path / "tiny"))
    together = wan.host_bytes(take, card, GPU, tighter=2)
    frames = 5 * 3 * take.frames * take.size.width * take.size.height
    free = HOST_RESERVE_BYTES + together - frames - lacking
    monkeypatch.setattr("wan_render.backends.wan.memory.host_need.host_memory", lambda: HostMemory(free, free))
    assert (wan.host_bytes(take, card, GPU, tighter=2) < together) is is_leaner


def test_it_is_estimated_without_torch_and_unknown_without_weights() -> None:
    question = (
        "import sys; from wan_render.backends import backend; from tests.farm.orders import order; from "
        "wan_render.render_values import Device; asked = order('a'); "
        "print(backend('wan').host_bytes(asked.take, asked.card, Device('cuda:0', '', 9), 0), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True)
    assert said.stdout == "0 False\n"
