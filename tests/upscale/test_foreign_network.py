"""Networks of users through spandrel. Its own structures also show that ours compute the same."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from tests.upscale.networks import random_network
from wan_render.errors import WeightsError
from wan_render.upscale.foreign_network import open_foreign_network
from wan_render.upscale.rrdb_network import RrdbNetwork

pytestmark = pytest.mark.wan
CPU = torch.device("cpu")

try:
    import spandrel  # noqa: F401 - whether it can be imported
except (ImportError, RuntimeError):
    pytest.skip("spandrel, or a torchvision that fits torch, is not installed", allow_module_level=True)


def compact_weights() -> dict[str, torch.Tensor]:
    return {name.replace("layers", "body"): value for name, value in random_network().state_dict().items()}


def dense_weights(network: RrdbNetwork) -> dict[str, torch.Tensor]:
    """With the names of BasicSR's RRDBNet."""
    found = {}
    for name, value in network.state_dict().items():
        kind = name.rpartition(".")[2]
        words = name.split(".")
        if words[0] == "body":
            _, block, _, dense, *layer, _ = words
            number = int(layer[1]) + 1 if layer[0] == "growing" else 5
            found[f"body.{block}.rdb{int(dense) + 1}.conv{number}.{kind}"] = value
            continue
        names = {"first": "conv_first", "after_body": "conv_body", "fine": "conv_hr", "last": "conv_last"}
        here = f"conv_up{int(words[1]) + 1}" if words[0] == "doubling" else names[words[0]]
        found[f"{here}.{kind}"] = value
    return found


@torch.no_grad()
def test_a_small_network_computes_what_ours_does(tmp_path: Path) -> None:
    file, source = tmp_path / "net.pth", torch.rand(1, 3, 12, 14)
    torch.save({"params": compact_weights()}, file)
    network = open_foreign_network(file, CPU)
    assert network.scale == 4
    assert torch.allclose(network.compute(source), random_network()(source), atol=1e-5)


@torch.no_grad()
def test_a_large_network_computes_what_ours_does(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(4)
    ours, file, source = RrdbNetwork(2).eval(), tmp_path / "net.safetensors", torch.rand(1, 3, 12, 14)
    save_file(dense_weights(ours), file)
    assert torch.allclose(open_foreign_network(file, CPU).compute(source), ours(source), atol=1e-5)


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("/tmp/upscale-was-run"),)  # noqa: S108 - must never appear


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save({"params": Harmful()}, file)
    with pytest.raises(WeightsError, match=r"net.pth: cannot be read: .*Unpickling"):
        open_foreign_network(file, CPU)
    assert not Path("/tmp/upscale-was-run").exists()  # noqa: S108 - as above
    file.write_bytes(pickle.dumps(1))
    with pytest.raises(WeightsError):
        open_foreign_network(file, CPU)
    torch.save({"params": {"a": torch.zeros(3)}}, file)
    with pytest.raises(WeightsError, match="no network that spandrel knows"):
        open_foreign_network(file, CPU)
