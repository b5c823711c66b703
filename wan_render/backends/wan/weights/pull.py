"""Pull a model's weights from a hub into a folder of their own, which appears only when it is complete.

Until then everything is in a part folder next to it (partial_model.py), where an interrupted pull resumes.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from wan_render.backends.wan.checkpoint.location import pulled_folder
from wan_render.backends.wan.weights.manifest import Manifest, manifest_of
from wan_render.backends.wan.weights.meter import Meter
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.model_weights import PulledWeights, PullRequest, PullWatch
from wan_render.settings import install_command
from wan_render.store.disk import file_digest
from wan_render.weights_pull import lone_pull


def pull(request: PullRequest, watch: PullWatch) -> PulledWeights:
    """Download a model's weights. If they are here already, check them and download damaged files again.

    Raises UsageError for an unknown source or revision, or a folder that this command didn't make; MachineError if the
    hub cannot be read; WeightsError if its files are wrong; DiskError; Stopped. Downloaded bytes are kept.
    """
    folder, meter = pulled_folder(request.card, request.root), Meter(watch)
    part = folder.with_name(f".{folder.name}.part")
    with lone_pull(folder, request.card.name), meter.stopping():
        here = _checked(request, folder, part, meter) if folder.exists() else None
        manifest = here or _downloaded(request, part, folder, meter)
    size = sum(file.bytes for file in manifest.files.values())
    return PulledWeights(folder, manifest.commit, manifest.source, size, is_new=here is None)


def _downloaded(request: PullRequest, part: Path, folder: Path, meter: Meter) -> Manifest:
    try:
        from wan_render.backends.wan.weights.partial_model import download_model
    except ImportError as fault:  # it is not in the base install
        missing = Problem("models pull", f"not installed: {fault.name}", remedy=install_command("wan"))
        raise MachineError(missing) from None
    return download_model(request, part, folder, meter)


def _checked(request: PullRequest, folder: Path, part: Path, meter: Meter) -> Manifest | None:
    """Check every file of the folder, and return its manifest. A damaged folder becomes a part folder again: None."""
    manifest = manifest_of(folder)
    if manifest is None:
        used, remedy = "it is used as it is", "move it away to pull the model"
        raise UsageError(Problem(str(folder), "is there, and was not made by this command", used, remedy))
    source, revision = request.source or manifest.source, request.revision or manifest.revision
    if (source, revision) != (manifest.source, manifest.revision):
        found = f"is revision {manifest.revision} from {manifest.source}"
        asked, remedy = f"asked for: revision {revision} from {source}", "move it away, or pull with --to elsewhere"
        raise UsageError(Problem(str(folder), found, asked, remedy))
    meter.say(f"checking {len(manifest.files)} files in {folder}")
    there = {path: file for path, file in manifest.files.items() if file.is_at(folder / path)}
    whole = {path: file for path, file in there.items() if file_digest(folder / path) == file.sha256}
    damaged = sorted(manifest.files.keys() - whole.keys())
    if not damaged:
        return manifest
    meter.say(f"damaged, to be downloaded again: {', '.join(damaged)}")
    if part.exists():
        shutil.rmtree(part)
    for path in damaged:
        (folder / path).unlink(missing_ok=True)
    replace(manifest, files=whole).write(folder)
    folder.replace(part)
    return None
