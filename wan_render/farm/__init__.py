"""Where takes are rendered: one warm process for each device.

`local_devices` finds this machine's devices, `LocalFarm` renders orders on them one attempt at a time, a `Scheduler`
sees every order of a film to its end; `render_all` is one in a loop.
"""

from wan_render.devices import cpu, gpus, local_devices
from wan_render.farm.attempts import ATTEMPTS, Attempts, Verdict
from wan_render.farm.farm_contract import Farm
from wan_render.farm.farm_settings import FarmSettings, Stall
from wan_render.farm.groups.expected_time import expected_seconds
from wan_render.farm.local import LocalFarm
from wan_render.farm.process.work_clock import WorkClock
from wan_render.farm.scheduler import AttemptFailed, Began, Ended, Event, OnEvent, Scheduler, render_all
from wan_render.production import Outcome

__all__ = [
    "ATTEMPTS",
    "AttemptFailed",
    "Attempts",
    "Began",
    "Ended",
    "Event",
    "Farm",
    "FarmSettings",
    "LocalFarm",
    "OnEvent",
    "Outcome",
    "Scheduler",
    "Stall",
    "Verdict",
    "WorkClock",
    "cpu",
    "expected_seconds",
    "gpus",
    "local_devices",
    "render_all",
]
