"""The renderer beyond its pixels: what it refuses, keeps, frees, tells and records."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.wan.conftest import CPU, Tiny, nobody, picture, plates_of
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.memory import loaded_components
from wan_render.errors import (
    DeviceError,
    LostPeerError,
    MachineError,
    OutOfMemoryError,
    Problem,
    RenderError,
    Stopped,
    WanRenderError,
    WeightsError,
)
from wan_render.render_values import Device, Phase, Progress, TakeInputs
from wan_render.take import Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": 10}, "nearest: 9 or 13"),
        ({"frames": 1}, "no room for two keyframes"),
        ({"size": Size(72, 48)}, "multiples of 16"),
        ({"rate": Fraction(24)}, "16 frames a second"),
        ({"sampling": Sampling(4, (5.0, 5.0), 5.0)}, "expected 1, one an expert"),
        ({"sampling": Sampling(0, (5.0,), 5.0)}, "0 steps"),
        ({"sampling": Sampling(4, (5.0,), 0.0)}, "shift"),
        ({"sampling": Sampling(4, (5.0,), 5.0, guided_share=0.0)}, "cannot guide 0 of the steps"),
        ({"sampling": Sampling(4, (5.0,), 5.0, guided_share=1.5)}, "expected more than 0, at most 1"),
        ({"last": None}, "cannot render i2v"),
    ],
)
def test_what_would_be_rounded_or_ignored_is_refused(tiny: Tinies, changes: dict[str, Any], said: str) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V, **changes)
    renderer = BACKEND.open(model.card, CPU, nobody)

    with pytest.raises(RenderError) as raised:
        renderer.render(take, plates_of(take), nobody)
    assert said in str(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301 - our own bytes


def test_a_profile_that_the_device_cannot_render_is_refused_for_another_one_to_try(tiny: Tinies) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V, sampling=Sampling(4, (5.0,), 5.0, "draft"))
    with pytest.raises(DeviceError, match="profile 'draft'"):
        BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody)


def test_a_draft_that_is_computed_as_exact_is_renders_on_a_cpu(tiny: Tinies) -> None:
    """In diffusers' forward, on the schedule of distilled LoRAs; it says so."""
    model = tiny("flf2v-2.1")
    renderer = BACKEND.open(model.card, CPU, nobody)
    draft = model.take(ShotKind.FLF2V, sampling=Sampling(4, (1.0,), 5.0, "draft", "exact"))
    exact = model.take(ShotKind.FLF2V, sampling=Sampling(4, (1.0,), 5.0))
    shown = renderer.render(draft, plates_of(draft), nobody).pixels
    facts = dict(renderer.facts())
    assert (facts["profile"], facts["variant"], facts["transformer"]) == ("draft", "exact", "diffusers")
    assert not np.array_equal(shown, renderer.render(exact, plates_of(exact), nobody).pixels)
    assert "variant" not in renderer.facts()


def test_the_5b_refuses_a_last_keyframe(tiny: Tinies) -> None:
    model = tiny("ti2v-5b")
    take = model.take(ShotKind.FLF2V)

    with pytest.raises(RenderError, match="cannot render flf2v"):
        BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody)


def test_a_plate_of_another_size_is_not_stretched(tiny: Tinies) -> None:
    model = tiny("flf2v-2.1")
    take = model.take(ShotKind.FLF2V)
    right = plates_of(take)

    with pytest.raises(RenderError, match="the last plate"):
        BACKEND.open(model.card, CPU, nobody).render(take, TakeInputs(right.first, picture(Size(80, 48), 2)), nobody)


def test_the_last_keyframe_decides_pixels(tiny: Tinies) -> None:
    """In every family that takes one, next to its first picture."""
    for name in ("flf2v-2.1", "i2v-a14b"):
        model = tiny(name)
        take = model.take(ShotKind.FLF2V)
        renderer = BACKEND.open(model.card, CPU, nobody)
        one = renderer.render(take, plates_of(take), nobody).pixels
        other = renderer.render(take, TakeInputs(plates_of(take).first, picture(take.size, 5)), nobody).pixels
        assert not np.array_equal(one, other), name


def heard_of(model: Tiny, take: Take, times: int) -> list[list[Progress]]:
    renderer = BACKEND.open(model.card, CPU, nobody)
    heard: list[list[Progress]] = [[] for _ in range(times)]
    for events in heard:
        renderer.render(take, plates_of(take), events.append)
    return heard


