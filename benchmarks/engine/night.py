"""A night at full size with random weights, on the real farm: what passes between two finished clips.

    python -m benchmarks.engine.night --json night.json          (one H200: 60 GB of it, and 50 GB of disk)
    python -m benchmarks.engine.night --tiny                     (on a CPU, to try the program itself)
    --profiles draft,exact    --steps 4      (of the profiles that are not draft, which has four)
    --folder DIR              where the checkpoint and the clips lie: kept, the checkpoint for the next run; by default
                              a temporary one
    --gpus N                  the same list by N GPUs as well, and two equal shots at once against one

A checkpoint is made on disk and opened as a user's own folder is; the farm, its device processes, what they keep and
what they write are the product's. The list: shot A, which loads; B, C and D with other keyframes and other prompts; and
after C a second take of it. Settings are those of the environment, but that WAN_RENDER_KERNELS is auto where it is not
set, and WAN_RENDER_CACHE a folder in DIR.

Predicted before the first run, from what `shots` measured on one H200, in process, one after the other (exact: encoding
1.92 s for new keyframes, 0.02 for a second take, a step 4.81, decoding 2.78; draft: 1.92, 0.02, four steps 6.74, 1.65).
The farm should add 0.2 s: two keyframes of four times the raster are read and conformed, 0.1; what was encoded and the
latents are written and flushed, 20 MB, 0.05; messages, locks, a log. A clip is written in 2.5 s, beside the next take.

| seconds between two clips | another shot | of it without a step | a second take | of it without a step |
|---|---|---|---|---|
| exact, 4 steps | 24.1 | 4.9, 20 % (2 % of the 50 steps it would have) | 22.2 | 3.0 |
| draft | 10.5 | 3.8, 36 % | 8.6 | 1.9 |

Nothing is loaded after the first shot. Loading takes 45 s for exact and 50 for draft, from the page cache. Two GPUs
make two equal shots in 1.03 of the time of one on one. A plan has every byte of the folder hashed once, 49 GB at 2 GB/s
a core, four files at a time: 8 s; the second time 5 ms; a device process hashes nothing.

Since a clip is written while its device renders the next, a device's seconds for a clip are counted from when it had
rendered the take before until it had rendered this one: in steady state as many as between two finished clips.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.engine.arguments import parser
from benchmarks.engine.folders import make_folder
from benchmarks.engine.results import table, tell
from benchmarks.engine.shots import sampling_of
from benchmarks.engine.steps import attempt
from benchmarks.engine.takes import picture, raster_of, take_of
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.models.local_folder import folder_card
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.devices import cpu, gpus
from wan_render.facts import FactCache
from wan_render.farm.attempt_events import Began, Event
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.model_card import ModelCard
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Phase, Progress
from wan_render.settings import MachineSettings
from wan_render.store import Clip, Store
from wan_render.take import Plate, Size

Found = dict[str, Any]

SHOTS = (("A", 1), ("B", 1), ("C", 1), ("C", 2), ("D", 1))
"""Shots and their takes, in the order of the night."""

PROMPTS = "河流，水下的古代遗迹。", "一只鹿站在路边。", "瀑布，镜头上升。", "湖面上的白鸽。"

BEGINNING, KEEPING = "beginning", "keeping latents"
"""What a take does that is no phase: until its first event, and from its last step to its next phase."""


@dataclass(frozen=True)
class Scene:
    """What all takes of a run have in common."""

    card: ModelCard
    folder: Path
    size: Size
    frames: int
    steps: int

    def order(self, shot: str, number: int, profile: str) -> RenderOrder:
        """A take of a shot, whose letter decides its keyframes and prompt."""
        place = ord(shot) - ord("A")
        first, last = (self._keyframe(seed) for seed in (2 * place + 1, 2 * place + 2))
        like = take_of(FLF2V_14B, self.size, self.frames, 4 if profile == "draft" else self.steps)
        take = replace(
            like,
            backend=BACKEND.id,
            model=self.card.identity,
            first=Plate(first[0], self.size),
            last=Plate(last[0], self.size),
            prompt=f"{shot}: {PROMPTS[place % len(PROMPTS)]}",
            seed=number,
            sampling=sampling_of(profile, like.sampling),
        )
        return RenderOrder(take, BACKEND, self.card, dict((first, last)), f"1/{shot}", number, film=f"night-{profile}")

    def _keyframe(self, seed: int) -> tuple[str, Path]:
        """Its digest and file, twice as wide and high as the raster."""
        file = self.folder / f"keyframe-{seed}.png"
        if not file.exists():
            Image.fromarray(picture(Size(2 * self.size.width, 2 * self.size.height), seed)).save(file)
        return FactCache(self.folder / "cache").digest(file), file


@dataclass
class Diary:
    """What a farm told of each take, and when, in seconds since it was begun."""

    begun: float = field(default_factory=time.perf_counter)
    told: defaultdict[RenderOrder, list[tuple[float, Event]]] = field(default_factory=lambda: defaultdict(list))

    def __call__(self, order: RenderOrder, event: Event) -> None:
        self.told[order].append((time.perf_counter() - self.begun, event))


@dataclass(frozen=True)
class Account:
    """One take. rendered, ended: when the device had done its part, and when the clip was there. phases: seconds in
    each, `step` without what follows the last one. loadings: how often loading began."""

    name: str
    rendered: float
    ended: float
    phases: Mapping[str, float]
    loadings: int


def account(order: RenderOrder, told: Sequence[tuple[float, Event]]) -> Account:
    phases: defaultdict[str, float] = defaultdict(float)
    for (since, event), (until, _) in pairwise(told):
        phases[_doing(event)] += until - since
    doings = [_doing(event) for _, event in told]
    return Account(
        name=f"{order.shot} take {order.number}",
        rendered=told[doings.index(Phase.WRITING)][0],
        ended=told[-1][0],
        phases=phases,
        loadings=sum(now == Phase.LOADING != before for before, now in pairwise(doings)),
    )


def _doing(event: Event) -> str:
    """What a take does from this event on."""
    if isinstance(event, Progress):
        is_denoised = event.phase is Phase.STEP and event.done == event.total
        return KEEPING if is_denoised else event.phase.value
    return BEGINNING if isinstance(event, Began) else "over"


def rows(diary: Diary) -> dict[str, Found]:
    """Each clip of one device, in the order in which they were finished."""
    accounts = sorted((account(order, told) for order, told in diary.told.items()), key=lambda each: each.ended)
    start = Account("", 0.0, 0.0, {}, 0)
    return {this.name: _row(this, before) for before, this in pairwise((start, *accounts))}


def _row(this: Account, before: Account) -> Found:
    seconds, steps = this.rendered - before.rendered, this.phases[Phase.STEP]
    names = (BEGINNING, Phase.LOADING, Phase.ENCODING, Phase.STEP, KEEPING, Phase.DECODING, Phase.WRITING)
    return {
        "s since the clip before": this.ended - before.ended,
        "s of the device": seconds,
        "s without a step": seconds - steps,
        "share without a step": 1 - steps / seconds,
        **{f"{name}, s": this.phases.get(name, 0.0) for name in names},
        "loadings": this.loadings,
    }


def rendered(orders: Sequence[RenderOrder], farm: LocalFarm, outputs: Path) -> Diary:
    """The diary of a night that went well. Prints the logs of one that did not, and raises RuntimeError."""
    followed = [replace(order, later=tuple(orders[place + 1 :])) for place, order in enumerate(orders)]
    diary = Diary()
    outcomes = render_all(followed, farm, diary)
    if failed := {order.shot: str(outcome) for order, outcome in outcomes.items() if not isinstance(outcome, Clip)}:
        for log in sorted((outputs / "logs").iterdir()):
            print(log.name, *log.read_text(errors="replace").splitlines()[-30:], sep="\n", flush=True)
        raise RuntimeError(str(failed))
    return diary


@contextmanager
def opened(devices: Sequence[Device], folder: Path) -> Iterator[tuple[LocalFarm, Path]]:
    """A farm, with a new outputs folder."""
    outputs = Path(tempfile.mkdtemp(prefix="outputs-", dir=folder))
    Store(outputs).prepare()
    with LocalFarm(devices, outputs) as farm:
        yield farm, outputs


def by_one(scene: Scene, profile: str, device: Device) -> Found:
    orders = [scene.order(shot, number, profile) for shot, number in SHOTS]
    with opened([device], scene.folder) as (farm, outputs):
        diary = rendered(orders, farm, outputs)
    clips = rows(diary)
    print(profile, table(clips), sep="\n\n", flush=True)
    record = Store(outputs).record(orders[-1].take.key)
    return {
        "clips": clips,
        "in steady state": steady(clips),
        "the whole list, s": _seconds(diary),
        "loadings after the first shot": sum(row["loadings"] for row in list(clips.values())[1:]),
        "facts": dict(record.provenance.versions),
        "MB of a clip": record.files["clip.mkv"].bytes / 1e6,
    }


def steady(clips: Mapping[str, Found]) -> Found:
    """Medians of the other shots, and the second take; the first shot is none of them."""
    is_second = {name: name.endswith("take 2") for name in list(clips)[1:]}
    keys = ("s since the clip before", "s of the device", "s without a step", "share without a step")
    kinds = {"another shot": [name for name in is_second if not is_second[name]]}
    kinds |= {"a second take": [name for name in is_second if is_second[name]]}
    return {
        kind: {key: statistics.median(clips[name][key] for name in names) for key in keys}
        for kind, names in kinds.items()
    }


def by_several(scene: Scene, profile: str, devices: Sequence[Device]) -> Found:
    """The same list; then, with all warm, a new shot on one of them, and two on two at once."""
    with opened(devices, scene.folder) as (farm, outputs):
        diary = rendered([scene.order(shot, number, profile) for shot, number in SHOTS], farm, outputs)
        alone = _seconds(rendered([scene.order("E", 1, profile)], farm, outputs))
        both = _seconds(rendered([scene.order(shot, 1, profile) for shot in "FG"], farm, outputs))
    return {
        "devices": len(devices),
        "the whole list, s": _seconds(diary),
        "one shot on one, s": alone,
        "two shots on two, s": both,
        "two on two, of the time of one on one": both / alone,
    }


def _seconds(diary: Diary) -> float:
    """Until the last clip is there."""
    return max(told[-1][0] for told in diary.told.values())


def opening(model: Path, cache: FactCache) -> tuple[ModelCard, Found]:
    """What a plan does with a folder of weights, and what a device process does of it."""
    begun = time.perf_counter()
    read_checkpoint(model)
    read = time.perf_counter()
    folder_card(model, cache)
    hashed = time.perf_counter()
    card = folder_card(model, cache)
    seconds = {"its headers, s": read - begun, "its card, s": hashed - read, "again, s": time.perf_counter() - hashed}
    return card, {"GB": sum(file.stat().st_size for file in model.rglob("*.safetensors")) / 1e9, **seconds}


@contextmanager
def workplace(asked: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that is gone in the end."""
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="night-") as folder:
        yield Path(folder)


