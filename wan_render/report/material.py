"""The files that the page shows, laid beside it in `review/`, so that a film's folder can be zipped and sent.

Their names are ordinals and keys: nothing that a storyboard says becomes a file's name or a link.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from wan_render.media.clip import read_frames
from wan_render.report.review import Review, ReviewShot, ReviewTake
from wan_render.take import Size

FOLDER = "review"
THUMBNAIL = (512, 512)
"""Box in pixels that every small picture fits: sharp at twice the size it has on the page."""


@dataclass(frozen=True)
class TakeMaterial:
    """Paths from the film's folder to a take's preview, None where it could not be made, and to its poster, a picture
    from its middle."""

    preview: str | None
    poster: str


@dataclass(frozen=True)
class ShotMaterial:
    """Paths from the film's folder to the pictures of one shot.

    keyframes: a thumbnail of each keyframe of the shot, in their order.
    stills:    the first, middle and last picture that the film shows of its chosen take; empty where it shows none.
    takes:     by take number, those that were rendered.
    crops:     by the name of a keyframe that loses much: all of it, with what is kept in a frame.
    """

    keyframes: tuple[str, ...]
    stills: tuple[str, ...]
    takes: Mapping[int, TakeMaterial]
    crops: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What is shown of every shot, in the film's order. `picture` is the size of its small pictures: their shape."""

    shots: tuple[ShotMaterial, ...]
    picture: Size


def lay_out(review: Review, folder: Path) -> Material:
    """Link previews and make thumbnails for every shot of the film.

    Raises MachineError where a clip cannot be read; OSErrors of the folder are the caller's.
    """
    (folder / FOLDER).mkdir()
    laying = _Laying(folder, _keyframes(review, folder), _previews(review, folder), len(str(len(review.shots))))
    # Decoding, scaling and JPEG leave Python: threads use every core.
    with ThreadPoolExecutor() as pool:
        shots = tuple(pool.map(laying.shot, review.shots, range(1, len(review.shots) + 1)))
    return Material(shots, _picture_size(shots, folder) or review.delivery)


def _picture_size(shots: tuple[ShotMaterial, ...], folder: Path) -> Size | None:
    """All are conformed to one raster: the first tells."""
    for name in (name for shot in shots for name in (*shot.stills, *shot.keyframes)):
        with Image.open(folder / name) as image:
            return Size(*image.size)
    return None


def _keyframes(review: Review, folder: Path) -> Mapping[Path, str]:
    """The thumbnail of every keyframe, each picture once, however many shots share it."""
    crops = (crop.picture for shot in review.shots for crop in shot.crops.values())
    pictures = dict.fromkeys((*(picture for shot in review.shots for _, picture in shot.keyframes), *crops))
    named = {picture: f"{FOLDER}/keyframe-{number}.jpg" for number, picture in enumerate(pictures, 1)}
    for picture, name in named.items():
        with Image.open(picture) as image:
            _save(image, folder / name)
    return named


def _previews(review: Review, folder: Path) -> Mapping[str, str]:
    """The preview of every take by its key: two equal shots share theirs."""
    files = {take.key: take.preview for shot in review.shots for take in shot.takes if take.preview is not None}
    named = {key: f"{FOLDER}/{key[:16]}.mp4" for key in files}
    for key, name in named.items():
        _link(files[key], folder / name)
    return named


def _link(file: Path, target: Path) -> None:
    """A hard link costs no room; another file system than the store's gets a copy."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


@dataclass(frozen=True)
class _Laying:
    """One report being laid out: where, and what its shots share. `digits` of a shot's number in file names."""

    folder: Path
    keyframes: Mapping[Path, str]
    previews: Mapping[str, str]
    digits: int

    def shot(self, shot: ReviewShot, number: int) -> ShotMaterial:
        stem = f"{FOLDER}/{number:0{self.digits}}"
        stills = self._stills(shot, stem)
        takes = {
            take.number: TakeMaterial(self.previews.get(take.key), self._poster(take, take.clip, stem, stills))
            for take in shot.takes
            if take.clip is not None
        }
        crops = {name: self.keyframes[crop.picture] for name, crop in shot.crops.items()}
        return ShotMaterial(tuple(self.keyframes[picture] for _, picture in shot.keyframes), stills, takes, crops)

    def _stills(self, shot: ReviewShot, stem: str) -> tuple[str, ...]:
        clip = next((take.clip for take in shot.takes if take.chosen), None)
        shown = shot.frames - shot.hold
        if clip is None or shot.slate is not None or shown < 1:
            return ()
        wanted = {"first": shot.first, "middle": shot.first + shown // 2, "last": shot.first + shown - 1}
        return tuple(self._frame(clip, frame, f"{stem}-{name}.jpg") for name, frame in wanted.items())

    def _poster(self, take: ReviewTake, clip: Path, stem: str, stills: tuple[str, ...]) -> str:
        """Takes of a shot share their ends: the middle tells them apart."""
        if take.chosen and stills:
            return stills[1]
        return self._frame(clip, take.frames // 2, f"{stem}-take-{take.number}.jpg")

    def _frame(self, clip: Path, frame: int, name: str) -> str:
        (picture,) = read_frames(clip, frame, 1)
        _save(Image.fromarray(picture), self.folder / name)
        return name


def _save(image: Image.Image, target: Path) -> None:
    small = image.convert("RGB")
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    small.save(target, quality=80, optimize=True)
