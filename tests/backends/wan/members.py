"""Real device processes for tests of groups, each with warm renderers like a farm's. A test sends them orders."""

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
from tests.backends.wan.forwards import attend_exactly, loaded, reference
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.kernels.arithmetic import Heads, Projections
from wan_render.backends.wan.kernels.float8_arithmetic import Float8
from wan_render.backends.wan.kernels.operations import Rope, TorchOperations
from wan_render.backends.wan.kernels.rows import Rows
from wan_render.backends.wan.parallel import joined as joining
from wan_render.backends.wan.parallel.layout import Layout
from wan_render.backends.wan.parallel.ulysses import Ulysses
from wan_render.backends.wan.profiles.render_profile import Profile
from wan_render.model_card import ModelCard
from wan_render.render_values import Group, Phase, Pixels, Progress, Stage, TakeInputs, Workspace
from wan_render.take import Take

DEVICE = torch.device("cpu")


class Members:
    """A number of device processes. One that was killed is started again."""

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
            process.shutdown(wait=False, cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    """One that is starting already. All are forked from one that has done the imports, which take seconds."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = ProcessPoolExecutor(1, context, _get_ready)
    process.submit(os.getpid)
    return process


def _get_ready() -> None:
    """More threads of so small a model would only wait for each other; a test that hangs is to fail."""
    torch.set_num_threads(1)
    lose_patience(20)


@dataclass(frozen=True)
class TakeReport:
    """What a process reports of a take.

    latents: None if they were cached.
    phases:  in order, without repetition.
    joined:  whether it was connected to its group when it reported the first step.
    """

    phases: list[Phase]
    joined: bool = False
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
    joined: bool = False

    def __call__(self, progress: Progress) -> None:
        if progress.phase is Phase.STEP and Phase.STEP not in self.phases:
            self.joined = torch.distributed.is_initialized()
        if self.phases[-1:] != [progress.phase]:
            self.phases.append(progress.phase)
        if progress.phase is Phase.STEP and progress.done == self.dies_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        if progress.phase is Phase.STEP and progress.done == self.sleeps_at_step:
            time.sleep(5)


HEADS = Heads(torch.ones(64), torch.ones(64), count=4, eps=1e-6)


def unequal_tokens() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values of 64 tokens; in the second half values are larger, and keys have much in common."""
    generator = torch.Generator().manual_seed(5)
    query, key, value = (torch.randn(64, 64, generator=generator) for _ in range(3))
    key[32:] += 2 * torch.randn(64, generator=generator)
    value[32:] = 6 * value[32:] + 3
    return query, key, value


def still(tokens: int) -> Rope:
    """Positions that turn nothing."""
    return Rope(torch.ones(tokens, 8), torch.zeros(tokens, 8))


_warm: dict[str, tuple[Any, Recording]] = {}


def renderer_of(card: ModelCard) -> tuple[Any, Recording]:
    """This process's renderer of a model."""
    if card.identity not in _warm:
        recording = Recording()
        _warm[card.identity] = BACKEND.open(card, CPU, lambda _: None, Workspace(recording)), recording
    return _warm[card.identity]


def render(card: ModelCard, take: Take, plates: TakeInputs, group: Group | None, finds: bool = False) -> TakeReport:  # noqa: FBT001, FBT002 - sent to a process
    """Render alone, or lead."""
    renderer, recording = renderer_of(card)
    recording.finds = finds
    listener = Listener()
    with _closed_after_failure(card):
        pixels = renderer.render(take, plates, listener, group).pixels
    return TakeReport(
        listener.phases, listener.joined, pixels, load(recording.latents[take.key])["stage"], renderer.facts()
    )


def assist(card: ModelCard, take: Take, group: Group, loras: Mapping[str, Path], listener: Listener) -> TakeReport:
    """Be one of the others."""
    renderer, _ = renderer_of(card)
    with _closed_after_failure(card):
        renderer.assist(take, TakeInputs(None, None, loras), listener, group)
    return TakeReport(listener.phases, listener.joined)


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
def there_and_back(group: Group) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]]:
    """Numbers of 3 tokens, 4 heads, 2 features on each rank, as heads and back as tokens; their doubles as heads, which
    were on their way at the same time and are awaited first; and what all of them own."""
    with joining.joined(group, Layout(1, group.size), DEVICE) as found:
        exchange = Ulysses(found.everyone)
        of_all = torch.arange(3 * group.size * 4 * 2, dtype=torch.float32).view(1, -1, 4, 2).to(torch.bfloat16)
        own = exchange.own_tokens(of_all, 1)
        heads_to_come, doubles_to_come = exchange.to_heads(own), exchange.to_heads(2 * own)
        doubles, heads = doubles_to_come(), heads_to_come()
        back = exchange.all_tokens(exchange.to_tokens(heads), 1)
        return heads, back, doubles, exchange.own_heads(torch.arange(4)).tolist()


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


@torch.no_grad()
def float8_attention(group: Group) -> torch.Tensor:
    """Of all tokens, computed together; see `unequal_tokens`."""
    with joining.joined(group, Layout(1, group.size), DEVICE) as found:
        exchange = Ulysses(found.everyone)
        query, key, value = (exchange.own_tokens(part, 0) for part in unequal_tokens())
        float8 = Float8(TorchOperations(), attend_exactly)
        rows = float8.self_attention(Projections.of(query, key, value), HEADS, still(len(query)), exchange)
        assert isinstance(rows, Rows)
        return exchange.all_tokens(rows.float(), 0)
