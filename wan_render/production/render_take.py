"""Render one take: what a device process does with an order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from wan_render.errors import DiskError, DiskFullError, FfmpegError
from wan_render.frame_checks import checked
from wan_render.media.clip import write_clip, write_pictures
from wan_render.media.preview import write_preview
from wan_render.printable import logger
from wan_render.production.join import joined_frames
from wan_render.production.measure_take import is_to_be_measured, judgeable, measured, measured_beside
from wan_render.production.pictures import Pictures
from wan_render.production.render_order import RenderOrder
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.purchase import PurchaseDesk
from wan_render.quality.measurements import Measurements
from wan_render.render_values import Device, Frames, Listen, Phase, Pixels, Progress, TakeInputs
from wan_render.settings import machine_settings
from wan_render.store import CLIP, FIRST, LAST, LATENTS, PREVIEW, TOGETHER, Clip, Fill, Filled, Provenance, Store
from wan_render.store.purchase_ledger import TakeDesk
from wan_render.take import Take, short

LOG = logger("wan_render.production")


def render_take(order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, listen: Listen) -> Clip:
    """The clip of the take in the store: found there, or rendered now.

    Raises HeldElsewhereError if another run renders the take; PictureError, RenderError, DeviceError, WeightsError,
    FfmpegError or DiskError if it cannot be rendered. Then it does not appear in the store.
    """
    begun = begin_take(order, warm, device, store, listen)
    return begun if isinstance(begun, Clip) else begun.write()


def begin_take(
    order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, listen: Listen
) -> Clip | Unwritten:
    """The part of `render_take` that needs the device. After its last event, WRITING, the device is free."""
    watch = Stopwatch(listen)
    with ExitStack() as held:
        held.enter_context(store.in_use())
        held.enter_context(store.takes.locks.claim(order.take.key))
        clip = store.verify(order.take.key)
        if clip is not None:
            _settle(order, store)
            return clip
        if (unreadable := store.takes.unreadable(order.take.key)) is not None:
            raise DiskError(unreadable)
        fill = _filling(order, warm, device, store, watch)
        watch(Progress(Phase.WRITING))
        return Unwritten(order, store, fill, store.takes.locks.hand_over(order.take.key), held.pop_all())


def assist_take(order: RenderOrder, warm: WarmRenderer, device: Device, listen: Listen) -> None:
    """Help a group to render the take, as any rank but the first, which writes it. Raises the errors of
    `begin_take`."""
    if order.group is None or not order.group.rank:
        raise ValueError(f"expected a rank from 1 on in a group, got {order.group}")
    with _closed_after_failure(order, warm, device):
        renderer = warm.renderer(order, device, listen)
        renderer.assist(order.take, TakeInputs(None, None, order.loras), listen, order.group)


class Unwritten:
    """A take that is rendered but not written. It holds the take's lock. Any thread may call `write`, once."""

    def __init__(
        self, order: RenderOrder, store: Store, fill: Fill, take_over: Callable[[], None], held: ExitStack
    ) -> None:
        self._order, self._store, self._fill = order, store, fill
        self._take_over, self._held = take_over, held

    def write(self) -> Clip:
        """Write the take and publish it. Raises FfmpegError or DiskError, and HeldElsewhereError as Takes.publish."""
        self._take_over()
        with self._held:
            clip = self._store.publish(self._order.take, self._fill)
            _settle(self._order, self._store)
            return clip


def _settle(order: RenderOrder, store: Store) -> None:
    """After the take is published: record it for its shot, and drop the stages that only it needed."""
    if not machine_settings().keep_latents:
        store.stages.drop(order.take.key)
    if order.film:
        store.memory.remember(order.film, {order.shot: {order.number: order.take}})


def _filling(order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, watch: Stopwatch) -> Fill:
    """Render the take. The returned function writes its files."""
    for remark in order.remarks:
        LOG.warning("%s take %d: %s", order.shot, order.number, remark)
    pictures = Pictures(store, order.pictures)
    plates = replace(
        _plates(order.take, pictures), loras=order.loras, desk=_desk(order, store), keeps_latents=order.keeps_latents
    )
    if order.take.through:
        return _joining(order, device, store, plates, watch)
    frames, versions = _frames(order, warm, device, store, plates, watch)

    def fill(folder: Path) -> Filled:
        watch.waited()
        write_clip(folder / CLIP, frames)
        if frames.latents is not None:
            (folder / LATENTS).write_bytes(frames.latents)
        measurements = measured(frames.pixels, plates, _name(order)) if is_to_be_measured(order) else None
        remarks = _write_beside(folder, plates)
        made = _provenance(order, pictures, device, watch.seconds(), versions, remarks)
        return Filled(made, judgeable(measurements, order.backend))

    return fill


def _desk(order: RenderOrder, store: Store) -> PurchaseDesk | None:
    """Where the take may be bought; None if nothing may be spent on it."""
    if order.allowance is None:
        return None
    return TakeDesk(store.purchases, order.take.key, order.film, _name(order), order.allowance)


