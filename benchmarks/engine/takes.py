"""What the benchmarks render: takes of a model as it comes, between pictures of coloured patches."""

from __future__ import annotations

import numpy as np

from wan_render.backends.wan.models.official import Official
from wan_render.render_values import Pixels, TakeInputs
from wan_render.take import Bridge, Plate, Sampling, ShotKind, Size, Take, TakePart

PROMPT = "从天上俯瞰河流，镜头瞬间下潜到水下的古代遗迹。"


def picture(size: Size, seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rows, columns = np.arange(size.height) * 6 // size.height, np.arange(size.width) * 8 // size.width
    return np.ascontiguousarray(coarse[rows][:, columns])


def raster_of(model: Official, *, is_tiny: bool) -> tuple[Size, int]:
    """A model's own size, 480p where it has both, and length; or one that a CPU renders in a second."""
    if is_tiny:
        return Size(64, 32), 9
    landscape = [size for size in model.sizes if size.width > size.height and size.width * 9 >= size.height * 15]
    return min(landscape, key=lambda size: size.width), model.trained_frames


def take_of(model: Official, size: Size, frames: int, steps: int, kind: ShotKind | None = None) -> Take:
    """A take of the kind, the model's first one where none is named, with its defaults but for the steps."""
    kind = kind or model.kinds[0]
    defaults = model.card().kinds[kind]
    plate = Plate("0" * 64, size)
    return Take(
        backend="wan/1",
        model="random",
        first=plate if kind in (ShotKind.I2V, ShotKind.FLF2V) else None,
        last=plate if kind is ShotKind.FLF2V else None,
        prompt=PROMPT,
        negative=defaults.negative,
        frames=frames,
        size=size,
        rate=model.rate,
        seed=1,
        sampling=Sampling(steps, defaults.sampling.guidance, defaults.sampling.shift),
        bridge=_bridge(frames) if kind is ShotKind.BRIDGE else None,
    )


def _bridge(frames: int) -> Bridge:
    """A quarter of the frames is kept on each side."""
    return Bridge(TakePart("1" * 64, 0, frames // 4), TakePart("2" * 64, 0, frames // 4))


def plates_of(take: Take, seed: int = 1) -> TakeInputs:
    """Pictures for a take's keyframes, others for another seed."""
    return TakeInputs(
        first=None if take.first is None else picture(take.size, seed),
        last=None if take.last is None else picture(take.size, seed + 1),
        before=None if take.bridge is None else np.stack([picture(take.size, seed)] * take.bridge.before.frames),
        after=None if take.bridge is None else np.stack([picture(take.size, seed + 1)] * take.bridge.after.frames),
    )
