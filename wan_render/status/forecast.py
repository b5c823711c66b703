"""Forecasts of a run: device time from the times in this store, disk space from measured sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from wan_render.authored import DeliverableForm, RetimeMethod
from wan_render.backend_contract import Backend
from wan_render.cut import film_frames
from wan_render.devices import gpus
from wan_render.errors import MachineError
from wan_render.estimates import MeasuredTimes, TakeTime
from wan_render.footage.footage_part import FootagePart
from wan_render.model_card import ModelCard
from wan_render.plan import FilmPlan, PlannedDeliverable, PlannedShot, Rendered
from wan_render.plan.evened_shots import shots_at_eased_joints
from wan_render.store import Store
from wan_render.take import Size, Take
from wan_render.wheel_weights import REALESRGAN

CLIP_BYTES_PER_PIXEL = 29e6 / (832 * 480 * 81)
"""FFV1, bgr0, every frame a key frame: 29 MB for 81 frames of 832x480, measured."""

INTERMEDIATE_BYTES_PER_PIXEL = 1.11
"""MagicYUV, measured: 0.55 to 1.11 for drawn and filmed material, the most at 832x468."""

H264_BYTES_PER_PIXEL = 0.06
"""x264 at CRF 18, 7 Mbit/s for 1280x720 at 16 frames per second: more than drawn and filmed material needed."""

LATENTS_BYTES_PER_PIXEL = 16 * 4 / (8 * 8 * 4)
"""16 channels in float32 for 8x8 pixels of four frames."""

PLATE_BYTES_PER_PIXEL = 3
"""A PNG is at most slightly larger than its pixels."""

WRITING_SECONDS_PER_PIXEL = 3.4 / (832 * 480 * 81)
"""FFV1, the preview and the digests of a take of any backend: 81 filmed frames of 832x480 took 2.1 s on two idle cores
and 4.8 s on busy ones."""

FILM_SECONDS = 1.0
"""Starting ffmpeg, making the page, flushing: the time of the shortest film."""

FILM_SECONDS_PER_PIXEL = 15 / (1280 * 720 * 321)
"""Decoding, scaling and x264 per pixel of each frame, with its share of the page. 321 filmed frames of 1280x720 took
21 s of CPU time and 22 s on two busy cores; two idle cores need at least 11 s."""

DELIVERING_SECONDS_PER_PIXEL: Mapping[DeliverableForm, float] = {
    "hevc10": 0.13 / (1280 * 720),
    "av1": 0.06 / (1280 * 720),
    "prores422hq": 0.08 / (1280 * 720),
    "prores4444": 0.09 / (1280 * 720),
    "png": 0.2 / (1280 * 720),
    "poster": 0.2 / (1280 * 720),
    "preview": 0.02 / (640 * 360),
    "webp": 0.03 / (640 * 360),
    "gif": 0.05 / (480 * 270),
    "square": 0.06 / (720 * 720),
    "vertical": 0.05 / (404 * 720),
}
"""Composing and encoding per pixel of each frame of a deliverable: six tenths of the CPU seconds measured, since two
cores share them."""
MOTION_SECONDS_PER_PIXEL = 0.012 / (832 * 480)
"""Decoding a frame of a take and measuring its motion: 0.023 CPU seconds, which two cores share."""

RETIMING_SECONDS_PER_PIXEL: Mapping[RetimeMethod, tuple[float, float]] = {
    "duplicate": (0.005 / (832 * 480), 0.005 / (832 * 480)),
    "flow": (0.06 / (832 * 480), 0.06 / (832 * 480)),
    "rife": (0.02 / (832 * 480), 1.0 / (832 * 480)),
}
"""Decoding, interpolating and coding per pixel of each frame, on a GPU where the method uses one, and on two cores:
seven tenths of the CPU seconds measured, 0.007 and 0.08 for `duplicate` and `flow`."""

CONFORMING_SECONDS_PER_PIXEL = 0.05 / (832 * 480)
"""Decoding 1920x1080, fitting and coding, per pixel of each frame of the raster, on two cores. An estimate."""

MIXING_SECONDS = 0.025
"""Of mixing and levelling, per second of the film: ten minutes with 19 sounds took 14 s of CPU time."""

MIX_BYTES_PER_SECOND = 2 * 48_000 * 8
"""48 kHz, stereo, 32-bit float: the mix that is kept, and the one before its loudness is set."""

ENLARGING_SECONDS_PER_PIXEL = 0.035 / (832 * 480)
"""Decoding, Lanczos and coding at 1280x720, per pixel of each frame of the raster, on two cores: 0.054 CPU seconds."""

UPSCALING_SECONDS_PER_PIXEL: Mapping[str, tuple[float, float]] = {
    "video": (0.027 / (832 * 480), 2.5 / (832 * 480)),
    "anime": (0.05 / (832 * 480), 35 / (832 * 480)),
    "photo": (0.13 / (832 * 480), 120 / (832 * 480)),
}
"""Real-ESRGAN's weights → seconds per pixel of the raster to 720p, on an H100 and on two cores. A network of the user
counts as `photo`."""

JOINING_NOISE = 0.3
"""How much the time of joining a take from its segments scatters; see TakeTime.noise."""


def expected_times(
    takes: Sequence[Take],
    store: Store,
    backend: Backend,
    device_kind: str,
    device_labels: Collection[str] = (),
    models: Mapping[str, ModelCard] = MappingProxyType({}),
) -> Mapping[str, TakeTime]:
    """Key → expected time of each take, learnt from the finished takes in the store. If none is comparable, the
    backend's estimate plus the time to write the take.

    device_labels: the models of the devices that will render; empty for any devices of the kind. models: the cards of
    the takes' models, by identity. They say what is expected of takes that another backend renders.
    """
    if not takes:
        return {}
    lines = store.take_times()
    here = MeasuredTimes(lines, backend, device_kind, device_labels)
    elsewhere = {
        each: MeasuredTimes(lines, _Elsewhere(models), each.partition("/")[0])
        for each in {card.backend for card in models.values()} - {backend.id, ""}
    }
    return {take.key: _time(take, elsewhere.get(take.backend, here)) for take in takes}


@dataclass(frozen=True)
class _Elsewhere:
    """What models' cards say of takes that another backend than the film's renders, on devices of its own."""

    models: Mapping[str, ModelCard]

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002 - one kind
        return self.models[take.model].expected_seconds if take.model in self.models else 0.0

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002 - one kind
        return ""


def _time(take: Take, measured: MeasuredTimes) -> TakeTime:
    if take.through:  # its segments are counted separately
        return TakeTime(_writing_seconds(take), is_guessed=False, noise=JOINING_NOISE)
    return measured.time(take, _writing_seconds(take))


def expected_film_seconds(plan: FilmPlan, takes: Sequence[Take], store: Store) -> float:
    """Seconds from the last take to the finished film and its page, on the CPU; 0 if no new version is needed."""
    return film_seconds(plan) if _is_new_film(plan, takes, store) else 0.0


def film_seconds(plan: FilmPlan) -> float:
    """About how many seconds one version of the film takes, including its review page."""
    return sum(film_stage_seconds(plan).values())


def film_stage_seconds(plan: FilmPlan) -> Mapping[str, float]:
    """Kind of stage → about how many seconds it takes when a film is made, in the order of the stages."""
    encode = FILM_SECONDS + _pixels(plan.delivery) * film_frames(plan) * FILM_SECONDS_PER_PIXEL
    retime = (
        _pixels(_composed_size(plan))
        * _retimed_frames(plan)
        * RETIMING_SECONDS_PER_PIXEL[plan.retime][0 if _has_gpu() else 1]
    )
    conform = _pixels(_composed_size(plan)) * _footage_frames(plan) * CONFORMING_SECONDS_PER_PIXEL
    upscale = _pixels(plan.size) * _upscaled_frames(plan) * _upscaling_seconds_per_pixel(plan)
    sound = MIXING_SECONDS * _mixed_seconds(plan)
    motion = _pixels(plan.size) * _eased_frames(plan) * MOTION_SECONDS_PER_PIXEL
    pictures = {"upscale": upscale, "conform": conform, "retime": retime, "encode": encode}
    stages = {"motion": motion, "sound": sound, **pictures}
    deliver = deliverable_seconds(plan.deliverables.wanted)
    return stages | ({"deliver": deliver} if deliver else {})


def deliverable_seconds(wanted: Collection[PlannedDeliverable]) -> float:
    """About how many seconds these deliverables take."""
    return sum(_pixels(each.size) * each.frames * DELIVERING_SECONDS_PER_PIXEL[each.form] + 1 for each in wanted)


def _mixed_seconds(plan: FilmPlan) -> float:
    """The length of the film's mix; 0 for a silent film."""
    return 0.0 if plan.soundtrack is None else float(film_frames(plan) / plan.rate)


