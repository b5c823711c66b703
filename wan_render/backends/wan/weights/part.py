"""A model's folder while it grows: every file that is in it is whole, checked, and in the precision that renders."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from wan_render.backends.wan.weights.bfloat16 import KEPT, convert, read_header
from wan_render.backends.wan.weights.checksum import sha256_of
from wan_render.backends.wan.weights.download import download
from wan_render.backends.wan.weights.hub import RemoteFile
from wan_render.backends.wan.weights.manifest import MANIFEST, Manifest, PulledFile
from wan_render.backends.wan.weights.selection import component_of
from wan_render.backends.wan.weights.watch import Meter
from wan_render.backends.wan.weights.web import Site
from wan_render.backends.wan.weights.workers import WORKERS, results
from wan_render.errors import DiskError, Problem
from wan_render.model_family import PullSize
from wan_render.store.disk import flush, free_disk_bytes

DOWNLOADS = ".download"


class Part:
    """The part folder, and the manifest of what is finished in it."""

    def __init__(self, folder: Path, site: Site, meter: Meter, manifest: Manifest) -> None:
        self.manifest = manifest
        self._folder = folder
        self._site = site
        self._meter = meter
        self._lock = threading.Lock()

    def bring_weights(self, files: Iterable[RemoteFile]) -> None:
        """`bring`, after saying what is ahead and looking whether the disk holds it. Raises DiskError."""
        listed = tuple(files)
        missing = self._missing(listed)
        after = results(self._bytes_after, missing, self._meter)
        begun = sum(self._begun_bytes(file) for file in missing)
        there = sum(self.manifest.files[file.path].bytes for file in listed if file not in after)
        self._require_room(after, begun)
        download_bytes = sum(file.size for file in missing) - begun
        self._meter.begin(PullSize(len(missing), len(listed), download_bytes, there + sum(after.values())))
        self.bring(missing)

    def bring(self, files: Iterable[RemoteFile]) -> None:
        """Download, check and convert what is not finished yet, several files at a time."""
        results(self._bring, self._missing(files), self._meter)

    def keep_only(self, paths: Iterable[str]) -> None:
        """Remove what an earlier attempt brought and the hub lists no more."""
        wanted = {MANIFEST, *paths}
        for file in [path for path in self._folder.rglob("*") if path.is_file()]:
            if file.relative_to(self._folder).as_posix() not in wanted:
                file.unlink()
        for path in [path for path in self.manifest.files if path not in wanted]:
            self.manifest = self.manifest.without(path)

    def _missing(self, files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        return tuple(file for file in files if file.path not in self.manifest.files)

    def _bring(self, file: RemoteFile) -> None:
        raw = self._raw(file)
        download(file, raw, self._site, self._meter)
        target = self._folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        is_converted = self._place(raw, target, _kept_of(file))
        flush(target)
        kind, _, digest = file.checksum.partition(":")
        known = digest if kind == "sha256" and not is_converted else sha256_of(target, self._meter.check)
        done = PulledFile(target.stat().st_size, known, file.size, file.checksum, "bfloat16" if is_converted else "")
        with self._lock:
            self.manifest = self.manifest.with_file(file.path, done)
            self.manifest.write(self._folder)

    def _place(self, raw: Path, target: Path, kept: frozenset[str] | None) -> bool:
        """Into its place, converted if any of it is to be; returns whether."""
        if kept is not None:
            with raw.open("rb") as stream:
                shrinks = read_header(stream.read, str(target)).shrinks(kept)
            if shrinks:
                self._meter.say(f"converting {target.relative_to(self._folder)} to bfloat16")
                half = raw.with_name(f"{raw.name}.bfloat16")
                convert(raw, half, kept, self._meter.check)
                half.replace(target)
                raw.unlink()
                return True
        raw.replace(target)
        return False

    def _bytes_after(self, file: RemoteFile) -> int:
        """Its size on disk, by the header that the hub is asked for."""
        kept = _kept_of(file)
        if kept is None:
            return file.size
        with self._site.open(file.url) as response:
            return read_header(response.read, file.path).bytes_after(kept)

    def _require_room(self, after: dict[RemoteFile, int], begun: int) -> None:
        """While a file is converted both forms lie on the disk, a few files at a time."""
        both = sorted((file.size for file, size in after.items() if size < file.size), reverse=True)[:WORKERS]
        needed = sum(after.values()) + sum(both) - begun
        if (free := free_disk_bytes(self._folder)) < needed:
            found = f"{_gigabytes(free)} free, {_gigabytes(needed)} needed"
            raise DiskError(Problem(str(self._folder.parent), found))

    def _begun_bytes(self, file: RemoteFile) -> int:
        raw = self._raw(file)
        return min(raw.stat().st_size, file.size) if raw.exists() else 0

    def _raw(self, file: RemoteFile) -> Path:
        """Named by its content: the first bytes of another revision's file are never gone on with."""
        return self._folder / DOWNLOADS / f"{file.path}.{file.checksum.replace(':', '-')}"


def _kept_of(file: RemoteFile) -> frozenset[str] | None:
    return KEPT.get(component_of(file.path)) if file.path.endswith(".safetensors") else None


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
