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
from wan_render.production.measure_take import is_to_be_measured, measured, measured_beside
from wan_render.production.pictures import Pictures
from wan_render.production.render_order import RenderOrder
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.quality.measurements import Measurements
from wan_render.render_values import Device, Frames, Listen, Phase, Pixels, Progress, TakeInputs
from wan_render.settings import machine_settings
from wan_render.store import CLIP, FIRST, LAST, PREVIEW, TOGETHER, Clip, Fill, Filled, Provenance, Store
from wan_render.store.take_locks import at_most
from wan_render.take import Take, short

LOG = logger("wan_render.production")

WAITING_SECONDS, WAITING_TIMES = 3600.0, 6.0
"""How long a take waits for another run that renders it: an hour, or three attempts of twice the expected time."""


def render_take(order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, listen: Listen) -> Clip:
    """The clip of the take in the store: found there, or rendered now.

    While another run renders the take, `listen` gets WAITING every second; then the take is found. Raises PictureError,
    RenderError, DeviceError, WeightsError, FfmpegError or DiskError; then the take does not appear in the store.
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
        held.enter_context(store.lock(order.take.key, _waiting(order, device, watch)))
        clip = store.verify(order.take.key)
        if clip is not None:
            _settle(order, store)
            return clip
        if (unreadable := store.unreadable(order.take.key)) is not None:
            raise DiskError(unreadable)
        fill = _filling(order, warm, device, store, watch)
        watch(Progress(Phase.WRITING))
        return Unwritten(order, store, fill, store.hand_over(order.take.key), held.pop_all())


def _waiting(order: RenderOrder, device: Device, watch: Stopwatch) -> Callable[[], None]:
    """Called every second while another run renders the take."""
    expected = 0.0 if order.take.through else order.backend.expected_seconds(order.take, device.kind)
    seconds = max(WAITING_SECONDS, WAITING_TIMES * expected)
    return at_most(seconds, lambda: watch(Progress(Phase.WAITING)), f"take {short(order.take.key)}")


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
        """Write the take and publish it. Raises FfmpegError or DiskError."""
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
        store.remember(order.film, order.shot, order.number, order.take)


def _filling(order: RenderOrder, warm: WarmRenderer, device: Device, store: Store, watch: Stopwatch) -> Fill:
    """Render the take. The returned function writes its files."""
    for remark in order.remarks:
        LOG.warning("%s take %d: %s", order.shot, order.number, remark)
    pictures = Pictures(store, order.pictures)
    plates = replace(_plates(order.take, pictures), loras=order.loras)
    if order.take.through:
        return _joining(order, device, store, plates, watch)
    frames, versions = _frames(order, warm, device, store, plates, watch)

    def fill(folder: Path) -> Filled:
        watch.waited()
        write_clip(folder / CLIP, frames)
        measurements = measured(frames.pixels, plates, _name(order)) if is_to_be_measured(order) else None
        remarks = _write_beside(folder, plates)
        return Filled(_provenance(order, pictures, device, watch.seconds(), versions, remarks), measurements)

    return fill


def _plates(take: Take, pictures: Pictures) -> TakeInputs:
    first, last = (pictures.pixels(plate) if plate is not None else None for plate in (take.first, take.last))
    return TakeInputs(first, last)


def _joining(order: RenderOrder, device: Device, store: Store, plates: TakeInputs, watch: Stopwatch) -> Fill:
    """Join a take that passes through keyframes from its segments, without a model."""

    def fill(folder: Path) -> Filled:
        watch.waited()
        measurements = _write_joined(folder, order, store, plates)
        remarks = _write_beside(folder, plates)
        pictures = Pictures(store, order.pictures)
        return Filled(_provenance(order, pictures, device, watch.seconds(), {}, remarks), measurements)

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
        return frames, renderer.facts()


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
