"""The camera of the animatic: a window that moves over a still picture."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wan_render.keys import content_key
from wan_render.take import Size, Take

Matrix = NDArray[np.float64]
"""2x3, from pixels of the frame to pixels of the picture."""

_WORDS = {
    (-1, 0): r"\b(pan|truck|track)(s|ning|ing)? left|向左(摇|移)|左(摇|移)",
    (1, 0): r"\b(pan|truck|track)(s|ning|ing)? right|向右(摇|移)|右(摇|移)",
    (0, -1): r"\b(tilt|crane|boom|pedestal)(s|ing)? up|上(摇|升)|升起",
    (0, 1): r"\b(tilt|crane|boom|pedestal)(s|ing)? down|下(摇|降|潜)|俯冲",
    (0, 0): r"\b(push|dolly|zoom)(es|s|ing)?[ -]in\b|推(近|进|镜)",
}
"""Camera words of a prompt, by direction (right, down). (0, 0) is a push into the picture."""


@dataclass(frozen=True)
class Move:
    """How a window moves over a picture.

    right, down: the direction of the pan, a unit vector, or 0, 0 for a push.
    zoom:   how much the view is enlarged at the far end of the move (0.15: by 15 %).
    settle: the same for the picture that a shot ends on, at the start of its move.
    """

    right: float
    down: float
    zoom: float
    settle: float


def ease(time: float) -> float:
    """Half a cosine over 0…1: a move starts and stops smoothly, so that neighbouring shots meet at rest."""
    return (1 - math.cos(math.pi * time)) / 2


def moments(frames: int) -> list[float]:
    """The time of every frame, 0 for the first and 1 for the last."""
    return [index / max(frames - 1, 1) for index in range(frames)]


def choose_move(take: Take) -> Move:
    """The move of a take: from the prompt's camera words if it has any, otherwise random.

    Random values depend on the seed, the prompt and the pictures, so that the takes of a shot differ, and so do shots
    with the same seed.
    """
    pictures = [plate.shows for plate in (take.first, take.last) if plate is not None]
    dice = random.Random(content_key("animatic-move/1", (take.seed, take.prompt, *pictures)))  # noqa: S311 - not for security
    angle = dice.uniform(0, 2 * math.pi)
    zoom = dice.uniform(0.12, 0.17)
    drawn = Move(math.cos(angle), math.sin(angle), zoom, zoom)
    for (right, down), words in _WORDS.items():
        if re.search(words, take.prompt, re.IGNORECASE):
            return replace(drawn, right=right, down=down, **({} if right or down else _PUSH))
    return drawn


_PUSH = {"zoom": 0.25, "settle": 0.06}


def leaving(move: Move, size: Size, eased: float) -> Matrix:
    """The window on a picture that a shot begins on: the whole picture at 0, the far end of the move at 1."""
    return _window(size, move.zoom * eased, move.right, move.down)


def arriving(move: Move, size: Size, eased: float) -> Matrix:
    """The window on a picture that a shot ends on: it comes from the opposite side, and is the whole picture at 1."""
    return _window(size, move.settle * (1 - eased), -move.right, -move.down)


def _window(size: Size, zoom: float, right: float, down: float) -> Matrix:
    """A window `1 + zoom` times smaller than the picture, moved as far as it stays inside the picture."""
    scale = 1 / (1 + zoom)
    room_x, room_y = (size.width - 1) * (1 - scale) / 2, (size.height - 1) * (1 - scale) / 2
    return np.array([[scale, 0, room_x * (1 + right)], [0, scale, room_y * (1 + down)]])
