"""Where takes are rendered: one warm process for each device.

`local_devices` finds this machine's devices, `LocalFarm` renders orders on them one attempt at a time, `render_all`
sees every order of a film to its end. A scheduler of its own (flows/) calls `Farm.render` and asks `Attempts`.
"""

from wan_render.devices import cpu, gpus, local_devices
from wan_render.farm.attempts import Attempts, Verdict, not_tried
from wan_render.farm.farm_contract import Farm
from wan_render.farm.farm_settings import FarmSettings, Stall
from wan_render.farm.groups.expected_time import expected_seconds
from wan_render.farm.lanes import Lane, lanes_of
from wan_render.farm.local import LocalFarm
from wan_render.farm.night import AttemptFailed, Began, Ended, Event, OnEvent, render_all
from wan_render.farm.process.work_clock import WorkClock
from wan_render.production import Outcome

__all__ = [
    "AttemptFailed",
    "Attempts",
    "Began",
    "Ended",
    "Event",
    "Farm",
    "FarmSettings",
    "Lane",
    "LocalFarm",
    "OnEvent",
    "Outcome",
    "Stall",
    "Verdict",
    "WorkClock",
    "cpu",
    "expected_seconds",
    "gpus",
    "lanes_of",
    "local_devices",
    "not_tried",
    "render_all",
]
