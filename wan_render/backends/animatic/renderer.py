"""The animatic's renderer: chooses how to draw a take, and fulfils the backend contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from wan_render.backends.animatic.camera import choose_move
from wan_render.backends.animatic.drift import drift
from wan_render.backends.animatic.kenburns import dissolve, single
from wan_render.backends.animatic.morph import is_alike, morph
from wan_render.errors import Problem, RenderError, WanRenderError
from wan_render.model_card import ModelCard
from wan_render.render_values import Device, Frames, Group, Listen, Phase, Pixels, Progress, TakeInputs
from wan_render.take import ShotKind, Take


class AnimaticRenderer:
    """Draws takes on the CPU. It has no weights to free."""

    def __init__(self, card: ModelCard, device: Device) -> None:
        self._card = card
        self._device = device
        self._is_open = True

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Do nothing: no take needs preparation."""

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render all frames of a take. The first and last are bit-exact copies of its plates.

        Raises RenderError for a group, for plates that do not fit the take, for a kind that the model cannot render,
        and for any error of OpenCV or NumPy.
        """
        try:
            if group is not None:
                raise _alone(group)
            self._check(take, plates)
            return Frames(_collect(take, _pictures(take, plates), listen), take.rate)
        except WanRenderError:
            raise
        except Exception as error:  # the edge of the backend: only our errors leave it
            raise RenderError(Problem("backend animatic", f"{type(error).__name__}: {error}")) from error

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:  # noqa: ARG002 - the seam's
        """Raise RenderError: one device renders a take."""
        raise _alone(group)

    def facts(self) -> Mapping[str, str]:
        """The versions of the drawing libraries, and the device."""
        return {"device": self._device.label, "opencv": cv2.__version__, "numpy": np.__version__}

    def close(self) -> None:
        """Refuse further takes."""
        self._is_open = False

    def _check(self, take: Take, plates: TakeInputs) -> None:
        if not self._is_open:
            raise _refused("the renderer is closed")
        if take.kind not in self._card.kinds:
            raise _refused(f"{self._card.name} cannot render {take.kind}", f"it can: {', '.join(self._card.kinds)}")
        _check_plate("first", take.first is not None, plates.first, take)
        _check_plate("last", take.last is not None, plates.last, take)
        _check_sides(take, plates)
        if (
            take.frames == 1
            and take.kind is ShotKind.FLF2V
            and not np.array_equal(_given(plates.first), _given(plates.last))
        ):
            raise _refused(
                "one frame cannot be both of two pictures", "a take between two keyframes has 2 or more frames"
            )


def _alone(group: Group) -> RenderError:
    return _refused(f"cannot render a take on {group.size} devices", "one device per take")


def _pictures(take: Take, plates: TakeInputs) -> Iterator[Pixels]:
    if plates.before is not None and plates.after is not None:
        return _bridge(take, plates.before, plates.after)
    if plates.first is None:
        return drift(take)
    if plates.last is None:
        return single(plates.first, take.frames, choose_move(take))
    return _between(take, plates.first, plates.last, take.frames)


def _between(take: Take, first: Pixels, last: Pixels, frames: int) -> Iterator[Pixels]:
    """Frames that begin on one picture and end on another."""
    if is_alike(first, last):
        return morph(first, last, frames)
    return dissolve(first, last, frames, choose_move(take))


def _bridge(take: Take, before: Pixels, after: Pixels) -> Iterator[Pixels]:
    """The frames before a bridge, those that lead from the last of them to the first frame after it, and those after
    it."""
    yield from before[:-1]
    yield from _between(take, before[-1], after[0], take.frames - len(before) - len(after) + 2)
    yield from after[1:]


def _collect(take: Take, pictures: Iterator[Pixels], listen: Listen) -> Pixels:
    """All frames in one array: (frames, height, width, 3) uint8. Reports each frame as a step."""
    frames = np.empty((take.frames, take.size.height, take.size.width, 3), np.uint8)
    listen(Progress(Phase.STEP, 0, take.frames))
    for index, picture in enumerate(pictures):
        frames[index] = picture
        listen(Progress(Phase.STEP, index + 1, take.frames))
    return frames


def _check_plate(name: str, is_wanted: bool, plate: Pixels | None, take: Take) -> None:  # noqa: FBT001 - one caller
    if (plate is not None) is not is_wanted:
        raise _refused(
            f"{'no' if is_wanted else 'a'} {name} plate was given", f"the take has {'one' if is_wanted else 'none'}"
        )
    expected = (take.size.height, take.size.width, 3)
    if plate is not None and (plate.shape != expected or plate.dtype != np.uint8):
        raise _refused(f"the {name} plate is {plate.dtype} {plate.shape}", f"expected uint8 {expected}")


def _check_sides(take: Take, plates: TakeInputs) -> None:
    bridge = take.bridge
    parts = (None, None) if bridge is None else (bridge.before, bridge.after)
    for name, part, given in zip(("before", "after"), parts, (plates.before, plates.after), strict=True):
        expected = None if part is None else (part.frames, take.size.height, take.size.width, 3)
        if (None if given is None else given.shape) != expected:
            found = None if given is None else given.shape
            raise _refused(f"the frames {name} the bridge are {found}", f"expected {expected}")


def _given(plate: Pixels | None) -> Pixels:
    assert plate is not None  # noqa: S101 - the kind of the take says so
    return plate


def _refused(found: str, allowed: str = "") -> RenderError:
    return RenderError(Problem("backend animatic", found, allowed))
