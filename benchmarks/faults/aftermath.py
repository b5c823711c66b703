"""What must hold when a campaign is over."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import psutil

from wan_render.store import Store

TEMPORARY = (".part", ".film-", ".probe", "ballast")


def differing_films(outputs: Path, reference: Path) -> Iterator[str]:
    """Films whose latest version differs from that of the run without faults."""
    expected = Store(reference).films
    for slug in expected.slugs():
        ours, theirs = Store(outputs).films.latest(slug), expected.latest(slug)
        if ours is None or theirs is None:
            yield f"{slug}: no film"
        elif ours.slates:
            yield f"{slug} {ours.name} has slates: {dict(ours.slates)}"
        elif frames(ours.video) != frames(theirs.video):
            yield f"{slug} {ours.name} differs from the film of the run without faults"


def frames(video: Path) -> list[str]:
    """A digest of each decoded frame."""
    with av.open(str(video)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def unverified(outputs: Path) -> Iterator[str]:
    """Published files whose bytes are not as their record says. A take that no film shows any more is read when a film
    wants it again: the damage is found then."""
    store = Store(outputs)
    films = filter(None, map(store.films.latest, store.films.slugs()))
    wanted = {key for film in films for key in json.loads((film.folder / "film.json").read_bytes())["takes"]}
    for key in {path.parent.name for path in outputs.glob("takes/[!.]*/take.json")} - wanted:
        store.verify(key)
    records = [*outputs.glob("takes/[!.]*/take.json"), *outputs.glob("films/*/v*/film.json")]
    for record in records:
        try:
            files = json.loads(record.read_bytes())["files"]
            for name, fact in files.items():
                if hashlib.sha256((record.parent / name).read_bytes()).hexdigest() != fact["sha256"]:
                    yield f"{record.parent.name}/{name} is not as published"
        except (OSError, ValueError, KeyError) as error:
            yield f"{record}: {error}"


def leftovers(folder: Path, outputs: Path) -> Iterator[str]:
    """Processes, locks and temporary files that are left."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder / "tmp"):
                yield f"process {process.pid} is left: {' '.join(process.cmdline())[:200]}"
    for path in (folder / "tmp").iterdir():
        yield f"{path} is left"
    for path in outputs.rglob("*"):
        if path.name.startswith(TEMPORARY) or path.name.endswith(".part") or path.parent.name == ".locks":
            yield f"{path} is left"
    for path in (folder / "locks").rglob("*.lock"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield f"{path} is locked"
