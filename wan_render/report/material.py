"""The files that the page shows. They are in `review/` next to it, so that a film's folder can be zipped and sent.

Their names are numbers and keys: no text of a storyboard becomes a file name or a link.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from wan_render.media.clip import read_frames
from wan_render.printable import printable
from wan_render.report.quality_marks import is_visible, striking_ends
from wan_render.report.review import Review, ReviewShot, ReviewTake
from wan_render.take import Size

FOLDER = "review"
LOG_BYTES = 100_000
"""How much of the end of a log is kept beside the film."""

THUMBNAIL = (512, 512)
"""Largest width and height of a thumbnail in pixels: twice its size on the page, for sharp screens."""


@dataclass(frozen=True)
class TakeMaterial:
    """Files of one take, relative to the film's folder.

    preview: None if it could not be made. poster: a frame from the middle of the take. ends: (`first` or `last`, its
    keyframe, its frame) of each end that does not look like its keyframe.
    """

    preview: str | None
    poster: str
    ends: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class ShotMaterial:
    """Files of one shot, relative to the film's folder.

    keyframes: a thumbnail of each keyframe, in order.
    stills:    the first, middle and last frame that the film shows of the chosen take or video file; empty if it shows
               neither.
    takes:     by take number, the rendered ones.
    crops:     by keyframe name, the whole picture with the kept part outlined, for keyframes that are cropped much.
    log:       the end of the log of the last attempt, for a shot that is missing; None if there is none.
    seam:      the two frames that meet at the joint to the next shot, if it is visible; else empty.
    """

    keyframes: tuple[str, ...]
    stills: tuple[str, ...]
    takes: Mapping[int, TakeMaterial]
    crops: Mapping[str, str] = field(default_factory=dict)
    log: str | None = None
    seam: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """The files of every shot, in the film's order. picture: the size of a thumbnail, for its aspect ratio."""

    shots: tuple[ShotMaterial, ...]
    picture: Size


def lay_out(review: Review, folder: Path) -> Material:
    """Link previews and make thumbnails for every shot of the film.

    Raises MachineError if a clip cannot be read, OSError if the folder cannot be written.
    """
    (folder / FOLDER).mkdir()
    layout = _ReviewFiles(folder, _keyframes(review, folder), _previews(review, folder), len(str(len(review.shots))))
    # Decoding, scaling and JPEG release the GIL, so threads use every core.
    with ThreadPoolExecutor() as pool:
        shots = tuple(pool.map(layout.shot, review.shots, range(1, len(review.shots) + 1)))
    return Material(shots, _picture_size(shots, folder) or review.delivery)


def _picture_size(shots: tuple[ShotMaterial, ...], folder: Path) -> Size | None:
    """The size of the first thumbnail: all pictures of a film are fitted to one raster."""
    for name in (name for shot in shots for name in (*shot.stills, *shot.keyframes)):
        with Image.open(folder / name) as image:
            return Size(*image.size)
    return None


def _keyframes(review: Review, folder: Path) -> Mapping[Path, str]:
    """Thumbnails of all keyframes by picture file. A picture that several shots use gets one thumbnail."""
    crops = (crop.picture for shot in review.shots for crop in shot.crops.values())
    pictures = dict.fromkeys((*(picture for shot in review.shots for _, picture in shot.keyframes), *crops))
    named = {picture: f"{FOLDER}/keyframe-{number}.jpg" for number, picture in enumerate(pictures, 1)}
    for picture, name in named.items():
        with Image.open(picture) as image:
            _save(image, folder / name)
    return named


def _previews(review: Review, folder: Path) -> Mapping[str, str]:
    """The preview of every take, by its key. Identical shots share one."""
    files = {take.key: take.preview for shot in review.shots for take in shot.takes if take.preview is not None}
    named = {key: f"{FOLDER}/{key[:16]}.mp4" for key in files}
    for key, name in named.items():
        _link(files[key], folder / name)
    return named


def _link(file: Path, target: Path) -> None:
    """Hard link a file, or copy it if it is on another file system."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


@dataclass(frozen=True)
class _ReviewFiles:
    """Makes the files of one report. digits: of a shot's number in file names."""

    folder: Path
    keyframes: Mapping[Path, str]
    previews: Mapping[str, str]
    digits: int

    def shot(self, shot: ReviewShot, number: int) -> ShotMaterial:
        stem = f"{FOLDER}/{number:0{self.digits}}"
        stills = self._stills(shot, stem)
        takes = {
            take.number: TakeMaterial(
                self.previews.get(take.key), self._poster(take, take.clip, stem, stills), tuple(self._ends(take, stem))
            )
            for take in shot.takes
            if take.clip is not None
        }
        crops = {name: self.keyframes[crop.picture] for name, crop in shot.crops.items()}
        keyframes = tuple(self.keyframes[picture] for _, picture in shot.keyframes)
        return ShotMaterial(keyframes, stills, takes, crops, self._log(shot, stem), self._seam(shot, stem))

    def _ends(self, take: ReviewTake, stem: str) -> Iterator[tuple[str, str, str]]:
        """The ends of a take that do not look like their keyframes, which are next to its clip."""
        for end in striking_ends(take):
            if take.clip is None or not (keyframe := take.clip.with_name(f"{end}.png")).exists():
                continue
            name = f"{stem}-take-{take.number}-{end}"
            with Image.open(keyframe) as image:
                _save(image, self.folder / f"{name}-keyframe.jpg")
            frame = 0 if end == "first" else take.frames - 1
            yield end, f"{name}-keyframe.jpg", self._frame(take.clip, frame, f"{name}.jpg")

    def _seam(self, shot: ReviewShot, stem: str) -> tuple[str, ...]:
        if shot.seam is None or not is_visible(shot):
            return ()
        met = {"before": shot.seam.before, "after": shot.seam.after}
        return tuple(self._frame(frame.clip, frame.number, f"{stem}-seam-{name}.jpg") for name, frame in met.items())

    def _log(self, shot: ReviewShot, stem: str) -> str | None:
        """The end of a log: where an attempt failed. None if it was removed in the meantime."""
        if shot.log is None:
            return None
        try:
            with shot.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
                end = file.read()
        except OSError:
            return None
        (self.folder / f"{stem}.log").write_text(printable(end.decode(errors="replace")), encoding="utf-8")
        return f"{stem}.log"

    def _stills(self, shot: ReviewShot, stem: str) -> tuple[str, ...]:
        clip = next((take.clip for take in shot.takes if take.chosen), shot.footage)
        if clip is None or shot.slate is not None:
            return ()
        wanted = {"first": shot.first, "middle": (shot.first + shot.last + 1) // 2, "last": shot.last}
        return tuple(self._frame(clip, frame, f"{stem}-{name}.jpg") for name, frame in wanted.items())

    def _poster(self, take: ReviewTake, clip: Path, stem: str, stills: tuple[str, ...]) -> str:
        """A frame from the middle: takes of one shot begin and end alike."""
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
