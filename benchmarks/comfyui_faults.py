"""Takes on a ComfyUI that crashes, loses answers and pictures, at random: `python -m benchmarks.comfyui_faults`.

The server is the fake one of the tests. Every take that is returned must equal that of an undisturbed server. An
attempt may end with an error that says that another one may succeed: the farm then makes another one.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.backends.comfyui.conftest import WRITTEN, keyframes, take_of
from tests.backends.comfyui.fake_nodes import flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from wan_render.backends.comfyui import BACKEND, patient_server
from wan_render.errors import DeviceError
from wan_render.model_card import ModelCard
from wan_render.render_values import Pixels
from wan_render.settings import machine_settings
from wan_render.take import Take
from wan_render.workflows.workflow import NamedWorkflow

FAULTS = ("lost_answers", "errors", "damaged", "vanished")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    patient_server.POLL_SECONDS = 0.05
    with tempfile.TemporaryDirectory() as folder, FakeComfyUI(Path(folder) / "server").running() as server:
        os.environ["WAN_RENDER_COMFYUI"] = server.url
        dice = random.Random(arguments.seed)  # noqa: S311 - faults, not secrets
        counted = disturbed(server, workflow(Path(folder)), dice, arguments.seconds)
    print(", ".join(f"{name} {count}" for name, count in counted.items()))


def workflow(folder: Path) -> ModelCard:
    file = folder / "workflow_api.json"
    file.write_text(json.dumps(flf_workflow()))
    inputs = tuple((role, (place,)) for role, place in WRITTEN.items())
    return BACKEND.read_workflow(NamedWorkflow(file, file.name, inputs), None).card


def disturbed(server: FakeComfyUI, card: ModelCard, dice: random.Random, seconds: float) -> Counter[str]:
    """Render takes for some seconds, each under faults of its own."""
    counted, clean = Counter({"takes": 0, "crashes": 0, "different": 0, "to be tried again": 0}), dict[str, Pixels]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        take = take_of(card, seed=counted["takes"] % 5)
        if take.key not in clean:
            clean[take.key] = rendered(card, take)
        counted["takes"] += 1
        server.step_seconds = dice.choice((0.0, 0.005, 0.01))
        for fault in dice.sample(FAULTS, dice.randint(0, 2)):
            setattr(server.faults, fault, dice.randint(1, 3))
        moments = [(dice.uniform(0, 0.4), dice.uniform(0, 0.2)) for _ in range(dice.randint(0, 2))]
        is_over = threading.Event()
        crashes = threading.Thread(target=crash, args=(server, moments, is_over, counted))
        crashes.start()
        try:
            counted["different"] += not np.array_equal(rendered(card, take), clean[take.key])
        except DeviceError:
            counted["to be tried again"] += 1
        is_over.set()
        crashes.join()
        for fault in FAULTS:
            setattr(server.faults, fault, 0)
    return counted


def crash(
    server: FakeComfyUI, moments: list[tuple[float, float]], is_over: threading.Event, counted: Counter[str]
) -> None:
    """moments: seconds until a crash, and from there until the server is back."""
    for wait, away in moments:
        if is_over.wait(wait):
            return
        server.crash()
        counted["crashes"] += 1
        time.sleep(away)
        server.start()


def rendered(card: ModelCard, take: Take) -> Pixels:
    (device,) = BACKEND.own_devices(machine_settings())
    return BACKEND.open(card, device, lambda _: None).render(take, keyframes(), lambda _: None).pixels


if __name__ == "__main__":
    main()
