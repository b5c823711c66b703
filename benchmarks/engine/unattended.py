"""A night with weights of full size in which another program holds the GPU, a device process dies, and one hangs.

    python -m benchmarks.engine.unattended --json unattended.json     (one H100 or H200, and 50 GB of disk)
    python -m benchmarks.engine.unattended --tiny                     (on a CPU, to try the program itself)
    --folder DIR    where the checkpoint lies: kept; by default a temporary folder
    --minutes 6     the window of the night

The night is the product's own, with two films of two shots. The limits of its watchdogs are a fifth of their defaults
(WAN_RENDER_PATIENCE). Three things happen to it:

- Another process holds 30 % of the GPU's memory when the night begins, and ends 20 s later (not with --tiny).
- The device process is killed in the last step of the first take.
- The next device process is stopped (SIGSTOP) in the last step of its second take: it lives and does nothing.

Prediction, written before the first run: the other process is named and waited for, at most 10 s longer than it lives.
The killed process is replaced, and its take is rendered again. The stopped one is replaced 12 to 15 s after it was
stopped: the limit of a step is 60 s, times a fifth, and ten times a step of 4.9 s, times a fifth, is less. Both films
are complete, without a slate. Random weights end anywhere, so most takes fail their checks, and retakes fill the
window, which is not overrun. In the end no process holds memory of the GPU.

One H100, 2026-11-28, --minutes 5, of which 4 were left by the full minute: the other process was named and waited for,
for 10 s; the killed process was replaced at once; the stopped one 13.4 s after it was stopped. Three takes were begun
in time and two finished; both films were partial, and named the shots for which no time was left. The night ended 48 s
before its window; no process was left, and nothing held memory of the GPU.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from benchmarks.engine.arguments import parser
from benchmarks.engine.folders import make_folder
from benchmarks.engine.night import workplace
from benchmarks.engine.results import tell
from benchmarks.engine.takes import raster_of
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.cli.night_display import NightDisplay
from wan_render.devices import gpus
from wan_render.farm.attempt_events import AttemptFailed, Event
from wan_render.gpu_users import gpu_users
from wan_render.night.night_hours import hours_of
from wan_render.night.night_request import NightRequest
from wan_render.night.night_summary import summary
from wan_render.night.whole_night import Night, exit_code
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.take import Size

PATIENCE = "0.2"
HELD_SECONDS, HELD_SHARE = 20, 0.3
HOLDING = """import sys, time, torch
held = torch.empty(int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print(1, flush=True)
time.sleep(float(sys.argv[2]))"""

FILM = """version: 1
film: {{title: {name}, priority: {priority}, raster: {size}, deliver: {size}}}
keyframes: keyframes
defaults: {{render: {{frames: {frames}, flf2v: {{model: model, steps: {steps}}}}}}}
shots:
  - {{from: {name}-1, to: {name}-2, action: the river}}
  - {{from: {name}-2, to: {name}-3, action: the ruins}}
"""


def write_storyboards(folder: Path, size: Size, frames: int, steps: int) -> Iterator[Path]:
    """Two films of two shots each, next to their model. Keyframes are of one colour: random weights make such frames,
    and a take that does so between other keyframes is refused."""
    (folder / "keyframes").mkdir(parents=True, exist_ok=True)
    for priority, name in enumerate("ab"):
        for place in (1, 2, 3):
            grey = 100 + 10 * priority + place
            Image.new("RGB", (size.width, size.height), (grey, grey, grey)).save(
                folder / "keyframes" / f"{name}-{place}.png"
            )
        film = FILM.format(name=name, priority=priority, size=size, frames=frames, steps=steps)
        storyboard = folder / f"{name}.yaml"
        storyboard.write_text(film, encoding="utf-8")
        yield storyboard


@dataclass
class Diary:
    """What happened when, in seconds since the night was asked for."""

    begun: float = field(default_factory=time.monotonic)
    lines: list[tuple[float, str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append((round(time.monotonic() - self.begun, 1), text))
        print(*self.lines[-1], flush=True)

    def at(self, words: str) -> list[float]:
        """When something with these words happened."""
        return [at for at, text in self.lines if words in text]


class DiaryScreen:
    """A NightScreen that writes into a diary."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary

    def say(self, text: str) -> None:
        self._diary.note(text)

    def bar(self, name: str, text: str, done: int, total: int) -> None:
        """Bars are not kept."""

    def remove(self, name: str) -> None:
        """Bars are not kept."""


class Saboteur(NightDisplay):
    """Shows a night, and strikes in the last steps of its first takes."""

    def __init__(self, diary: Diary, request: NightRequest, minutes: float) -> None:
        self._diary = diary
        now = datetime.now().astimezone()
        until = f"{now + timedelta(minutes=minutes):%H:%M}"
        self.window = hours_of("", until, request.timezone, datetime.now(UTC))
        super().__init__(DiaryScreen(diary), self.window)
        self._strikes = [signal.SIGKILL, None, signal.SIGSTOP]
        """One for each take that reaches its last step; None spares it."""
        self._seen: set[tuple[str, int]] = set()
        self.struck: list[int] = []

    def event(self, order: RenderOrder, event: Event) -> None:
        super().event(order, event)
        name = f"{order.film} {order.shot} take {order.number}"
        match event:
            case Progress(Phase.STEP, done, total) if done == total - 1:
                self._last_step(name)
            case Progress(phase, done, total):
                self._mark(f"{name}: {phase.value}", f"{name}: {phase.value} {done}/{total}")
            case AttemptFailed():
                pass
            case _:
                self._diary.note(f"{name}: {type(event).__name__}")

    def _mark(self, what: str, text: str) -> None:
        if (what, 0) not in self._seen:
            self._seen.add((what, 0))
            self._diary.note(text)

    def _last_step(self, name: str) -> None:
        strike = self._strikes.pop(0) if self._strikes else None
        if strike is None:
            return
        for victim in device_processes():
            self._diary.note(f"{strike.name} to process {victim.pid}, in a step of {name}")
            victim.send_signal(strike)
            self.struck.append(victim.pid)


def device_processes() -> list[psutil.Process]:
    """The device processes of this process's farm."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "wan_render.farm.process.child" in each.cmdline():
                found.append(each)
    return found


@contextmanager
def held(diary: Diary, *, is_tiny: bool) -> Iterator[None]:
    """Another program holds a part of the first GPU's memory."""
    if is_tiny:
        yield
        return
    share = str(int(HELD_SHARE * gpus()[0].memory_bytes))
    program = [sys.executable, "-c", HOLDING, share, str(HELD_SECONDS)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        diary.note(f"process {other.pid} holds {HELD_SHARE:.0%} of the GPU")
        yield


def measured(folder: Path, minutes: float, steps: int, *, is_tiny: bool) -> dict[str, Any]:
    model = folder / "model"
    made = None if model.is_dir() else make_folder(model, is_tiny=is_tiny)
    size, frames = raster_of(FLF2V_14B, is_tiny=is_tiny)
    request = NightRequest(tuple(write_storyboards(folder, size, frames, steps)), outputs=folder / "outputs")
    diary = Diary()
    with held(diary, is_tiny=is_tiny):
        show = Saboteur(diary, request, minutes)
        book = Night(request, show.window, show).hold()
    ended = time.monotonic() - diary.begun
    for line in summary(book.night, book.folder):
        diary.note(line)
    until = book.night.until
    return {
        "model, s": made,
        "exit code": exit_code(book.night),
        "films": {film.slug: [film.state.value, film.version] for film in book.night.films},
        "attempts": [asdict(attempt) for film in book.night.films for shot in film.shots for attempt in shot.attempts],
        "seconds": ended,
        "s left of the window": None if until is None else (until - datetime.now(UTC)).total_seconds(),
        "device processes left": len(device_processes()),
        "struck and alive": [pid for pid in show.struck if psutil.pid_exists(pid)],
        "GPU held by": [str(user) for user in gpu_users(() if is_tiny else gpus())],
        "diary": diary.lines,
    }


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--folder", type=Path)
    programs.add_argument("--minutes", type=float, default=6)
    programs.add_argument("--steps", type=int, default=4)
    asked = programs.parse_args()
    with workplace(asked.folder) as folder:
        os.environ |= {"WAN_RENDER_PATIENCE": PATIENCE, "WAN_RENDER_CACHE": str(folder / "cache")}
        found = measured(folder, asked.minutes, asked.steps, is_tiny=asked.tiny)
        tell(json.loads(json.dumps(found, default=str)), asked.json)


if __name__ == "__main__":
    main()