def _plates(take: Take, pictures: Pictures) -> TakeInputs:
    if take.bridge is not None:
        before, after = map(pictures.part, (take.bridge.before, take.bridge.after))
        return TakeInputs(None, None, before=before, after=after)
    first, last = (pictures.pixels(plate) if plate is not None else None for plate in (take.first, take.last))
    latents = pictures.latents(take.first) if take.continues_latents else None
    return TakeInputs(first, last, latents=latents)


def _joining(order: RenderOrder, device: Device, store: Store, plates: TakeInputs, watch: Stopwatch) -> Fill:
    """Join a take that passes through keyframes from its segments, without a model."""

    def fill(folder: Path) -> Filled:
        watch.waited()
        measurements = _write_joined(folder, order, store, plates)
        remarks = _write_beside(folder, plates)
        pictures = Pictures(store, order.pictures)
        made = _provenance(order, pictures, device, watch.seconds(), {}, remarks)
        return Filled(made, judgeable(measurements, order.backend))

    return fill


def _write_joined(folder: Path, order: RenderOrder, store: Store, plates: TakeInputs) -> Measurements | None:
    """Write the clip of a joined take, and measure it on the way."""
    frames, take = joined_frames(order.take, store), order.take

    def write(frames: Iterator[Pixels]) -> None:
        write_pictures(folder / CLIP, frames, take.size, take.rate)

    if not is_to_be_measured(order):
        write(frames)
        return None
    return measured_beside(frames, write, plates, _name(order))[1]


def _frames(
    order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, plates: TakeInputs, watch: Stopwatch
) -> tuple[Frames, Mapping[str, str]]:
    """The checked frames, and the renderer's facts."""
    with _closed_after_failure(order, warm, device):
        renderer = warm.renderer(order, device, watch)
        pictures = {later.take.key: Pictures(store, later.pictures) for later in order.later}
        takes = [order.take, *(later.take for later in order.later)]
        renderer.prepare(
            takes, lambda take: _plates(take, pictures[take.key]) if take.key in pictures else plates, watch
        )
        frames = checked(order.take, renderer.render(order.take, plates, watch, order.group), plates)
        return _with_sides(frames, plates), renderer.facts()


def _with_sides(frames: Frames, plates: TakeInputs) -> Frames:
    """The frames of a bridge with the original ones at both ends, bit for bit; those of any other take as they are."""
    if plates.before is None or plates.after is None:
        return frames
    pixels = frames.pixels.copy()
    pixels[: len(plates.before)] = plates.before
    pixels[-len(plates.after) :] = plates.after
    return Frames(pixels, frames.rate)


@contextmanager
def _closed_after_failure(order: RenderOrder, warm: WarmRenderer, device: Device) -> Iterator[None]:
    """Close the renderer after a failure."""
    try:
        yield
    except BaseException:
        LOG.info("take %s failed on %s: closing the renderer", short(order.take.key), device.name)
        warm.close()
        raise


def _write_beside(folder: Path, plates: TakeInputs) -> tuple[str, ...]:
    """Write the preview and the first and last plate next to a clip. Returns remarks for take.json."""
    for name, picture in ((FIRST, plates.first), (LAST, plates.last)):
        if picture is not None:
            write_picture(folder / name, picture)
    try:
        write_preview(folder / CLIP, folder / PREVIEW)
    except DiskFullError:
        raise
    except (FfmpegError, DiskError) as error:  # the film does not need it, and the review page tries again
        remark = f"its preview could not be made: {error.problems[0].where} {error.problems[0].found}"
        LOG.warning("%s; the film is made without it", remark)
        return (remark,)
    return ()


def write_picture(file: Path, picture: Pixels) -> None:
    """Write a picture as PNG, with fast compression."""
    from PIL import Image

    Image.fromarray(picture).save(file, compress_level=1)


def _name(order: RenderOrder) -> str:
    return f"{order.shot} take {order.number}"


def _provenance(
    order: RenderOrder,
    pictures: Pictures,
    device: Device,
    seconds: Mapping[str, float],
    versions: Mapping[str, str],
    remarks: tuple[str, ...],
) -> Provenance:
    plates = {"first": order.take.first, "last": order.take.last}
    return Provenance(
        film=order.film,
        shot=order.shot,
        number=order.number,
        why=order.why,
        model=order.card.name,
        keyframes={end: pictures.name(plate) for end, plate in plates.items() if plate is not None},
        device=TOGETHER.join((device.name, *order.helpers)),
        device_label=device.label,
        seconds=seconds,
        versions=versions,
        remarks=(*order.remarks, *remarks),
        frames_checked=True,
    )


class Stopwatch:
    """Forwards progress and measures each phase. The time before the first phase counts as `preparing`."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._phase = "preparing"
        self._since = time.monotonic()
        self._seconds: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Forward progress. The time since the last call counts for the previous phase."""
        self._account()
        self._phase = progress.phase.value
        self._listen(progress)

    def waited(self) -> None:
        """The time since the last call was spent waiting: the take before was still being written."""
        phase, self._phase = self._phase, Phase.WAITING.value
        self._account()
        self._phase = phase

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase so far, rounded to milliseconds."""
        self._account()
        return {phase: round(seconds, 3) for phase, seconds in self._seconds.items()}

    def _account(self) -> None:
        now = time.monotonic()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._since = now