def measured(folder: Path, profiles: Sequence[str], steps: int, devices: Sequence[Device], *, is_tiny: bool) -> Found:
    model = folder / "model"
    made = None if model.is_dir() else make_folder(model, is_tiny=is_tiny)
    card, found = opening(model, FactCache(MachineSettings().cache))
    size, frames = raster_of(FLF2V_14B, is_tiny=is_tiny)
    found = {"device": devices[0].label, "size": str(size), "frames": frames, "made, s": made, "folder": found}
    print(found, flush=True)
    scene = Scene(card, folder, size, frames, steps)
    for profile in profiles:
        with attempt(found, profile):
            found[profile] = by_one(scene, profile, devices[0])
        if len(devices) > 1:
            with attempt(found, f"{profile}, several"):
                found[f"{profile}, several"] = by_several(scene, profile, devices)
    return found


def devices_of(count: int, *, is_tiny: bool) -> Sequence[Device]:
    """So many equal ones."""
    here = [replace(cpu(), name=f"cpu:{place}") for place in range(count)] if is_tiny else gpus()
    if len(here) < count:
        raise SystemExit(f"needs {count} GPUs, found {len(here)}; --tiny tries the program on a CPU")
    return here[:count]


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--profiles", default="draft,exact")
    programs.add_argument("--steps", type=int, default=4)
    programs.add_argument("--folder", type=Path)
    programs.add_argument("--gpus", type=int, default=1)
    asked = programs.parse_args()
    devices = devices_of(asked.gpus, is_tiny=asked.tiny)
    profiles = ("exact",) if asked.tiny else tuple(asked.profiles.split(","))
    with workplace(asked.folder) as folder:
        os.environ.setdefault("WAN_RENDER_KERNELS", "auto")
        os.environ.setdefault("WAN_RENDER_CACHE", str(folder / "cache"))
        tell(measured(folder, profiles, asked.steps, devices, is_tiny=asked.tiny), asked.json)


if __name__ == "__main__":
    main()
