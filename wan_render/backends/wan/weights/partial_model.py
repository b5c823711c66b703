"""A model's folder while it is incomplete. Every file in it is complete, checked, and in the precision that renders.

The manifest lists these files. `.download` has the first bytes of files in progress. A later run resumes from there,
and keeps what the hub still lists.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Literal

from wan_render import __version__
from wan_render.backends.wan.checkpoint.bfloat16_file import bytes_after, convert, kept_in, rounded_weights
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.needed_files import files_of_weights, small_files
from wan_render.backends.wan.weights.download import download
from wan_render.backends.wan.weights.hubs import SOURCES
from wan_render.backends.wan.weights.manifest import MANIFEST, Manifest, PulledFile, manifest_of
from wan_render.backends.wan.weights.meter import WORKERS, Meter
from wan_render.backends.wan.weights.weights_source import RemoteFile, WeightsSource
from wan_render.errors import DiskError, InputError, Problem, UsageError, WeightsError
from wan_render.model_weights import PullRequest, PullSize
from wan_render.printable import shown
from wan_render.safetensors_header import MOST_HEADER_BYTES, NotSafetensors, SafetensorsHeader, header_from
from wan_render.store.disk import file_digest, flush, free_disk_bytes, gigabytes

DOWNLOADS = ".download"


def download_model(request: PullRequest, part: Path, folder: Path, meter: Meter) -> Manifest:
    """Complete `part`, which an earlier run may have begun, and rename it to `folder`. Raises the errors of `pull`."""
    name = request.source or next(iter(SOURCES))
    if name not in SOURCES:
        raise UsageError(Problem("--source", f"unknown source {shown(name)}", f"allowed: {', '.join(SOURCES)}"))
    source = SOURCES[name]()
    repository, _, declared = request.card.identity.partition("@")
    revision = request.revision or (source.branch if declared == "main" else declared)
    meter.say(f"looking at {repository}@{revision} on {source.title}")
    with source.errors(f"{repository}@{revision}", UsageError):
        commit, listed = source.listing(repository, revision)
    if not listed:
        remedy = "check --revision, or try another --source"
        raise UsageError(Problem(f"{repository}@{revision}", f"is not on {source.title}", remedy=remedy))
    now, files = datetime.now(UTC).replace(microsecond=0), _finished(part, listed)
    manifest = Manifest(request.card.name, repository, name, source.address, revision, commit, now, __version__, files)
    growing = PartialModel(part, source, meter, manifest)
    by_path = {file.path: file for file in listed}
    small = small_files({path: file.size for path, file in by_path.items()})
    growing.download([by_path[path] for path in small])
    heavy = files_of_weights(by_path.keys(), part)
    growing.download_weights([by_path[path] for path in heavy])
    return growing.publish(folder, {*small, *heavy})


def _finished(part: Path, listed: Iterable[RemoteFile]) -> dict[str, PulledFile]:
    """The files that an earlier run finished, if the hub still lists them."""
    former, checksums = manifest_of(part), {file.path: file.checksum for file in listed}
    files = former.files if former is not None else {}
    return {
        path: file for path, file in files.items() if checksums.get(path) == file.checksum and file.is_at(part / path)
    }


class PartialModel:
    """The folder, and the manifest of its finished files."""

    def __init__(self, folder: Path, source: WeightsSource, meter: Meter, manifest: Manifest) -> None:
        self._folder, self._source, self._meter, self._manifest = folder, source, meter, manifest
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def download(self, files: Iterable[RemoteFile]) -> None:
        """Download, check and convert the files that are not finished, several at a time."""
        self._meter.map(self._download, [file for file in files if file.path not in self._manifest.files])

    def download_weights(self, files: Sequence[RemoteFile]) -> None:
        """Announce the download, check the disk space, and `download`. Raises DiskError.

        Files that are being converted need space for both forms.
        """
        finished = self._manifest.files
        missing = [file for file in files if file.path not in finished]
        after = self._meter.map(self._bytes_after, missing)
        begun = sum(min(raw.stat().st_size, file.size) for file in missing if (raw := self._raw(file)).exists())
        both = sorted((file.size for file, size in after.items() if size < file.size), reverse=True)[:WORKERS]
        needed, free = sum(after.values()) + sum(both) - begun, free_disk_bytes(self._folder)
        if free < needed:
            raise DiskError(Problem(str(self._folder.parent), f"{gigabytes(free)} free, {gigabytes(needed)} needed"))
        download_bytes = sum(file.size for file in missing) - begun
        disk_bytes = sum(after.values()) + sum(finished[file.path].bytes for file in files if file not in after)
        self._meter.begin(PullSize(len(missing), len(files), download_bytes, disk_bytes))
        self.download(missing)

    def publish(self, folder: Path, paths: Iterable[str]) -> Manifest:
        """Delete all other files, and rename: a folder with the model's name is complete. Raises WeightsError."""
        wanted = {MANIFEST, *paths}
        for file in [path for path in self._folder.rglob("*") if path.is_file()]:
            if file.relative_to(self._folder).as_posix() not in wanted:
                file.unlink()
        shutil.rmtree(self._folder / DOWNLOADS, ignore_errors=True)
        try:
            read_checkpoint(self._folder)
        except InputError as fault:
            raise WeightsError(*fault.problems) from None
        kept = {path: file for path, file in self._manifest.files.items() if path in wanted}
        manifest = replace(self._manifest, files=kept)
        manifest.write(self._folder)
        flush(self._folder)
        self._folder.replace(folder)
        flush(folder.parent)
        return manifest

    def _download(self, file: RemoteFile) -> None:
        raw, target = self._raw(file), self._folder / file.path
        download(file, raw, self._source, self._meter)
        whole = self._converted(raw, file)
        form: Literal["", "bfloat16"] = "" if whole == raw else "bfloat16"
        kind, _, known = file.checksum.partition(":")
        sha256 = known if kind == "sha256" and not form else file_digest(whole)
        done = PulledFile(whole.stat().st_size, sha256, file.size, file.checksum, form)
        self._meter.check()
        flush(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(target)
        raw.unlink(missing_ok=True)
        with self._lock:
            self._manifest = replace(self._manifest, files={**self._manifest.files, file.path: done})
            self._manifest.write(self._folder)

    def _converted(self, raw: Path, file: RemoteFile) -> Path:
        """The file itself, or a converted one next to it."""
        if (kept := kept_in(file.path)) is None:
            return raw
        with raw.open("rb") as stream:
            header = _header(file, stream.read)
        if not (names := rounded_weights(header, kept)):
            return raw
        self._meter.say(f"converting {file.path} to bfloat16")
        half = raw.with_name(f"{raw.name}.bfloat16")
        convert(raw, half, header, names, self._meter.check)
        return half

    def _bytes_after(self, file: RemoteFile) -> int:
        """Its size on disk, from the header, which is read from the hub."""
        if (kept := kept_in(file.path)) is None:
            return file.size
        with self._source.errors(file.path):
            begun, _ = self._source.beginning(file.url, _has_header)
        header = _header(file, BytesIO(begun).read)
        return bytes_after(header, rounded_weights(header, kept))

    def _raw(self, file: RemoteFile) -> Path:
        """Named by its content, so that a file of another revision is never resumed."""
        return self._folder / DOWNLOADS / f"{file.path}.{file.checksum.replace(':', '-')}"


def _has_header(begun: bytearray) -> bool:
    return len(begun) >= 8 + min(int.from_bytes(begun[:8], "little"), MOST_HEADER_BYTES)


def _header(file: RemoteFile, read: Callable[[int], bytes]) -> SafetensorsHeader:
    try:
        return header_from(read, file.size)
    except NotSafetensors as fault:
        raise WeightsError(Problem(file.path, fault.found, fault.allowed)) from None