def _upscaled_frames(plan: FilmPlan) -> int:
    """Frames of the takes that the film shows, each take once."""
    if plan.upscale is None:
        return 0
    takes = {
        planned.take.key: planned.take.frames
        for shot in plan.shots
        if isinstance(shot.content, Rendered)
        for planned in shot.content.takes
        if planned.number == shot.content.chosen
    }
    return sum(takes.values())


def _upscaling_seconds_per_pixel(plan: FilmPlan) -> float:
    """Per pixel of the raster, on the device that would upscale here."""
    if plan.upscale is None:
        return 0.0
    if not plan.upscale.has_network:
        return ENLARGING_SECONDS_PER_PIXEL
    kind = 0 if _has_gpu() else 1
    known = {REALESRGAN.files[name].sha256: seconds[kind] for name, seconds in UPSCALING_SECONDS_PER_PIXEL.items()}
    return known.get(plan.upscale.weights, UPSCALING_SECONDS_PER_PIXEL["photo"][kind])


@cache
def _has_gpu() -> bool:
    try:
        return bool(gpus())
    except MachineError:
        return False


def _footage_frames(plan: FilmPlan) -> int:
    """Frames of the video files that the film shows."""
    return sum(
        {shot.content: shot.content.frames for shot in plan.shots if isinstance(shot.content, FootagePart)}.values()
    )


