"""One FLF2V-14B shot at full size with random weights: one GPU against groups of two and four, in one run.

    python -m benchmarks.engine.groups --json groups.json     (2 or 4 GPUs of a machine, about 55 GB of each)
    python -m benchmarks.engine.groups --tiny                 (processes on a CPU, to try the program itself)

Predicted before the first run: two GPUs share guidance, so a step is at least 1.9 times as fast and the latents are
equal bit for bit; four share tokens as well, at least 3.6 times. Joining costs under 3 s a shot. (It was 1.97 to 2.0
and 3.46 times, equal latents, and 0.3 and 0.8 s: docs/benchmarks.md.)

Every process is as one of a farm's: its GPU pinned, its model warm. Each group renders twice, and the second is timed;
what is encoded is there by then, so the seconds before its steps are those of joining.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from benchmarks.engine.arguments import parser
from benchmarks.engine.difference import largest
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import make, weights_of
from benchmarks.engine.one_shot import Clock
from benchmarks.engine.results import table, tell
from benchmarks.engine.steps import relative_error
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.render_values import Group, Pixels, Stage, TakeInputs, Workspace
from wan_render.take import Take

Found = dict[str, Any]


@dataclass
class Latents:
    """Keeps the latents of the last take, to be looked at and never found."""

    last: bytes = b""

    def find(self, stage: Stage) -> None:  # noqa: ARG002 - of the seam
        return None

    def keep(self, stage: Stage, content: bytes) -> None:
        if stage.take:
            self.last = content


@dataclass
class Member:
    """What a device process has: its renderer, warm from the first take on."""

    renderer: WanRenderer
    device: torch.device
    latents: Latents = field(default_factory=Latents)


@dataclass(frozen=True)
class Rendered:
    """What a leader tells of a take."""

    pixels: Pixels
    latents: torch.Tensor
    seconds: dict[str, float]
    facts: dict[str, str]


_members: list[Member] = []


def open_model(*, is_tiny: bool) -> str:
    """Make the model in this process; gives the device's name."""
    device = torch.device("cpu" if is_tiny else "cuda:0")
    if is_tiny:
        torch.set_num_threads(1)
    model = make(form_of(FLF2V_14B, is_tiny=is_tiny), device, weights_of(is_tiny=is_tiny))
    latents = Latents()
    renderer = WanRenderer(FLF2V_14B.card(), model, device, {}, Workspace(latents))
    _members[:] = [Member(renderer, device, latents)]
    return "cpu" if is_tiny else torch.cuda.get_device_name(device)


def lead(take: Take, group: Group | None) -> Rendered:
    (member,) = _members
    clock = Clock(member.device)
    clock.start()
    pixels = member.renderer.render(take, plates_of(take), clock.listen, group).pixels
    clock.mark("end")
    return Rendered(pixels, load(member.latents.last)["stage"], clock.seconds(), dict(member.renderer.facts()))


def assist(take: Take, group: Group) -> None:
    (member,) = _members
    member.renderer.assist(take, TakeInputs(None, None), lambda _: None, group)


@contextmanager
def processes(count: int, *, is_tiny: bool) -> Iterator[list[ProcessPoolExecutor]]:
    """Device processes with the model, each of which sees one GPU."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    pins = seen.split(",") if seen else [str(index) for index in range(count)]
    with ExitStack() as open_ones:
        found, opening = [], []
        for rank in range(count):
            if not is_tiny:
                os.environ["CUDA_VISIBLE_DEVICES"] = pins[rank]  # which the process inherits
            found.append(open_ones.enter_context(ProcessPoolExecutor(1, get_context("spawn"))))
            opening.append(found[-1].submit(open_model, is_tiny=is_tiny))
        for rank, opened in enumerate(opening):
            print(rank, opened.result(), flush=True)
        yield found


def by_group(members: list[ProcessPoolExecutor], take: Take) -> Rendered:
    """One take by as many processes as there are."""
    if len(members) == 1:
        return members[0].submit(lead, take, None).result()
    with tempfile.TemporaryDirectory() as folder:
        groups = [Group(rank, len(members), Path(folder)) for rank in range(len(members))]
        leading = members[0].submit(lead, take, groups[0])
        others = [member.submit(assist, take, group) for member, group in zip(members[1:], groups[1:], strict=True)]
        for other in others:
            other.result()
        return leading.result()


def at_once(members: list[ProcessPoolExecutor], take: Take) -> Found:
    """Seconds until each member has rendered a shot of its own, and what a step took each of them."""
    before = time.perf_counter()
    rendering = [member.submit(lead, take, None) for member in members]
    steps = [each.result().seconds["step"] for each in rendering]
    return {"s": time.perf_counter() - before, "s a step": steps}


def measured(sizes: tuple[int, ...], take: Take, *, is_tiny: bool) -> Found:
    found: Found = {"size": str(take.size), "frames": take.frames, "steps": take.sampling.steps}
    with processes(max(sizes), is_tiny=is_tiny) as members:
        at_once(members, take)  # until all are warm
        found["a shot on each of so many at once"] = {size: at_once(members[:size], take) for size in sizes}
        alone = by_group(members[:1], take)
        found |= {"device": alone.facts["device"], "torch": alone.facts["torch"], "alone": row(alone, alone)}
        for size in sizes[1:]:
            by_group(members[:size], take)
            found[f"{size} devices"] = row(by_group(members[:size], take), alone)
    return found


def row(rendered: Rendered, alone: Rendered) -> Found:
    return {
        "shared": rendered.facts.get("devices", "1"),
        "s a step": rendered.seconds["step"],
        "times as fast a step": alone.seconds["step"] / rendered.seconds["step"],
        "s before the steps": rendered.seconds["before"],
        "latents are equal": torch.equal(rendered.latents, alone.latents),
        "relative error of latents": relative_error(rendered.latents, alone.latents),
        "largest difference of frames, of 255": largest(rendered.pixels, alone.pixels),
    }


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--steps", type=int, default=6, help="at least 2")
    asked = programs.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    here = 4 if asked.tiny else torch.cuda.device_count()
    if here < 2:
        raise SystemExit(f"needs 2 or 4 GPUs, found {here}; --tiny tries the program on a CPU")
    sizes = (1, 2, 4) if here >= 4 else (1, 2)
    take = take_of(FLF2V_14B, *raster_of(FLF2V_14B, is_tiny=asked.tiny), asked.steps)
    found = measured(sizes, take, is_tiny=asked.tiny)
    print(table({name: part for name, part in found.items() if isinstance(part, dict) and "s a step" in part}))
    tell(found, asked.json)


if __name__ == "__main__":
    main()
