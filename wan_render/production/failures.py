"""What became of a run's orders: which failures the film can be made without, and which end the run."""

from __future__ import annotations

from collections.abc import Mapping

from wan_render.errors import DeviceError, InputError, MachineError, RenderError, Stopped, WanRenderError, WeightsError
from wan_render.printable import one_line
from wan_render.production.order import RenderOrder
from wan_render.production.run import Run
from wan_render.status import FilmStatus
from wan_render.store import Clip

_COSTS_ONE_SHOT = (RenderError, DeviceError, WeightsError, InputError)
"""Failures of a take (InputError: a picture that changed under our hands). A full disk or no ffmpeg: no film at all."""


def failures(run: Run, results: Mapping[RenderOrder, Clip | WanRenderError]) -> Mapping[str, str]:
    """Take key → reason, for `finish`.

    Raises the error that ends the run: a stop first, then what leaves no film (disk, ffmpeg); and, where the machine
    failed every take and the film would be nothing but slates, that failure.
    """
    failed = {order: result for order, result in results.items() if isinstance(result, WanRenderError)}
    for error in sorted(failed.values(), key=lambda error: not isinstance(error, Stopped)):
        if not isinstance(error, _COSTS_ONE_SHOT):
            raise error
    if failed and len(failed) == len(results) and not _something_to_show(run.before):
        for error in failed.values():
            if isinstance(error, MachineError):
                raise error
    return {order.take.key: _reason(error) for order, error in failed.items()}


def _reason(error: WanRenderError) -> str:
    """As it stands on a slate and in film.json."""
    return one_line("; ".join(problem.found for problem in error.problems))


def _something_to_show(before: FilmStatus) -> bool:
    return any(take.clip is not None for shot in before.shots for take in shot.takes)
