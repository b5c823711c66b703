"""The files that the page shows, laid beside it in `review/`, so that a film's folder can be zipped and sent.

Their names are ordinals and keys: nothing that a storyboard says becomes a file's name or a link.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from wan_render.media.clip import read_frames
from wan_render.render import Pixels
from wan_render.report.review import Review, ReviewShot, ReviewTake

FOLDER = "review"
THUMBNAIL = (512, 512)
"""Box in pixels that every small picture fits: sharp at twice the size it has on the page."""


@dataclass(frozen=True)
class TakeMaterial:
    """Paths from the film's folder to a take's preview and to its poster, a picture from its middle."""

    preview: str
    poster: str


@dataclass(frozen=True)
class ShotMaterial:
    """Paths from the film's folder to the pictures of one shot.

    keyframes: a thumbnail of each keyframe of the shot, in their order.
    stills:    the first, middle and last picture that the film shows of its chosen take; empty where it shows none.
    takes:     by take number, those that were rendered.
    """

    keyframes: tuple[str, ...]
    stills: tuple[str, ...]
    takes: Mapping[int, TakeMaterial]


def lay_out(review: Review, folder: Path) -> tuple[ShotMaterial, ...]:
    """Link previews and make thumbnails for every shot of the film, in its order."""
    (folder / FOLDER).mkdir()
    thumbnails = _keyframe_thumbnails(review, folder)
    digits = len(str(len(review.shots)))
    return tuple(
        ShotMaterial(
            keyframes=tuple(thumbnails[picture] for _, picture in shot.keyframes),
            stills=(stills := _stills(shot, folder, stem := f"{FOLDER}/{number:0{digits}}")),
            takes={
                take.number: TakeMaterial(_preview(take, folder), _poster(take, folder, stem, stills))
                for take in shot.takes
                if take.preview is not None
            },
        )
        for number, shot in enumerate(review.shots, 1)
    )


def _keyframe_thumbnails(review: Review, folder: Path) -> dict[Path, str]:
    """Each picture once, however many shots share it."""
    pictures = dict.fromkeys(picture for shot in review.shots for _, picture in shot.keyframes)
    named = {picture: f"{FOLDER}/keyframe-{number}.jpg" for number, picture in enumerate(pictures, 1)}
    for picture, name in named.items():
        with Image.open(picture) as image:
            _save(ImageOps.exif_transpose(image), folder / name)
    return named


def _stills(shot: ReviewShot, folder: Path, stem: str) -> tuple[str, ...]:
    clip = next((take.clip for take in shot.takes if take.chosen), None)
    shown = shot.frames - shot.hold
    if clip is None or shot.slate is not None or shown < 1:
        return ()
    wanted = {"first": shot.first, "middle": shot.first + shown // 2, "last": shot.first + shown - 1}
    for name, frame in wanted.items():
        _save(Image.fromarray(_frame(clip, frame)), folder / f"{stem}-{name}.jpg")
    return tuple(f"{stem}-{name}.jpg" for name in wanted)


def _poster(take: ReviewTake, folder: Path, stem: str, stills: tuple[str, ...]) -> str:
    """Takes of a shot share their ends: the middle tells them apart."""
    if take.chosen and stills:
        return stills[1]
    name = f"{stem}-take-{take.number}.jpg"
    if take.clip is not None:
        _save(Image.fromarray(_frame(take.clip, take.frames // 2)), folder / name)
    return name


def _frame(clip: Path, frame: int) -> Pixels:
    (picture,) = read_frames(clip, frame, 1)
    return picture


def _preview(take: ReviewTake, folder: Path) -> str:
    """A hard link costs no room; another file system than the store's gets a copy."""
    name = f"{FOLDER}/{take.key[:16]}.mp4"
    target = folder / name
    if take.preview is not None and not target.exists():
        try:
            os.link(take.preview, target)
        except OSError:
            shutil.copyfile(take.preview, target)
    return name


def _save(image: Image.Image, target: Path) -> None:
    small = image.convert("RGB")
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    small.save(target, quality=85, optimize=True)
