"""Forecasts of a run: device time from the times in this store, disk space from measured sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from wan_render.backend_contract import Backend
from wan_render.cut import film_frames
from wan_render.estimates import MeasuredTimes, TakeTime
from wan_render.plan import FilmPlan
from wan_render.store import Store
from wan_render.take import Size, Take

CLIP_BYTES_PER_PIXEL = 29e6 / (832 * 480 * 81)
"""FFV1, bgr0, every frame a key frame: 29 MB for 81 frames of 832x480, measured."""

H264_BYTES_PER_PIXEL = 0.06
"""x264 at CRF 18, 7 Mbit/s for 1280x720 at 16 frames per second: more than drawn and filmed material needed."""

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

JOINING_NOISE = 0.3
"""How much the time of joining a take from its segments scatters; see TakeTime.noise."""


def expected_times(
    takes: Sequence[Take], store: Store, backend: Backend, device_kind: str, device_labels: Collection[str] = ()
) -> Mapping[str, TakeTime]:
    """Key → expected time of each take, learnt from the finished takes in the store. If none is comparable, the
    backend's estimate plus the time to write the take.

    device_labels: the models of the devices that will render; empty for any devices of the kind.
    """
    if not takes:
        return {}
    measured = MeasuredTimes(store.take_times(), backend, device_kind, device_labels)
    return {take.key: _time(take, measured) for take in takes}


def _time(take: Take, measured: MeasuredTimes) -> TakeTime:
    if take.through:  # its segments are counted separately
        return TakeTime(_writing_seconds(take), is_guessed=False, noise=JOINING_NOISE)
    return measured.time(take, _writing_seconds(take))


def expected_film_seconds(plan: FilmPlan, takes: Sequence[Take], store: Store) -> float:
    """Seconds from the last take to the finished film and its page, on the CPU; 0 if no new version is needed."""
    return film_seconds(plan) if _is_new_film(plan, takes, store) else 0.0


def film_seconds(plan: FilmPlan) -> float:
    """About how many seconds one version of the film takes on the CPU, including its review page."""
    return FILM_SECONDS + _pixels(plan.delivery) * film_frames(plan) * FILM_SECONDS_PER_PIXEL


def expected_bytes(plan: FilmPlan, takes: Sequence[Take], store: Store) -> int:
    """Bytes for these takes, and for the film if a new version is made."""
    film = film_bytes(plan) if _is_new_film(plan, takes, store) else 0
    return sum(map(take_bytes, takes)) + film


def film_bytes(plan: FilmPlan) -> int:
    """About how many bytes one version of the film needs, including its review page."""
    return round(_pixels(plan.delivery) * film_frames(plan) * H264_BYTES_PER_PIXEL) + 2_000_000


def _is_new_film(plan: FilmPlan, takes: Sequence[Take], store: Store) -> bool:
    return bool(takes) or store.films.latest(plan.slug) is None


def _writing_seconds(take: Take) -> float:
    return _pixels(take.size) * take.frames * WRITING_SECONDS_PER_PIXEL


def take_bytes(take: Take) -> int:
    """About how many bytes a finished take needs."""
    plates = sum(plate is not None for plate in (take.first, take.last))
    per_frame = CLIP_BYTES_PER_PIXEL + H264_BYTES_PER_PIXEL
    return round(_pixels(take.size) * (take.frames * per_frame + plates * PLATE_BYTES_PER_PIXEL))


def _pixels(size: Size) -> int:
    return size.width * size.height
