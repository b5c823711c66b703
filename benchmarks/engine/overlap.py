"""Whether a take's decode beside the next one's denoising, on a second stream, saves time: decision 12 says no.

    python -m benchmarks.engine.overlap --json overlap.json      (one H200: about 60 GB)
    python -m benchmarks.engine.overlap --tiny                   (on a CPU, one after the other, to try the program)

Two forwards of FLF2V-14B in float8 and one decode in bfloat16, 832x480x81, random weights: each alone, one after the
other, and at once, each in a thread and on a stream of its own. Predicted before the first run: at once takes 0.95 of
the time of one after the other, since both fill the device, and what is won is the gaps of the decode's small layers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import make_component, weights_of
from benchmarks.engine.parts import Setting
from benchmarks.engine.results import tell
from benchmarks.engine.steps import Shot, shot_of
from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.pipeline.latents import decode_video
from wan_render.backends.wan.profiles.accelerator import VaeForm
from wan_render.backends.wan.profiles.prepare import accelerated
from wan_render.backends.wan.profiles.render_profile import Precision

ROUNDS = 5

Work = Callable[[], Any]


def denoising(setting: Setting, latents: tuple[int, int, int]) -> Work:
    """A step with guidance, of a transformer that is ready."""
    form, dtype = form_of(FLF2V_14B, is_tiny=setting.is_tiny), weights_of(is_tiny=setting.is_tiny)
    transformer: Any = make_component(form, "transformer", setting.device, dtype)
    shot: Shot = shot_of(form.transformer, setting, latents, dtype)
    if not setting.is_tiny:
        transformer = accelerated(transformer, Precision.FLOAT8, setting.device, attention.FLASH_3)
    return partial(shot.step, transformer)


def decoding(setting: Setting, latents: tuple[int, int, int]) -> Work:
    """A decode of noise, by a VAE that is ready."""
    vae: Any = make_component(form_of(FLF2V_14B, is_tiny=setting.is_tiny), "vae", setting.device, torch.float32)
    if not setting.is_tiny:
        vae = VaeForm(in_bfloat16=True, is_fused=True).placement().place(vae, setting.device)
    return partial(decode_video, torch.randn(1, 16, *latents, device=setting.device), vae)


def on_a_stream_of_its_own(work: Work, device: torch.device) -> None:
    """In the thread that calls it; ends when the device has done the work."""
    with torch.no_grad():
        if device.type != "cuda":
            work()
            return
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            work()
        stream.synchronize()


def seconds(setting: Setting, *works: Work) -> float:
    """Until all are done, begun at once; the median of some rounds after one that is not counted."""
    times = []
    with ThreadPoolExecutor(1 if setting.is_tiny else len(works)) as threads:
        for _ in range(ROUNDS + 1):
            before = time.perf_counter()
            for running in [threads.submit(on_a_stream_of_its_own, work, setting.device) for work in works]:
                running.result()
            times.append(time.perf_counter() - before)
    return statistics.median(times[1:])


def measured(setting: Setting) -> dict[str, Any]:
    latents = (3, 6, 8) if setting.is_tiny else (21, 60, 104)
    step, decode = denoising(setting, latents), decoding(setting, latents)
    alone = {"a step, s": seconds(setting, step), "a decode, s": seconds(setting, decode)}
    in_turn, at_once = sum(alone.values()), seconds(setting, step, decode)
    return {
        "device": "cpu" if setting.is_tiny else torch.cuda.get_device_name(setting.device),
        **alone,
        "one after the other, s": in_turn,
        "at once, s": at_once,
        "at once, of one after the other": at_once / in_turn,
    }


def main() -> None:
    asked = parser(__doc__).parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    tell(measured(Setting(torch.device("cpu" if asked.tiny else "cuda:0"))), asked.json)


if __name__ == "__main__":
    main()
