"""Device processes for tests of groups: real ones, each with warm renderers as a farm's has, told what to do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from tests.backends.wan.conftest import CPU
from tests.backends.wan.forwards import attend_exactly, loaded
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.acceleration.prepare import reference
from wan_render.backends.wan.acceleration.profile import Profile
from wan_render.backends.wan.parallel import joined as joining
from wan_render.backends.wan.parallel.layout import Layout
from wan_render.backends.wan.parallel.ulysses import Ulysses
from wan_render.render import Group, ModelCard, Phase, Pixels, Plates, Progress, Stage, Workspace
from wan_render.take import Take

DEVICE = torch.device("cpu")


class Members:
    """So many device processes; one that was killed is started again."""

    def __init__(self, count: int) -> None:
        self._processes = [_process() for _ in range(count)]

    def start(self, rank: int, work: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have a process do something."""
        return self._processes[rank].submit(work, *args)

    def replace(self, rank: int) -> None:
        """After its death."""
        self._processes[rank].shutdown(wait=False)
        self._processes[rank] = _process()

    def close(self) -> None:
        for process in self._processes:
            process.shutdown(cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,))


@dataclass(frozen=True)
class Told:
    """What a process tells of a take. latents: but for those that were found. phases: in order, without repetition."""

    phases: list[Phase]
    pixels: Pixels | None = None
    latents: torch.Tensor | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Recording:
    """Stages that remember latents, for the test to see; they are found again only where `finds`."""

    finds: bool = False
    latents: dict[str, bytes] = field(default_factory=dict)

    def find(self, stage: Stage) -> bytes | None:
        return self.latents.get(stage.take) if self.finds and stage.take else None

    def keep(self, stage: Stage, content: bytes) -> None:
        if stage.take:
            self.latents[stage.take] = content


@dataclass
class Listener:
    """Hears a process's progress; at a step it may die, or fall asleep."""

    dies_at_step: int = -1
    sleeps_at_step: int = -1
    phases: list[Phase] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        if self.phases[-1:] != [progress.phase]:
            self.phases.append(progress.phase)
        if progress.phase is Phase.STEP and progress.done == self.dies_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        if progress.phase is Phase.STEP and progress.done == self.sleeps_at_step:
            time.sleep(5)


_warm: dict[str, tuple[Any, Recording]] = {}


def renderer_of(card: ModelCard) -> tuple[Any, Recording]:
    """This process's renderer of a model."""
    if card.identity not in _warm:
        recording = Recording()
        _warm[card.identity] = BACKEND.open(card, CPU, lambda _: None, Workspace(recording)), recording
    return _warm[card.identity]


def render(card: ModelCard, take: Take, plates: Plates, group: Group | None, finds: bool = False) -> Told:  # noqa: FBT001, FBT002 - sent to a process
    """Render alone, or lead."""
    renderer, recording = renderer_of(card)
    recording.finds = finds
    listener = Listener()
    with _closed_after_failure(card):
        pixels = renderer.render(take, plates, listener, group).pixels
    return Told(listener.phases, pixels, load(recording.latents[take.key])["stage"], renderer.facts())


def assist(card: ModelCard, take: Take, group: Group, loras: Mapping[str, Path], listener: Listener) -> Told:
    """Be one of the others."""
    renderer, _ = renderer_of(card)
    with _closed_after_failure(card):
        renderer.assist(take, Plates(None, None, loras), listener, group)
    return Told(listener.phases)


def lose_patience(seconds: float) -> None:
    """With transfers."""
    joining.TIMEOUT = timedelta(seconds=seconds)


@contextmanager
def _closed_after_failure(card: ModelCard) -> Iterator[None]:
    """As a device process does."""
    try:
        yield
    except BaseException:
        renderer, _ = _warm.pop(card.identity)
        renderer.close()
        raise


def stream_blocks(card: ModelCard) -> None:
    """Open this process's renderer anew, with its transformer's blocks in host memory."""
    os.environ["WAN_RENDER_MEMORY_FIT"] = "streamed"
    _warm.pop(card.identity, None)
    renderer_of(card)
    del os.environ["WAN_RENDER_MEMORY_FIT"]


@torch.no_grad()
def there_and_back(group: Group) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Numbers of 3 tokens, 4 heads, 2 features on each rank, as heads and back as tokens; and what all of them own."""
    with joining.joined(group, Layout(1, group.size), DEVICE) as found:
        exchange = Ulysses(found.everyone)
        of_all = torch.arange(3 * group.size * 4 * 2, dtype=torch.float32).view(1, -1, 4, 2).to(torch.bfloat16)
        heads = exchange.to_heads(exchange.own_tokens(of_all, 1))
        back = exchange.all_tokens(exchange.to_tokens(heads), 1)
        return heads, back, exchange.own_heads(torch.arange(4)).tolist()


@torch.no_grad()
def accelerated_forwards(
    folder: Path, profile: Profile, calls: list[dict[str, Any]], group: Group | None
) -> list[torch.Tensor]:
    """The accelerated forward in plain torch, of one call after the other; with a group, tokens shared by all of it."""
    transformer = reference(loaded(folder), profile, attend_exactly)
    if group is None:
        return [transformer(**call)[0] for call in calls]
    with joining.joined(group, Layout(1, group.size), DEVICE) as found:
        answers = []
        for call in calls:
            with found.sharded(transformer):
                answers.append(transformer(**call)[0])
        return answers
