"""The engine's benchmark of steps counts what it says that it counts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.wan


@dataclass
class Ledger:
    """A device whose memory the test fills."""

    held: float = 50.0
    most: float = field(default=50.0, init=False)

    def start(self) -> float:
        self.most = self.held
        return self.held

    def allocated(self) -> float:
        return self.held

    def peak(self) -> float:
        return self.most

    def step(self, *, works_with: float, keeps: float = 0.0) -> None:
        self.held += keeps
        self.most = max(self.most, self.held + works_with)


def test_what_a_variant_keeps_from_step_to_step_is_counted() -> None:
    """`exact` works with 3 GB and keeps 1.3 GB of keys and values, which lie there before its second step."""
    from benchmarks.engine.steps import Memory

    ledger = Ledger()
    memory = Memory(ledger)
    with memory.watched():
        ledger.step(works_with=9.0, keeps=1.3)  # a first step tries kernels
    for _ in range(3):
        with memory.watched():
            ledger.step(works_with=3.0)
    assert memory.kept == pytest.approx(1.3)
    assert memory.beside_weights == pytest.approx(4.3)


def test_a_variant_that_keeps_nothing_is_not_charged_for_what_others_keep() -> None:
    from benchmarks.engine.steps import Memory

    ledger = Ledger()
    memory = Memory(ledger)
    with memory.watched():
        ledger.step(works_with=3.7)
    ledger.held += 1.3  # another variant's
    with memory.watched():
        ledger.step(works_with=3.7)
    assert memory.kept == pytest.approx(0.0)
    assert memory.beside_weights == pytest.approx(3.7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpus_memory_is_counted_as_torch_counts_it() -> None:
    from benchmarks.engine.meter import TorchMeter
    from benchmarks.engine.steps import Memory

    device = torch.device("cuda:0")
    memory, kept = Memory(TorchMeter(device)), []
    for turn in range(2):
        with memory.watched():
            if not turn:
                kept.append(torch.empty(200_000_000, dtype=torch.uint8, device=device))
            torch.empty(100_000_000, dtype=torch.uint8, device=device)
    assert memory.beside_weights == pytest.approx(0.3, abs=0.01)


def test_each_variant_begins_a_round_and_each_has_every_place() -> None:
    from benchmarks.engine.steps import in_turn

    names = ("stock", "compiled", "exact", "compiled-float8", "fast")
    rounds = [in_turn(names, turn) for turn in range(len(names))]
    assert all(sorted(each) == sorted(names) for each in rounds)
    assert all(sorted(places) == sorted(names) for places in zip(*rounds, strict=True))


@pytest.mark.parametrize("model", ["wan2.1-flf2v-14b", "wan2.1-i2v-14b-480p"])
def test_the_program_runs_on_a_cpu(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.engine import steps

    file = tmp_path / "steps.json"
    monkeypatch.setattr("sys.argv", ["steps", "--tiny", "--rounds", "1", "--model", model, "--json", str(file)])
    steps.main()
    found = json.loads(file.read_text())
    assert found["machine"]["model"] == model
    assert found["errors, 832x480x17"]["exact"]["relative error"] < 1e-5
    assert set(found["steps, 832x480x81"]) == {"stock", "exact"}


def test_building_a_model_replaces_nothing_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers and transformers keep the functions that they find in torch.nn.init when they are imported; models made
    later in this process would have no weights but what memory happened to hold."""
    from benchmarks.engine.forms import FLF2V, tiny
    from benchmarks.engine.models import make_transformer

    diffusers = import_module("diffusers")
    transformer, before, dice = diffusers.WanTransformer3DModel, dict(vars(torch.nn.init)), torch.get_rng_state()

    def built(**config: Any) -> torch.nn.Module:
        assert vars(torch.nn.init) == before
        torch.nn.Linear(2, 2)
        assert torch.equal(dice, torch.get_rng_state()), "weights were drawn that are overwritten"
        made: torch.nn.Module = transformer(**config)
        return made

    monkeypatch.setattr(diffusers, "WanTransformer3DModel", built)
    make_transformer(tiny(FLF2V), torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("wrong", [["--parts", "step"], ["--variants", "stock,fastest"], ["--model", "wan3"]])
def test_a_wrong_name_ends_the_program_before_it_begins(
    wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.engine import steps

    monkeypatch.setattr("sys.argv", ["steps", "--tiny", *wrong])
    with pytest.raises(SystemExit, match="2"):
        steps.main()
    assert wrong[1].split(",")[-1] in capsys.readouterr().err


def test_peaky_heads_are_peaky_and_float8_errs_more_on_them() -> None:
    from benchmarks.engine.peaky_heads import SMALL, measured

    rows = measured(SMALL, torch.device("cpu"))
    lone = {name: row for name, row in rows.items() if "share" not in name}
    counts = [int(name.split()[0]) for name in lone]
    float8 = [row["float8"] for row in lone.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 5
    assert float8 == sorted(float8)
    shared = [row for name, row in rows.items() if "share" in name]
    assert shared[-1]["float8, as in fast"] < shared[-1]["float8"], "smoothing takes away what the keys share"
    assert all(row["bfloat16, torch sdpa"] < 0.003 for row in rows.values())
