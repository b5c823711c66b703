"""A model's weights from a hub into a folder of their own, which appears whole.

Everything is written into a part folder beside the last one: finished files in their places, listed in the manifest,
and below `.download` the first bytes of those under way. An interrupted pull goes on there; a later listing of the hub
keeps what it still lists.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wan_render import __version__
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.weights.checksum import sha256_of
from wan_render.backends.wan.weights.hub import Hub, Listing
from wan_render.backends.wan.weights.manifest import Manifest, manifest_of
from wan_render.backends.wan.weights.part import DOWNLOADS, Part
from wan_render.backends.wan.weights.selection import small_files, weights
from wan_render.backends.wan.weights.sources import SOURCES, hub
from wan_render.backends.wan.weights.watch import Meter
from wan_render.errors import DiskError, InputError, MachineError, Problem, UsageError, WeightsError
from wan_render.model_card import ModelCard
from wan_render.model_family import PullWatch
from wan_render.store.disk import disk_error, flush
from wan_render.store.take_locks import if_free


@dataclass(frozen=True)
class Order:
    """What to pull, and the folder that it becomes.

    source: a name of SOURCES; None: whatever is there, or else the first. revision: a branch, tag or commit; None: the
    one that the model declares.
    """

    card: ModelCard
    folder: Path
    source: str | None = None
    revision: str | None = None

    @property
    def repository(self) -> str:
        """On the hub."""
        return self.card.identity.partition("@")[0]

    @property
    def part(self) -> Path:
        """Where the folder grows."""
        return self.folder.with_name(f".{self.folder.name}.part")

    def revision_on(self, hub: Hub) -> str:
        """The revision by the hub's own name of it: the main branch has one on each."""
        declared = self.card.identity.partition("@")[2]
        return self.revision or (hub.branch if declared == "main" else declared)


@dataclass(frozen=True)
class Pulled:
    """A whole model on disk. `is_new`: whether anything had to be downloaded."""

    folder: Path
    manifest: Manifest
    is_new: bool


def pull(order: Order, watch: PullWatch) -> Pulled:
    """Bring a model's weights; one that is here is checked, and what is damaged is downloaded again.

    Raises UsageError for a revision that there is not, or a folder that is another's; MachineError where the hub cannot
    be reached; WeightsError where its files are not what they should be; DiskError; Stopped. What was read is kept.
    """
    meter = Meter(watch)
    with _disk_errors(order.folder), _alone(order), meter.stopping():
        if order.folder.exists() and (manifest := _here(order, meter)) is not None:
            return Pulled(order.folder, manifest, is_new=False)
        return Pulled(order.folder, _bring(order, meter), is_new=True)


def _here(order: Order, meter: Meter) -> Manifest | None:
    """The manifest of the folder that is there, every file checked; None where it was damaged and is a part again."""
    manifest = manifest_of(order.folder)
    if manifest is None:
        raise UsageError(
            Problem(
                str(order.folder),
                "is there, and was not made by this command",
                "it is used as it is",
                "move it away to pull the model",
            )
        )
    _require_same(order, manifest)
    meter.say(f"checking {len(manifest.files)} files in {order.folder}")
    damaged = [path for path in manifest.files if not _is_as_pulled(order.folder, path, manifest, meter)]
    if not damaged:
        return manifest
    meter.say(f"damaged, to be downloaded again: {', '.join(damaged)}")
    _to_part(order, manifest, damaged)
    return None


def _require_same(order: Order, manifest: Manifest) -> None:
    asked = (order.source or manifest.source, order.revision or manifest.revision)
    if asked != (manifest.source, manifest.revision):
        found = f"is revision {manifest.revision} from {manifest.source}"
        allowed = f"asked for: revision {asked[1]} from {asked[0]}"
        raise UsageError(Problem(str(order.folder), found, allowed, "move it away, or pull with --to elsewhere"))


def _is_as_pulled(folder: Path, path: str, manifest: Manifest, meter: Meter) -> bool:
    file, known = folder / path, manifest.files[path]
    return file.is_file() and file.stat().st_size == known.bytes and sha256_of(file, meter.check) == known.sha256


def _to_part(order: Order, manifest: Manifest, damaged: list[str]) -> None:
    if order.part.exists():
        shutil.rmtree(order.part)
    for path in damaged:
        manifest = manifest.without(path)
        (order.folder / path).unlink(missing_ok=True)
    manifest.write(order.folder)
    order.folder.replace(order.part)


def _bring(order: Order, meter: Meter) -> Manifest:
    source = order.source or next(iter(SOURCES))
    at = hub(source)
    revision = order.revision_on(at)
    meter.say(f"looking at {order.repository}@{revision} on {at.title}")
    listing = at.listing(order.repository, revision)
    order.part.mkdir(parents=True, exist_ok=True)
    part = Part(order.part, at.site, meter, _begun(order, source, at, revision, listing))
    small = small_files(listing.files)
    part.bring(small)
    heavy = weights(listing.files, order.part)
    part.bring_weights(heavy)
    part.keep_only(file.path for file in (*small, *heavy))
    _publish(order, part.manifest)
    return part.manifest


def _begun(order: Order, source: str, at: Hub, revision: str, listing: Listing) -> Manifest:
    """The manifest to go on with: of an earlier attempt, the files that the hub still lists and that are there."""
    former = manifest_of(order.part)
    listed = {file.path: file.checksum for file in listing.files}
    files = {
        path: file
        for path, file in (former.files.items() if former is not None else ())
        if listed.get(path) == file.checksum and _has_size(order.part / path, file.bytes)
    }
    return Manifest(
        model=order.card.name,
        repository=order.repository,
        source=source,
        address=at.site.endpoint,
        revision=revision,
        commit=listing.commit,
        pulled=datetime.now(UTC).replace(microsecond=0),
        wan_render=__version__,
        files=files,
    )


def _has_size(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def _publish(order: Order, manifest: Manifest) -> None:
    """The last look, then the rename: whatever has the folder's name is a whole model."""
    try:
        read_checkpoint(order.part)
    except InputError as fault:
        raise WeightsError(*fault.problems) from None
    shutil.rmtree(order.part / DOWNLOADS, ignore_errors=True)
    manifest.write(order.part)
    flush(order.part)
    order.part.replace(order.folder)
    flush(order.folder.parent)


@contextmanager
def _alone(order: Order) -> Iterator[None]:
    with if_free(order.folder.with_name(f".{order.folder.name}.lock")) as is_ours:
        if not is_ours:
            raise MachineError(Problem(order.card.name, "is being pulled by another run", remedy="wait for it to end"))
        yield


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """What the operating system says of the disk, with the remedy that helps here."""
    remedy = "free some space, or keep the weights elsewhere: --to DIR, or WAN_RENDER_WEIGHTS"
    try:
        yield
    except DiskError as fault:
        raise DiskError(*_for_weights(fault.problems, remedy)) from None
    except OSError as fault:
        raise DiskError(*_for_weights(disk_error(folder, fault).problems, remedy)) from fault


def _for_weights(problems: Iterable[Problem], remedy: str) -> list[Problem]:
    return [Problem(problem.where, problem.found, remedy=remedy) for problem in problems]
