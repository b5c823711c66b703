"""How frames in between are made: the seam of the methods, and the method of a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from wan_render.errors import WeightsError
from wan_render.optical_flow import agrees, both_ways, grey
from wan_render.render_values import Pixels
from wan_render.settings import machine_settings
from wan_render.wheel_weights import RIFE

UNLIKE = 0.35
"""Below this share of consistent pixels, two pictures do not show the same scene. Measured: about 0.9 for pairs of one
scene, under 0.1 for pairs of different scenes."""

_JUDGED = 416
"""The long side, in pixels, at which two pictures are compared."""

_ALIKE = 8.0
"""Two pictures whose mean levels in small squares differ by less on average are of one scene."""


@dataclass(frozen=True)
class Pair:
    """Two neighbouring pictures, (height, width, 3) uint8 RGB, and the places between them at which pictures are
    wanted: each more than 0 and less than 1."""

    left: Pixels
    right: Pixels
    parts: tuple[Fraction, ...]

    @property
    def is_still(self) -> bool:
        """Whether nothing has to be made: no picture is wanted, or both are the same one."""
        return not self.parts or self.left is self.right


class Interpolator(Protocol):
    """Makes pictures between two others."""

    def between(self, pairs: Iterable[Pair]) -> Iterator[list[Pixels]]:
        """For each pair, in order, a picture for each of its parts. Some pairs are taken ahead of what is given."""


class Duplicating:
    """The nearer of the two pictures. Nothing is computed, so motion may judder."""

    def between(self, pairs: Iterable[Pair]) -> Iterator[list[Pixels]]:
        """The nearer pictures."""
        return (nearer_pictures(pair) for pair in pairs)


def nearer_pictures(pair: Pair) -> list[Pixels]:
    """The nearer picture for each of its parts: what is shown where nothing is made."""
    return [nearer(pair, part) for part in pair.parts]


def nearer(pair: Pair, part: Fraction) -> Pixels:
    """The picture that is nearer to a place; the right one in the middle."""
    return pair.left if part < 1 - part else pair.right


def is_jump(left: Pixels, right: Pixels) -> bool:
    """Whether the pictures do not show the same scene: a jump inside a clip, which must not be morphed."""
    import cv2

    small = (cv2.resize(each, (32, 18), interpolation=cv2.INTER_AREA).astype(float) for each in (left, right))
    if abs(next(small) - next(small)).mean() < _ALIKE:
        return False
    forward, backward = both_ways(grey(left, _JUDGED), grey(right, _JUDGED))
    return bool(min(agrees(forward, backward).mean(), agrees(backward, forward).mean()) < UNLIKE)


def interpolator(form: str, device: str, weights: Path | None) -> Interpolator:
    """The interpolator of one of `cut.RETIME_FORMS`.

    device: `cuda` or `cpu`. weights: of the method, if it has any. Raises MachineError or WeightsError if this machine
    lacks something for it.
    """
    match form.partition("/")[0]:
        case "duplicate":
            return Duplicating()
        case "flow":
            from wan_render.retime.flow import FlowInterpolator  # it loads OpenCV

            return FlowInterpolator()
        case "rife-4.0" if weights is not None:
            return _rife(weights, device)
        case _:
            raise ValueError(f"{form} is not a way to make frames in between, or lacks its weights")


def weights_of(form: str) -> Path | None:
    """The file of weights of one of `cut.RETIME_FORMS`; None if it has none. Raises WeightsError if it is not here."""
    if not form.startswith("rife"):
        return None
    root = machine_settings().weights
    if (problem := RIFE.problem(root)) is not None:
        raise WeightsError(problem)
    return RIFE.file("rife", root)


def _rife(weights: Path, device: str) -> Interpolator:
    import torch

    from wan_render.retime.rife import RifeInterpolator

    return RifeInterpolator(weights, torch.device(device))
