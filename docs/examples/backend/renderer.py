"""The sample backend at work: a model whose weights are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wan_render.errors import Problem, RenderError, WanRenderError
from wan_render.model_card import ModelCard
from wan_render.model_family import WEIGHTS_FACT
from wan_render.model_weights import Weights
from wan_render.render_values import Frames, Group, Listen, Phase, Pixels, Progress, TakeInputs
from wan_render.take import Take

from .models import FILE, SIDE


class GrainRenderer:
    """One model on the CPU."""

    def __init__(self, card: ModelCard, weights: Weights) -> None:
        assert weights.folder is not None  # noqa: S101 - `open` has looked
        self._card, self._version = card, weights.version
        tile = np.fromfile(weights.folder / FILE, np.uint8).reshape(SIDE, SIDE, 1)
        self._grain: NDArray[np.int16] | None = tile.astype(np.int16) - 128

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Nothing can be prepared."""

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Fade from the first picture to the last; a missing one is grey. Only errors of wan_render leave it."""
        if group is not None:
            raise _error("was asked to share a take", "one device renders a take")
        try:
            self._require(take, plates)
            return Frames(_faded(take, plates, self._loaded(), listen), take.rate)
        except WanRenderError:
            raise
        except Exception as error:  # a foreign error need not pickle, and says nothing about retrying
            raise _error(f"{type(error).__name__}: {error}") from error

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:  # noqa: ARG002 - it never helps
        """`group_sizes` says that nobody is asked for help."""
        raise _error("was asked to share a take", "one device renders a take")

    def facts(self) -> Mapping[str, str]:
        """What is recorded beside each take."""
        return {WEIGHTS_FACT: self._version, "numpy": np.__version__}

    def close(self) -> None:
        """Let go of the weights."""
        self._grain = None

    def _loaded(self) -> NDArray[np.int16]:
        if self._grain is None:
            raise _error("the renderer is closed")
        return self._grain

    def _require(self, take: Take, plates: TakeInputs) -> None:
        if take.kind not in self._card.kinds:
            raise _error(f"{self._card.name} cannot render {take.kind}", f"allowed: {', '.join(self._card.kinds)}")
        for name, plate, picture in (("first", take.first, plates.first), ("last", take.last, plates.last)):
            expected = None if plate is None else (take.size.height, take.size.width, 3)
            found = None if picture is None else picture.shape
            if found != expected:
                raise _error(f"the {name} keyframe has shape {found}", f"expected {expected}")
        if (take.bridge is not None) != (plates.before is not None and plates.after is not None):
            raise _error("the frames on both sides of a bridge are not those of the take")


def _faded(take: Take, plates: TakeInputs, tile: NDArray[np.int16], listen: Listen) -> Pixels:
    """(frames, height, width, 3) uint8. The seed decides where the tile of grain lies in each frame."""
    height, width = take.size.height, take.size.width
    grey = np.full((height, width, 3), 128, np.uint8)
    first, last = plates.first, plates.last
    if plates.before is not None and plates.after is not None:  # a bridge: its ends are replaced by these frames
        first, last = plates.before[-1], plates.after[0]
    first = grey if first is None else first
    last = first if last is None else last
    grain = np.tile(tile, (height // SIDE + 1, width // SIDE + 1, 1))[:height, :width]
    places = np.random.default_rng(take.seed).integers(0, SIDE, (take.frames, 2))
    pixels = np.empty((take.frames, height, width, 3), np.uint8)
    for index, share in enumerate(np.linspace(0, 1, take.frames)):
        moved = np.roll(grain, tuple(places[index]), axis=(0, 1))
        pixels[index] = np.clip((1 - share) * first + share * last + moved, 0, 255)
        listen(Progress(Phase.STEP, index + 1, take.frames))
    return pixels


def _error(found: str, allowed: str = "") -> RenderError:
    return RenderError(Problem("backend grain", found, allowed))