def _retimed_frames(plan: FilmPlan) -> int:
    """Frames of shots of another rate, and of those that may be eased. How many jumps are repaired is not known."""
    return sum(shot.frames for shot in plan.shots if shot.rate is not None) + sum(
        shot.frames for shot in _eased_shots(plan) if shot.rate is None
    )


def _eased_frames(plan: FilmPlan) -> int:
    return sum(shot.frames for shot in _eased_shots(plan))


def _eased_shots(plan: FilmPlan) -> Sequence[PlannedShot]:
    return shots_at_eased_joints(plan.shots) if plan.ease_joints else ()


def expected_bytes(plan: FilmPlan, takes: Sequence[Take], store: Store) -> int:
    """Bytes for these takes, and for the film if a new version is made."""
    film = film_bytes(plan) if _is_new_film(plan, takes, store) else 0
    handing = plan.handing_latents
    return sum(take_bytes(take, keeps_latents=take.key in handing) for take in takes) + film


def film_bytes(plan: FilmPlan) -> int:
    """About how many bytes one version of the film needs, including its review page."""
    lossless = _retimed_frames(plan) + _footage_frames(plan)
    retimed = _pixels(_composed_size(plan)) * lossless * INTERMEDIATE_BYTES_PER_PIXEL
    upscaled = _pixels(plan.delivery) * _upscaled_frames(plan) * INTERMEDIATE_BYTES_PER_PIXEL
    mixed = _mixed_seconds(plan) * MIX_BYTES_PER_SECOND
    kept = upscaled + retimed + mixed + sum(each.bytes for each in plan.deliverables.wanted)
    return round(_pixels(plan.delivery) * film_frames(plan) * H264_BYTES_PER_PIXEL + kept) + 2_000_000


def _composed_size(plan: FilmPlan) -> Size:
    """The size at which the film is retimed and composed."""
    return plan.size if plan.upscale is None else plan.delivery


def _is_new_film(plan: FilmPlan, takes: Sequence[Take], store: Store) -> bool:
    return bool(takes) or store.films.latest(plan.slug) is None


def _writing_seconds(take: Take) -> float:
    return _pixels(take.size) * take.frames * WRITING_SECONDS_PER_PIXEL


def take_bytes(take: Take, *, keeps_latents: bool = False) -> int:
    """About how many bytes a finished take needs. keeps_latents: with its latents beside it."""
    plates = sum(plate is not None for plate in (take.first, take.last))
    per_frame = CLIP_BYTES_PER_PIXEL + H264_BYTES_PER_PIXEL
    latents = LATENTS_BYTES_PER_PIXEL * (take.frames + 3) if keeps_latents else 0  # the first frame counts for four
    return round(_pixels(take.size) * (take.frames * per_frame + plates * PLATE_BYTES_PER_PIXEL + latents))


def _pixels(size: Size) -> int:
    return size.width * size.height
