"""One frame of a video file as a picture file. A film uses it as any other picture.

The picture is a BMP: equal pixels are equal bytes with every version of every library, so its digest depends on the
frame alone.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from wan_render.errors import InputError, Problem
from wan_render.facts import FactCache
from wan_render.footage.footage_facts import FootageFacts
from wan_render.footage.footage_part import nearest_footage_frame

STILL_KIND = "footage still/1"
"""The kind under which the digests of frames are cached. Raise its number when the same frame becomes other pixels."""

FRAMES = "frames"
"""The folder in the cache's folder."""


def still_frame(file: Path, facts: FootageFacts, at: int | Fraction, cache: FactCache) -> Path:
    """The file of a frame, as it is shown. at: its number from 0, or a moment in seconds.

    Raises InputError for a frame that the file does not have, or if the picture cannot be written.
    """
    if facts.rate is not None and isinstance(at, Fraction):
        at = min(nearest_footage_frame(at, facts.rate), facts.frames - 1) if at < facts.seconds else facts.frames
    beyond = at >= facts.frames if isinstance(at, int) else at >= facts.seconds
    if beyond:
        found = f"has {facts.frames} frames, {float(facts.seconds):.2f} s"
        raise InputError(Problem(str(file), found, "a frame of it", "write an earlier one, or `last`"))
    name = f"{facts.digest}:{at}"
    known = cache.get(STILL_KIND, name)
    kept = cache.folder / FRAMES / f"{known}.bmp"
    if known is not None and kept.is_file():
        return kept
    data = _bitmap(file, at)
    digest = sha256(data).hexdigest()
    target = cache.folder / FRAMES / f"{digest}.bmp"
    _write(target, data, file)
    cache.put(STILL_KIND, name, digest)
    return target


def _bitmap(file: Path, at: int | Fraction) -> bytes:
    from PIL import Image

    from wan_render.footage.footage_frames import frame_at

    picture, data = frame_at(file, at), BytesIO()
    Image.fromarray(picture).save(data, "BMP")
    return data.getvalue()


def _write(target: Path, data: bytes, file: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as part:
            try:
                part.write(data)
                part.close()
                Path(part.name).replace(target)
            finally:
                Path(part.name).unlink(missing_ok=True)
    except OSError as error:
        found = f"a frame of it cannot be kept in {target.parent}: {error.strerror or error}"
        raise InputError(
            Problem(str(file), found, "", "set WAN_RENDER_CACHE to a folder that can be written")
        ) from error
