"""Plan against store: what is found, missing, stale or kept, and why; what the rest will take. It only reads."""

from wan_render.status.forecast import expected_bytes, film_bytes
from wan_render.status.pins import pin_warnings
from wan_render.status.plan_json import plan_json
from wan_render.status.shots import FilmStatus, ShotStatus, State, TakeStatus, status

__all__ = [
    "FilmStatus",
    "ShotStatus",
    "State",
    "TakeStatus",
    "expected_bytes",
    "film_bytes",
    "pin_warnings",
    "plan_json",
    "status",
]
