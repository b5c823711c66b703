"""A film of five shots, two rendered here, two by the stand-in service, one by the stand-in ComfyUI, killed ten times.

    python -m benchmarks.mixed_film --kills 10

It is rendered once in peace. Then, in another outputs folder and with a new service, the same command is killed
(`kill -9`) at random moments and given again, until the film is there. Every start leaves less to do, so a film bears
only some kills: if it is done before the last of them, another film follows in a new folder. Only kills of a run that
was alive are counted. Each film must have the same frames as the one in peace, no take may be paid twice, and the
ledger must have counted what the service billed. An order whose answer was lost by a kill is paid and unknown: it is
settled with `wan-render cloud`, as a person would, from what the service knows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image

from tests.backends.comfyui.conftest import WRITTEN
from tests.backends.comfyui.fake_nodes import flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from tests.fake_model_studio import FakeService, serving, variables
from tests.tiny_wan import KINDS, save_tiny
from wan_render.purchase import Purchase, PurchaseState
from wan_render.store.purchase_ledger import PurchaseLedger

MAP = ", ".join(f"{role}: {place}" for role, place in WRITTEN.items())
STORYBOARD = f"""\
version: 1
film: {{title: Mixed, raster: 160x96, deliver: 160x96, budget: 30 CNY, subtitles: []}}
defaults: {{duration: 2s, cloud: {{allow: true}}, render: {{flf2v: {{model: tiny, steps: 2}}}}}}
keyframes: keyframes/
shots:
  - {{from: dawn, to: noon, action: here one}}
  - {{from: noon, to: dusk, action: there one, render: {{flf2v: {{model: "dashscope:wan2.7-i2v"}}}}}}
  - {{from: dusk, to: dawn, action: elsewhere, render: {{flf2v: {{model: {{comfyui: flow.json, {MAP}}}}}}}}}
  - {{from: dawn, to: dusk, action: there two, render: {{flf2v: {{model: "dashscope:wan2.7-i2v"}}}}}}
  - {{from: dusk, to: noon, action: here two}}
"""
COMMAND = (sys.executable, "-c", "import sys; from wan_render.cli import main; sys.exit(main(sys.argv[1:]))")
MOST_SECONDS = 60.0
"""A run is killed within so many seconds of its start; what it has finished by then is kept."""

MOST_RUNS = 12
"""Runs after the last kill: each settles what is unknown."""

FILMS_FOR_A_KILL = 3
"""At most so many films are begun for each kill. It ends a campaign whose runs are always done before their kill."""


@dataclass(frozen=True)
class Stand:
    """A folder with the storyboard, and the environment of a machine that reaches both stand-ins."""

    folder: Path
    outputs: Path
    service: FakeService
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        """A command on the storyboard."""
        name, *options = words
        return [*COMMAND, name, str(self.folder / "mixed.yaml"), "--outputs", str(self.outputs), *options]

    @property
    def purchases(self) -> tuple[Purchase, ...]:
        """Those of the film."""
        return PurchaseLedger(self.outputs).read()

    def run(self, seconds: float | None = None) -> int | None:
        """`render`, killed after so many seconds; its exit code, or None if it was killed."""
        process = subprocess.Popen(self.command("render"), env=self.environment, stderr=subprocess.DEVNULL)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def settle(self) -> int:
        """What a person does about orders of unknown fate; how many there were."""
        unknown = [each for each in self.purchases if each.state is PurchaseState.UNKNOWN]
        known = {each.task for each in self.purchases}
        for each in unknown:
            lost = [
                task for task in self.service.tasks.values() if task.id not in known and self._is_of(task.body, each)
            ]
            options = ("--task", lost[0].id) if lost else ("--not-billed",)
            done = subprocess.run(self.command("cloud", str(each.number), *options), env=self.environment, check=False)
            if done.returncode:
                raise SystemExit(f"purchase {each.number} could not be settled")
        return len(unknown)

    def _is_of(self, body: dict[str, Any], purchase: Purchase) -> bool:
        prompt = str(body["input"]["prompt"])
        return ("one" in prompt) == purchase.label.startswith("1/020")


def main() -> int:
    """Print what was killed and what came of it. 1 if the films differ or money was counted wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_film")
    parser.add_argument("--kills", type=int, default=10, help="how many living runs are killed")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="mixed-") as folder:
        write_film(Path(folder))
        since = time.monotonic()
        with stand(Path(folder), "peace") as peace:
            if peace.run() != 0:
                raise SystemExit("the film could not be rendered in peace")
            whole = time.monotonic() - since
            print(f"in peace: {whole:.0f} s, billed {peace.service.total} CNY", flush=True)
            wanted = frames_digest(peace.outputs)
        killed = KilledFilms(Path(folder), wanted, min(whole, MOST_SECONDS), random.Random(arguments.seed))  # noqa: S311 - not for security
        return killed.campaign(arguments.kills)