def test_a_second_take_loads_nothing(tiny: Tinies) -> None:
    model = tiny("i2v-a14b")
    first, second = heard_of(model, model.take(ShotKind.FLF2V), 2)

    assert Phase.LOADING in {event.phase for event in first}
    assert Phase.LOADING not in {event.phase for event in second}


def test_every_step_is_reported(tiny: Tinies) -> None:
    model = tiny("ti2v-5b")
    (heard,) = heard_of(model, model.take(ShotKind.T2V), 1)

    assert [event for event in heard if event.phase is Phase.STEP] == [Progress(Phase.STEP, n, 4) for n in range(5)]
    assert heard[-1].phase is Phase.DECODING


def test_if_memory_is_short_one_component_is_loaded_at_a_time(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the pixels are the same."""
    model = tiny("i2v-a14b")
    take = model.take(ShotKind.FLF2V)
    roomy = BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody).pixels
    monkeypatch.setattr(loaded_components, "free_device_bytes", lambda _: 0)
    with caplog.at_level(logging.INFO, logger="wan_render"):
        tight = BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody).pixels

    assert np.array_equal(roomy, tight)
    said = [record.getMessage() for record in caplog.records]
    freed = [message.split()[0] for message in said if " is freed: " in message]
    assert freed == ["text_encoder", "vae", "transformer", "transformer_2"]


def test_a_prompt_is_encoded_once(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    from wan_render.backends.wan.pipeline import encode, take_encodings

    asked: list[str] = []
    real = encode.encode_text

    def counted(text: str, *parts: Any) -> Any:
        asked.append(text)
        return real(text, *parts)

    monkeypatch.setattr(take_encodings, "encode_text", counted)
    model = tiny("t2v-2.1")
    renderer = BACKEND.open(model.card, CPU, nobody)
    for prompt in ("a river", "a lake", "a river"):
        take = model.take(ShotKind.T2V, prompt=prompt)
        renderer.render(take, plates_of(take), nobody)
    assert asked == ["a river", "blurred, static", "a lake"]


def test_facts_say_with_what_it_was_rendered(tiny: Tinies) -> None:
    import diffusers
    import torch

    model = tiny("flf2v-2.1")
    facts = BACKEND.open(model.card, CPU, nobody).facts()

    assert facts["torch"] == torch.__version__
    assert facts["diffusers"] == diffusers.__version__
    assert facts["weights"] == model.card.identity
    assert facts["device"] == "cpu"
    assert facts["vae dtype"] == "float32"
    assert all(isinstance(value, str) for value in facts.values())


@pytest.fixture
def copied(tiny: Tinies, tmp_path: Path) -> Tiny:
    model = tiny("t2v-2.1")
    folder = Path(shutil.copytree(model.folder, tmp_path / "model"))
    return replace(model, folder=folder, card=replace(model.card, folder=folder))


def test_weights_of_another_model_are_refused_when_loaded(copied: Tiny, tiny: Tinies) -> None:
    """diffusers would fill what is missing with noise, and leave out what it has no place for."""
    name = "transformer/diffusion_pytorch_model.safetensors"
    shutil.copy(tiny("i2v-2.1").folder / name, copied.folder / name)
    take = copied.take(ShotKind.T2V)

    with pytest.raises(WeightsError, match="transformer"):
        BACKEND.open(copied.card, CPU, nobody).render(take, plates_of(take), nobody)


def test_a_lacking_weight_is_refused_when_loaded(copied: Tiny) -> None:
    from safetensors.torch import load_file, save_file

    file = copied.folder / "vae/diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["quant_conv.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    take = copied.take(ShotKind.T2V)

    with pytest.raises(WeightsError, match=r"lacks 1 weights: quant_conv\.weight"):
        BACKEND.open(copied.card, CPU, nobody).render(take, plates_of(take), nobody)


def test_a_leftover_weight_is_refused_when_loaded(copied: Tiny) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    file = copied.folder / "transformer/diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | {"blocks.9.extra": torch.zeros(2)}, file, metadata={"format": "pt"})
    take = copied.take(ShotKind.T2V)

    with pytest.raises(WeightsError, match=r"has no place for 1 weights: blocks\.9\.extra"):
        BACKEND.open(copied.card, CPU, nobody).render(take, plates_of(take), nobody)


def test_weights_deleted_since_the_plan_are_the_machines_fault(copied: Tiny) -> None:
    shutil.rmtree(copied.folder / "vae")

    with pytest.raises(WeightsError, match="has no vae"):
        BACKEND.open(copied.card, CPU, nobody)


def test_a_missing_device_is_not_the_takes_fault(tiny: Tinies) -> None:
    with pytest.raises((DeviceError, MachineError)) as raised:
        BACKEND.open(tiny("t2v-2.1").card, Device("cuda:7", "none", 0), nobody)
    assert not isinstance(raised.value, RenderError)


def test_a_pinned_process_has_its_gpu_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from wan_render.backends.wan.opening import torch_device_name

    device = Device("cuda:3", "a GPU", 0, pin="GPU-3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert torch_device_name(device) == "cuda:3"
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "GPU-3")
    assert torch_device_name(device) == "cuda:0"


def foreign_faults() -> list[tuple[Exception, type[WanRenderError]]]:
    import torch

    return [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError),
        (MemoryError(), OutOfMemoryError),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), OutOfMemoryError),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700), DeviceError),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceError),
        (RuntimeError("NCCL communicator was aborted on rank 0"), LostPeerError),
        (AssertionError("Torch not compiled with CUDA enabled"), MachineError),
        (ImportError("ftfy"), MachineError),
        (ValueError("shapes"), RenderError),
        (Stopped(Problem("here", "stopped")), Stopped),
    ]


def test_foreign_faults_have_one_meaning_each() -> None:
    from wan_render.backends.wan.translation import translated

    for fault, meaning in foreign_faults():
        with pytest.raises(WanRenderError) as raised, translated("here"):
            raise fault
        assert type(raised.value) is meaning, fault
        assert raised.value.problems[0].where == "here"
        assert pickle.loads(pickle.dumps(raised.value)).problems == raised.value.problems  # noqa: S301 - our own bytes


CUDA = "CUDA error: "


@pytest.mark.parametrize(
    ("said", "meaning", "found"),
    [
        (
            "Found no NVIDIA driver on your system. Please check that you have",
            MachineError,
            "no NVIDIA driver is installed",
        ),
        ("libcuda.so cannot found! Possible files are located at", MachineError, "no NVIDIA driver is installed"),
        ("The NVIDIA driver on your system is too old (found version 11040).", MachineError, "driver is too old"),
        (CUDA + "CUDA driver version is insufficient for CUDA runtime version", MachineError, "driver is too old"),
        (CUDA + "the provided PTX was compiled with an unsupported toolchain.", MachineError, "driver is too old"),
        (CUDA + "forward compatibility was attempted on non supported HW", MachineError, "do not fit"),
        (CUDA + "system has unsupported display driver / cuda driver version mismatch?", MachineError, "do not fit"),
        (CUDA + "system not yet initialized", MachineError, "not set up"),
        ("CUDA unknown error - this may be due to an incorrectly set up", MachineError, "does not start"),
        ("CUDA driver initialization failed, you might not have a CUDA gpu.", MachineError, "does not start"),
        ("No CUDA GPUs are available", MachineError, "no GPU is visible"),
        (CUDA + "no CUDA-capable device is detected", MachineError, "no GPU is visible"),
        (CUDA + "invalid device ordinal", MachineError, "no such GPU"),
        (CUDA + "no kernel image is available for execution on the device", MachineError, "no code for the GPU"),
        (CUDA + "all CUDA-capable devices are busy or unavailable", DeviceError, "busy or in exclusive mode"),
        (CUDA + "uncorrectable ECC error encountered", DeviceError, "fault (ECC)"),
        (CUDA + "unknown error", DeviceError, "the device failed"),
        (CUDA + "out of memory", OutOfMemoryError, "out of memory"),
        ("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", OutOfMemoryError, "out of memory"),
    ],
)
def test_a_fault_of_the_driver_has_its_kind_and_keeps_its_words(
    said: str, meaning: type[WanRenderError], found: str
) -> None:
    """Whatever build of torch says it, and whichever class it raises."""
    import torch

    from wan_render.backends.wan.translation import translated

    for fault in (RuntimeError(said), torch.AcceleratorError(said, 1)):
        with pytest.raises(WanRenderError) as raised, translated("here"):
            raise fault
        assert type(raised.value) is meaning
        problem = raised.value.problems[0]
        assert found in problem.found
        assert said in problem.found
        assert problem.remedy


def test_a_device_error_while_rendering_is_worth_a_retry(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from wan_render.backends.wan.pipeline import wan_pipeline as module

    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(module, "decode_video", fail)
    model = tiny("t2v-2.1")
    take = model.take(ShotKind.T2V)
    with pytest.raises(DeviceError, match="out of memory") as raised:
        BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody)
    assert raised.value.worth_retrying
