"""Hard faults, put into clips that had none. Each has several forms; strengths and places vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from benchmarks.qc.clean_clips import PLAIN, Dice, moved, picture_of, with_vae_loss
from benchmarks.qc.footage import Footage
from benchmarks.qc.harder_clips import HARDER
from benchmarks.qc.scenes import Make, scene
from wan_render.quality.ends import likeness
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import shrunk
from wan_render.render_values import Pixels

UNLIKE = 0.35
"""Pictures that are less alike show different things."""

LEAST_SHOWN = 12
"""Standard deviation of a picture, of 255, that shows something. A dissolve from a picture with less is a fade."""

ONE_COLOUR = 1.0
"""Standard deviation of a frame, of 255, in the channel that has most: less is about one step of 8 bits. Nobody can
tell that from one colour."""

LEAST_SEEN, HELD_CHANGE = 2.0, 0.05
"""Mean change of all samples in a step, in levels of 255: of a leap that can be seen under the error of a VAE, which is
8 to 20, and of drawings that are held."""

MOST_DRAWS = 20
"""After so many clips the last one stays, seen or not."""

HARDER_SHARE = 0.4
"""Of clean clips. Faults are put into plain ones: inside fast motion nobody would see them."""


@dataclass(frozen=True)
class Specimen:
    """A clip and its keyframes, as they are measured.

    kind: how the clip was made. form: of the fault; "" for a clean one.
    """

    kind: str
    frames: Pixels
    first: Pixels | None
    last: Pixels | None
    form: str = ""


def clean(
    dice: Dice,
    footage: Footage,
    size: tuple[int, int] | None = None,
    length: int | None = None,
    harder: Sequence[Make] = HARDER,
    share: float = HARDER_SHARE,
    *,
    may_be_open: bool = True,
) -> Specimen:
    """A clip without a fault: with both keyframes, one, none, or equal ones. harder: kinds that are easily taken for a
    fault. share: how many are of those kinds. may_be_open: an end may lack its keyframe; one that is plain is a
    fault then."""
    made = scene(dice, footage, size, length, harder if dice.random() < share else PLAIN)
    frames, kind, chance = made.frames, made.kind, dice.random()
    may_be_open = may_be_open and float(np.median(frames.std(axis=(1, 2)).max(axis=-1))) >= ONE_COLOUR
    if chance < 0.1:  # equal keyframes: there and back
        there = frames[: (len(frames) + 1) // 2]
        frames, kind = np.concatenate([there, there[::-1][1:]]), f"{kind}, there and back"
    first: Pixels | None = frames[0]
    last: Pixels | None = frames[-1]
    if chance > 0.95 and may_be_open:
        first = last = None
    elif chance > 0.8 and may_be_open:
        last = None
    return Specimen(kind, with_vae_loss(dice, frames), first, last)


def _meant(dice: Dice, footage: Footage, size: tuple[int, int] | None, *, unlike: bool = False) -> Specimen:
    """A clip before any loss, with both keyframes."""
    for _ in range(8 if unlike else 1):
        made = scene(dice, footage, size)
        if not unlike or _alike(made.frames[0], made.frames[-1]) < UNLIKE:
            break
    return Specimen(made.kind, made.frames, made.frames[0], made.frames[-1])


def _alike(one: Pixels, other: Pixels) -> float:
    return likeness(shrunk(one), shrunk(other))


def _another(dice: Dice, footage: Footage, like: Pixels) -> Pixels:
    """A picture of the size that shows something else."""
    size = (like.shape[1], like.shape[0])
    for _ in range(30):
        place = (*dice.uniform(0, 1, 2), dice.uniform(0.4, 1), 0.0)
        picture: Pixels = moved(picture_of(dice, footage), size, [place])[0]
        if _alike(picture, like) < UNLIKE and picture.std() > LEAST_SHOWN:
            break
    return picture


def _end(at_end: bool, dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:  # noqa: FBT001 - which end
    form = str(dice.choice(("wrong keyframe", "wrong keyframe", "swapped", "stays", "last frames are another picture")))
    clip = _meant(dice, footage, size, unlike=form in {"swapped", "stays"})
    frames = clip.frames
    if form in {"swapped", "stays"} and _alike(frames[0], frames[-1]) >= UNLIKE:
        form = "wrong keyframe"
    keyframe = clip.last if at_end else clip.first
    assert keyframe is not None
    if form == "wrong keyframe":
        other = _another(dice, footage, keyframe)
        clip = replace(clip, last=other) if at_end else replace(clip, first=other)
    elif form == "swapped":
        clip = replace(clip, first=clip.last, last=clip.first)
    elif form == "stays":
        half = frames[: (len(frames) + 1) // 2] if at_end else frames[len(frames) // 2 :]
        frames = np.concatenate([half, half[::-1]])
    else:
        count = int(dice.integers(1, 9))
        other = np.repeat(_another(dice, footage, keyframe)[None], count, 0)
        frames = np.concatenate([frames[:-count], other] if at_end else [other, frames[count:]])
    return replace(clip, frames=with_vae_loss(dice, frames), form=form)


def _first(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    return _end(False, dice, footage, size)  # noqa: FBT003 - which end


def _last(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    return _end(True, dice, footage, size)  # noqa: FBT003 - which end


def _jump(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """The last or first frames are elsewhere: another picture, or the same one far away. A leap within the same picture
    that nobody could see is drawn again (is_seen)."""
    for _ in range(MOST_DRAWS):
        clip, leap = _jumped(dice, footage, size)
        if clip.form.startswith("another") or is_seen(clip.frames, leap):
            break
    return replace(clip, frames=with_vae_loss(dice, clip.frames))


def _jumped(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> tuple[Specimen, int]:
    """A clip before any loss, and the step that leaps."""
    form = str(dice.choice(("another picture", "shifted", "scaled")))
    clip = _meant(dice, footage, size)
    frames = clip.frames.copy()
    count, late = int(dice.integers(1, 7)), dice.random() < 0.7
    part = frames[-count:] if late else frames[:count]
    height, width = part.shape[1:3]
    if form == "another picture":
        changed = np.repeat(_another(dice, footage, part[0])[None], count, 0)
    else:
        scale = dice.uniform(1.25, 1.5) if form == "scaled" else 1.1
        x, y = dice.choice((-1, 1), 2) * dice.uniform(0.12, 0.25, 2) if form == "shifted" else (0, 0)
        matrix = np.array(
            ((scale, 0, (1 - scale) * width / 2 + x * width), (0, scale, (1 - scale) * height / 2 + y * height))
        )
        changed = np.stack(
            [cv2.warpAffine(each, matrix, (width, height), borderMode=cv2.BORDER_REFLECT) for each in part]
        )
    part[:] = changed
    clip = replace(clip, frames=frames, first=frames[0], last=frames[-1], form=f"{form}, {count} frames")
    return clip, len(frames) - count - 1 if late else count - 1


def is_seen(frames: Pixels, leap: int) -> bool:
    """Whether a leap can be seen, before any loss: the step changes the picture by LEAST_SEEN at least, and more than
    the nearest step on each side that changes it at all. In a whip pan one more step is motion, and in the dark nothing
    is there to leap.

    frames: (frames, height, width, 3) uint8 RGB. leap: the step from that frame to the next.
    """
    changes = np.array([float(cv2.absdiff(one, other).mean()) for one, other in pairwise(frames)])
    moving = np.flatnonzero(changes > HELD_CHANGE)
    beside = [*moving[moving < leap][-1:], *moving[moving > leap][:1]]
    return bool(changes[leap] >= LEAST_SEEN and all(changes[leap] > changes[step] for step in beside))


def _cut(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """Another clip from some frame on, or for a few frames only."""
    form = str(dice.choice(("cut", "cut", "cut", "inserted", "flash")))
    clip = _meant(dice, footage, size)
    frames = clip.frames.copy()
    count = len(frames)
    at = int(dice.integers(count // 5, count - count // 5))
    height, width = frames.shape[1:3]
    for _ in range(8):
        other = scene(dice, footage, (width, height), min(count, 49)).frames
        other = np.concatenate([other] * 8)[:count] if len(other) < count else other[:count]
        if _alike(frames[at - 1], other[at]) < UNLIKE and other[at].std() > LEAST_SHOWN:
            break
    end = {"cut": count, "inserted": min(count - 2, at + int(dice.integers(3, 12))), "flash": at + 1}[form]
    if form == "flash" and dice.random() < 0.5:
        other = np.full_like(other, 255)
    if len(other) < count:
        other = np.repeat(other[:1], count, 0)
    frames[at:end] = other[at:end]
    return Specimen(clip.kind, with_vae_loss(dice, frames), frames[0], frames[-1], form)


def _freeze(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """At least 24 frames, or 0.4 of the clip, repeat one frame; the clip moves otherwise."""
    form = str(dice.choice(("held, then on", "held, then a jump", "at the end", "at the start")))
    while True:
        clip = _meant(dice, footage, size)
        steps = [
            float(np.abs(shrunk(a).astype(int) - shrunk(b)).mean())
            for a, b in zip(clip.frames[::4], clip.frames[1::4], strict=False)
        ]
        if np.median(steps) > 0.6:
            break
    frames = clip.frames
    count = len(frames)
    least = min(24, int(0.4 * count))
    held = int(dice.integers(least, max(least + 1, int(0.7 * count))))
    at = int(dice.integers(2, max(3, count - held - 2)))
    lossy = with_vae_loss(dice, frames)
    still = np.repeat(lossy[at : at + 1], held, 0)
    if form == "held, then on":
        lossy = np.concatenate([lossy[: at + 1], still, lossy[at + 1 :]])[:count]
    elif form == "held, then a jump":
        lossy = np.concatenate([lossy[:at], still, lossy[at + held :]])
    elif form == "at the end":
        lossy = np.concatenate([lossy[: count - held], np.repeat(lossy[-1:], held, 0)])
    else:
        lossy = np.concatenate([np.repeat(lossy[:1], held, 0), lossy[held:]])
    if dice.random() < 0.3:
        lossy = np.clip(lossy + dice.normal(0, dice.uniform(0.3, 1.5), lossy.shape), 0, 255).astype(np.uint8)
    return Specimen(clip.kind, lossy, clip.first, lossy[-1] if form == "held, then on" else clip.last, form)


def _gone(dice: Dice, footage: Footage, size: tuple[int, int] | None, colour: Callable[[], Pixels]) -> Specimen:
    """Frames become one colour: at once, or faded; in the middle, at the end or at the start."""
    form = str(dice.choice(("in the middle", "in the middle", "fade at the end", "at the end", "at the start")))
    while True:
        clip = _meant(dice, footage, size)
        if clip.frames[0].std() > 6 and clip.frames[-1].std() > 6:
            break
    frames = clip.frames.astype(np.float32)
    count = len(frames)
    long = int(dice.integers(1, max(2, count // 3)))
    cover = np.zeros(count, np.float32)
    at = int(dice.integers(2, max(3, count - long - 2)))
    if form == "in the middle":
        cover[at : at + long] = 1
    elif form == "fade at the end":
        long = max(long, 6)
        cover[-long:] = np.clip(np.linspace(0, 1.3, long), 0, 1)
    elif form == "at the end":
        cover[-long:] = 1
    else:
        cover[:long] = 1
    mixed = frames * (1 - cover[:, None, None, None]) + colour() * cover[:, None, None, None]
    lossy = with_vae_loss(dice, np.clip(mixed, 0, 255).astype(np.uint8))
    plain = mixed.std(axis=(1, 2)).max(axis=1) < 1
    residue = dice.normal(0, 1, (int(plain.sum()), *lossy.shape[1:])) * dice.choice((0, 1, 2))
    lossy[plain] = np.clip(mixed[plain] + residue, 0, 255).astype(np.uint8)
    return Specimen(clip.kind, lossy, clip.first, clip.last, form)


def _black(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    while True:
        clip = _gone(dice, footage, size, lambda: np.zeros(3, np.uint8))
        if clip.first is not None and clip.last is not None and min(clip.first.max(), clip.last.max()) > 40:
            return clip


def _flat(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    return _gone(dice, footage, size, lambda: dice.integers(40, 256, 3).astype(np.uint8))


def _noise(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """Garbage, over some frames or all of them, still or boiling."""
    form = str(dice.choice(("white", "blocks", "latent", "salt and pepper", "torn", "coloured")))
    clip = _meant(dice, footage, size)
    frames = with_vae_loss(dice, clip.frames)
    count, height, width, _ = frames.shape
    long = int(dice.choice((max(3, count // 6), count // 3, count)))
    at = int(dice.integers(count - long + 1))
    boils, strength, block = dice.random() < 0.8, dice.uniform(0.5, 1.0), int(dice.choice((4, 8, 16)))
    noise = _garbage(dice, form, height, width, block)
    for frame in frames[at : at + long]:
        noise = _garbage(dice, form, height, width, block) if boils else noise
        _spoil(dice, frame, form, noise, strength)
    return Specimen(clip.kind, frames, clip.first, clip.last, form)


def _garbage(dice: Dice, form: str, height: int, width: int, block: int) -> Pixels:
    if form in {"white", "salt and pepper", "coloured"}:
        return dice.integers(0, 256, (height, width, 3), np.uint8)
    coarse = dice.integers(0, 256, (height // block + 1, width // block + 1, 3), np.uint8)
    how = cv2.INTER_NEAREST if form == "blocks" else cv2.INTER_CUBIC
    large = cv2.resize(coarse, (coarse.shape[1] * block, coarse.shape[0] * block), interpolation=how)
    return np.asarray(large[:height, :width], np.uint8)


def _spoil(dice: Dice, frame: Pixels, form: str, noise: Pixels, strength: float) -> None:
    if form == "coloured":
        grain = cv2.GaussianBlur(noise.astype(np.float32) - noise.mean(axis=-1, keepdims=True), (0, 0), 0.8)
        frame[:] = np.clip(frame + 2 * strength * grain, 0, 255)
    elif form == "salt and pepper":
        where = dice.random(frame.shape[:2]) < 0.15 + 0.25 * strength
        frame[where] = np.where(noise[where][:, :1] > 127, 255, 0)
    elif form == "torn":
        rows = dice.random(frame.shape[0] // 8 + 1).repeat(8)[: frame.shape[0]] < 0.4 + 0.4 * strength
        frame[rows] = noise[rows]
    else:
        frame[:] = cv2.addWeighted(frame, 1 - strength, noise, strength, 0)


def _ghost(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """A dissolve between unlike keyframes that both show something, instead of motion; both may move a little."""
    form = str(dice.choice(("dissolve", "dissolve", "both move", "quick", "slow")))
    clip = _meant(dice, footage, size)
    count = len(clip.frames)
    is_other = dice.random() < 0.5 or clip.frames[0].std() <= LEAST_SHOWN
    first = _another(dice, footage, clip.frames[0]) if is_other else clip.frames[0]
    last = _another(dice, footage, first)
    part = np.linspace(0, 1, count)
    if form == "quick":
        part = np.clip((part - 0.5) * 3 + 0.5, 0, 1)
    elif form == "slow":
        part = (1 - np.cos(np.pi * part)) / 2
    push, step = (dice.uniform(0.02, 0.1), dice.uniform(-0.03, 0.03, 2)) if form == "both move" else (0.0, (0.0, 0.0))
    frames = []
    for at, share in enumerate(part):
        gone = at / (count - 1)
        one = _pushed(first, push * gone, step, gone)
        other = _pushed(last, push * (1 - gone), step, 1 - gone)
        frames.append(cv2.addWeighted(one, 1 - share, other, share, 0))
    return Specimen(clip.kind, with_vae_loss(dice, np.stack(frames)), first, last, form)


def _pushed(picture: Pixels, push: float, step: Sequence[float] | Floats, gone: float) -> Pixels:
    height, width = picture.shape[:2]
    scale = 1 + push
    matrix = np.array(
        (
            (scale, 0, (1 - scale) * width / 2 + step[0] * gone * width),
            (0, scale, (1 - scale) * height / 2 + step[1] * gone * height),
        )
    )
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _sharpness(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """A heavy blur, a coarse picture or blocks, over the middle or the whole clip."""
    form = str(dice.choice(("blur", "blur", "box", "coarse", "blocks")))
    while True:
        clip = _meant(dice, footage, size)
        if _has_detail(clip.frames[0]) and _has_detail(clip.frames[-1]):
            break
    frames = clip.frames.copy()
    count, height, width, _ = frames.shape
    radius = dice.uniform(0.009, 0.025) * max(width, height)
    edge, block = int(dice.choice((0, 0, count // 6, count // 3))), int(dice.choice((8, 16)))
    for frame in frames[edge : count - edge]:
        if form == "blur":
            frame[:] = cv2.GaussianBlur(frame, (0, 0), radius)
        elif form == "box":
            frame[:] = cv2.blur(frame, (int(radius * 3) | 1,) * 2)
        elif form == "coarse":
            small = cv2.resize(frame, None, fx=1 / radius / 2.5, fy=1 / radius / 2.5, interpolation=cv2.INTER_AREA)
            frame[:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    lossy = with_vae_loss(dice, frames)
    if form == "blocks":
        for frame in lossy[edge : count - edge]:
            _pixelate(frame, block)
    return Specimen(clip.kind, lossy, clip.first, clip.last, form)


def _pixelate(frame: Pixels, block: int) -> None:
    """Even blocks, as a broken decoder leaves them; a rest at the border stays."""
    height, width = (side // block for side in frame.shape[:2])
    part = frame[: height * block, : width * block]
    small = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(small, (width * block, height * block), interpolation=cv2.INTER_NEAREST)


def _has_detail(picture: Pixels) -> bool:
    """Whether there is something that a blur can take."""
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.009 * max(picture.shape))
    return bool(np.abs(picture.astype(int) - blurred).mean() > 3)


def _drift(dice: Dice, footage: Footage, size: tuple[int, int] | None) -> Specimen:
    """Colours wander off: tinted, saturated, without colour, another hue."""
    form = str(dice.choice(("tinted", "tinted", "saturated", "grey", "hue")))
    while True:
        clip = _meant(dice, footage, size)
        samples = clip.frames[:: max(1, len(clip.frames) // 4)].astype(np.float32)
        colourful = float((samples.max(-1) - samples.min(-1)).mean())
        if (form == "tinted" and samples.mean() > 50) or colourful > 45:
            break
    count = len(clip.frames)
    even = np.linspace(0, 1, count)
    way = {0: np.sin(np.pi * even), 1: even, 2: np.clip(even * 3, 0, 1)}[int(dice.integers(3))]
    gains = np.array(dice.permutation((dice.uniform(0.3, 0.6), dice.uniform(-0.1, 0.1), -dice.uniform(0.3, 0.6))))
    more, angle = dice.uniform(1.2, 2.0), dice.choice((-1, 1)) * dice.uniform(35, 90)
    frames = np.stack(
        [_wandered(frame, form, float(part), gains, more, angle) for frame, part in zip(clip.frames, way, strict=True)]
    )
    return Specimen(clip.kind, with_vae_loss(dice, frames), clip.first, clip.last, form)


def _wandered(frame: Pixels, form: str, part: float, gains: Floats, more: float, angle: float) -> Pixels:
    samples = frame.astype(np.float32) / 255
    changed: Floats
    grey = samples.mean(axis=-1, keepdims=True)
    if form == "tinted":
        changed = samples * (1 + gains * part)
    elif form == "hue":
        hsv = cv2.cvtColor(samples, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + angle * part) % 360
        changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    else:
        changed = grey + (samples - grey) * (1 + (more if form == "saturated" else -1) * part)
    return np.clip(changed * 255, 0, 255).astype(np.uint8)


FAULTS: dict[str, Callable[[Dice, Footage, tuple[int, int] | None], Specimen]] = {
    "first": _first,
    "last": _last,
    "jump": _jump,
    "cut": _cut,
    "freeze": _freeze,
    "black": _black,
    "flat": _flat,
    "noise": _noise,
    "ghost": _ghost,
    "sharpness": _sharpness,
    "drift": _drift,
}
