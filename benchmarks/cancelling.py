"""How soon the devices of a night are free when it is stopped.

    python -m benchmarks.cancelling                      # in a terminal: Ctrl-C, kill, kill -9
    python -m benchmarks.cancelling --farm               # a run of batch/overnight: a cancel, also with a dead worker

A device is free when its process is gone and its lock can be taken. Each case is measured while two CPU devices render
with the slowed-down animatic of benchmarks.faults.

Prediction, written before the first run: 0.3 s in a terminal, 1 s for a cancel (the run looks every second), 3 s with a
dead worker. Targets: 2 s, and 5 s with a dead worker.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from benchmarks.faults.campaign import Campaign, NightHandle
from benchmarks.faults.farm_campaign import FarmCampaign, FarmNight
from benchmarks.faults.storyboards import Films

STEP_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon devices are free.")
    parser.add_argument("--farm", action="store_true")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wan-render-cancelling-"))
    campaign = (FarmCampaign if options.farm else Campaign)(folder, 1, 1, 40, 1.0, STEP_SECONDS)
    for each in (campaign.control, campaign.outputs, folder / "tmp"):
        each.mkdir()
    Films(campaign.storyboards, 1, 40).write(random.Random(1))  # noqa: S311 - repeatable
    campaign.prepare()
    cases = _of_farm(campaign) if isinstance(campaign, FarmCampaign) else _in_terminal()
    print(f"load {os.getloadavg()[0]:.1f}")
    for name, stop in cases.items():
        seconds = [_measured(campaign, stop) for _ in range(options.times)]
        print(f"{name:32} median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    campaign.end()
    shutil.rmtree(folder, ignore_errors=True)


def _in_terminal() -> dict[str, Callable[[NightHandle], None]]:
    signals = {"Ctrl-C": signal.SIGINT, "kill": signal.SIGTERM, "kill -9": signal.SIGKILL}
    return {name: partial(_send, number) for name, number in signals.items()}


def _send(number: signal.Signals, night: NightHandle) -> None:
    night.send_signal(number)


def _of_farm(campaign: FarmCampaign) -> dict[str, Callable[[NightHandle], None]]:
    def cancel(night: NightHandle) -> None:
        assert isinstance(night, FarmNight)
        campaign.farm.ask("POST", f"/flow_runs/{night.run}/set_state", state={"type": "CANCELLING"}, force=True)

    def cancel_without_worker(night: NightHandle) -> None:
        for worker in campaign.farm.processes("farm_worker"):
            worker.kill()
        cancel(night)

    return {"cancel": cancel, "cancel, the worker is dead": cancel_without_worker}


def _measured(campaign: Campaign, stop: Callable[[NightHandle], None]) -> float:
    """Seconds from the stop until no device process is left. Each holds its device's lock while it lives."""
    night = campaign.start_night(campaign.outputs, STEP_SECONDS, [])
    while len(devices := _devices(campaign.folder)) < 2 or not _are_rendering(campaign):
        time.sleep(0.05)
    (campaign.control / "renders").unlink()
    began = time.monotonic()
    stop(night)
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in devices if _exists(each)):
        time.sleep(0.01)
    seconds = time.monotonic() - began
    night.wait(60)
    return seconds


def _are_rendering(campaign: Campaign) -> bool:
    with suppress(FileNotFoundError):
        return (campaign.control / "renders").read_text().count("begin") >= 2
    return False


def _devices(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "wan_render.farm.process.child" in process.cmdline() and process.environ().get("TMPDIR", "").startswith(
                str(folder)
            ):
                found.append(process)
    return found


def _exists(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        process.status()
        return True
    return False


if __name__ == "__main__":
    main()