@dataclass(frozen=True)
class KilledFilms:
    """Films that are killed, one after the other. wanted: the digest of the film in peace; span: seconds from the start
    of a run in which its kill is drawn."""

    folder: Path
    wanted: str
    span: float
    dice: random.Random

    def campaign(self, kills: int) -> int:
        """Kill living runs so many times, and print how each film ended. 1 if a film is not as it must be."""
        done, are_right = 0, True
        for number in range(1, FILMS_FOR_A_KILL * kills + 1):
            with stand(self.folder, f"killed-{number}") as film:
                hits = self._kill(film, kills - done)
                are_right &= self._is_right(film, f"film {number}: killed {hits} times")
            done += hits
            if done >= kills:
                break
        print(f"killed {done} times of {kills}, in {number} films; {'all' if are_right else 'NOT all'} as they must be")
        return 0 if are_right and done >= kills else 1

    def _kill(self, film: Stand, most: int) -> int:
        """How many runs were killed while they were alive; none after one that ended."""
        for done in range(most):
            if film.run(self.dice.uniform(0.05, 0.9) * self.span) is not None:
                return done
        return most

    def _is_right(self, film: Stand, name: str) -> bool:
        """Finish it, and count."""
        settled = 0
        for _ in range(MOST_RUNS):
            code = film.run()
            if (unknown := film.settle()) == 0:
                break
            settled += unknown
        counted = sum((each.counted.amount for each in film.purchases), Decimal(0))
        billed = Decimal(str(film.service.total))
        twice = [content for content, count in film.service.paid.items() if count > 1]
        is_equal = frames_digest(film.outputs) == self.wanted
        end = f"settled by hand: {settled}; exit code {code}; equal film: {is_equal}"
        money = f"billed {billed} CNY, counted {counted} CNY, paid twice: {len(twice)}"
        print(f"{name}; {end}; {money}", flush=True)
        return is_equal and counted == billed and not twice and code == 0


@contextmanager
def stand(folder: Path, name: str) -> Iterator[Stand]:
    """Both stand-ins, and an outputs folder of this name."""
    with serving(FakeService(needed_polls=5)) as service, FakeComfyUI(folder / name).running() as comfy:
        environment = {
            **os.environ,
            **variables(service, WAN_RENDER_CLOUD_POLL_SECONDS="0.1"),
            "WAN_RENDER_COMFYUI": comfy.url,
            "WAN_RENDER_DEVICES": "cpu",
            "WAN_RENDER_LOCKS": str(folder / "locks"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        yield Stand(folder, folder / f"{name}-outputs", service, environment)


def write_film(folder: Path) -> None:
    """The storyboard, its pictures, the workflow and a tiny model."""
    (folder / "keyframes").mkdir()
    (folder / "locks").mkdir(mode=0o700)
    for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
        picture = Image.new("RGB", (160, 96), colour)
        picture.paste((250, 250, 200), (20, 20, 60, 60))
        picture.save(folder / "keyframes" / f"{name}.png")
    (folder / "flow.json").write_text(json.dumps(flf_workflow()))
    save_tiny(KINDS["flf2v-2.1"], folder / "tiny")
    (folder / "mixed.yaml").write_text(STORYBOARD)


def frames_digest(outputs: Path) -> str:
    """Of all frames of the newest film, as they are decoded."""
    newest = sorted((outputs / "films" / "mixed").glob("v[0-9]*"))[-1]
    digest = hashlib.sha256()
    with av.open(str(newest / "film.mp4")) as container:
        for frame in container.decode(container.streams.video[0]):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
