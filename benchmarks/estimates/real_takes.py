"""Takes of the animatic, rendered by the real farm; each is predicted when it begins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wan_render.devices import local_devices
from wan_render.estimates import TakeTime
from wan_render.farm.attempt_events import Ended, Event
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run, begin
from wan_render.render_values import Device, Phase, Progress
from wan_render.session.film_session import Session
from wan_render.status import expected_times
from wan_render.store import Clip

HEAD = """\
version: 1
film: {title: Estimates, raster: 320x192, deliver: 320x192}
keyframes: keyframes/
shots:
"""


def real(takes: int) -> pd.DataFrame:
    """Errors and ranges, by how many takes were finished before. Two of three takes have 49 frames, the others 81."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session.of(_storyboard(Path(folder), takes), outputs=Path(folder) / "outputs", backend="animatic")
        devices = local_devices(session.settings, session.backend.device_kinds)[:1]
        with begin(session.plan_to_render, session.backend, session.store, devices=devices) as run:
            rows = _rendered(run, devices)
    table = pd.DataFrame(rows)
    after = pd.cut(table["before"], [-1, 0, 3, 10, 1000], labels=["0", "1 to 3", "4 to 10", "more"])
    grouped = table.groupby(after, observed=True)
    return pd.DataFrame(
        {
            "animatic": grouped.size(),
            "median seconds": grouped["seconds"].median(),
            "error": grouped["error"].median(),
            "range holds": grouped["holds"].mean(),
            "high / low": grouped["width"].median(),
        }
    ).reset_index(names="takes before")


def _rendered(run: Run, devices: Sequence[Device]) -> list[dict[str, float]]:
    """One row per take."""
    store, (device,) = run.store, devices
    predicted: dict[str, TakeTime] = {}
    rows: list[dict[str, float]] = []

    def hear(order: RenderOrder, event: Event) -> None:
        take = order.take
        if isinstance(event, Progress) and event.phase is not Phase.WAITING and take.key not in predicted:
            predicted.update(expected_times([take], store, run.backend, "cpu", {device.label}))
        elif isinstance(event, Ended) and isinstance(event.outcome, Clip):
            known, phases = predicted[take.key], store.record(take.key).provenance.seconds
            seconds = sum(seconds for phase, seconds in phases.items() if phase not in ("loading", "waiting"))
            rows.append(
                {
                    "before": len(rows),
                    "seconds": seconds,
                    "error": abs(known.seconds / seconds - 1),
                    "holds": known.low <= seconds <= known.high,
                    "width": known.high / known.low,
                }
            )

    with LocalFarm(devices, store.root) as farm:
        render_all(run.orders, farm, hear)
    return rows


def _storyboard(folder: Path, takes: int) -> Path:
    dice = np.random.default_rng(1)
    (folder / "keyframes").mkdir()
    for name in ("dawn", "noon"):
        noise = Image.fromarray(dice.integers(0, 256, (45, 80, 3), np.uint8))
        noise.resize((1280, 720), Image.Resampling.BICUBIC).save(folder / "keyframes" / f"{name}.png")
    lengths = [81 if at % 3 == 2 else 49 for at in range(takes)]
    shots = (
        f"  - {{from: dawn, to: noon, action: number {at}, duration: {frames}f}}\n" for at, frames in enumerate(lengths)
    )
    file = folder / "film.yaml"
    file.write_text(HEAD + "".join(shots), encoding="utf-8")
    return file
