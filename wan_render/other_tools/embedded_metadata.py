"""The metadata that other tools write into pictures, videos and JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_render.errors import Problem, UsageError
from wan_render.footage.container_tags import container_tags
from wan_render.printable import path_name

MOST_BYTES = 32 << 20
"""Of a JSON file, and of one text in a picture or a video."""

PICTURES, VIDEOS = (".png", ".jpg", ".jpeg", ".webp"), (".mp4", ".mov", ".mkv", ".webm")

_ALLOWED = "a picture, a video or a JSON file that ComfyUI or WanGP wrote"
_USER_COMMENT, _EXIF = 0x9286, 0x8769


@dataclass(frozen=True)
class EmbeddedMetadata:
    """graph: of ComfyUI, in its API format. editor: the same as its editor saves it. wangp: WanGP's settings."""

    graph: Mapping[str, Any] | None = None
    editor: Mapping[str, Any] | None = None
    wangp: Mapping[str, Any] | None = None


def embedded_metadata(file: Path) -> EmbeddedMetadata:
    """What another tool wrote into a file. Raises UsageError if that is nothing, or the file cannot be read."""
    suffix = file.suffix.lower()
    if not os.path.isfile(file):  # noqa: PTH113 - Path's raises for a name that is too long. A pipe would be waited for
        raise _wrong(file, "is not a file" if os.path.lexists(file) else "does not exist")
    if suffix in PICTURES:
        texts = _picture_texts(file)
    elif suffix in VIDEOS:
        texts = container_tags(file)
    elif suffix == ".json":
        texts = {"": _text(file)}
    else:
        raise _wrong(file, "is no such file")
    found = [_parsed(text) for text in texts.values()]
    graph = next((each for each in found if _is_graph(each)), None)
    editor = next((each for each in found if isinstance(each.get("nodes"), list)), None)
    wangp = next((each for each in found if _is_wangp(each)), None)
    if graph is None and editor is None and wangp is None:
        raise _wrong(file, "has no metadata of ComfyUI or WanGP", "choose a file that was not written again since")
    return EmbeddedMetadata(graph, editor, wangp)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise _wrong(file, f"is larger than {MOST_BYTES >> 20} MiB")
    return content.decode("utf-8-sig", errors="replace")


def _picture_texts(file: Path) -> dict[str, str]:
    from PIL import Image

    try:
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
            image.load() if image.format == "PNG" else None  # texts may be behind the pixels
            texts = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _wrong(file, f"cannot be read: {error}") from None
    if isinstance(comment, bytes):
        comment = _decoded(comment)
    return {**texts, "exif": comment} if isinstance(comment, str) else texts


def _decoded(comment: bytes) -> str:
    """An EXIF UserComment: eight bytes that name the encoding, then the text."""
    coding, text = comment[:8], comment[8:]
    if coding.startswith(b"UNICODE"):
        return text.decode("utf-16-be" if text[:1] == b"\0" else "utf-16-le", errors="replace")
    return (text if coding.startswith((b"ASCII", b"\0")) else comment).decode("utf-8", errors="replace")


def _parsed(text: str) -> Mapping[str, Any]:
    """A JSON object; empty for any other text."""
    try:
        found = json.loads(text) if len(text) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("prompt"), dict) and "nodes" not in found:
        found = found["prompt"]  # the body of a request
    return found if isinstance(found, dict) else {}


def _is_graph(found: Mapping[str, Any]) -> bool:
    return bool(found) and all(isinstance(node, dict) and "class_type" in node for node in found.values())


def _is_wangp(found: Mapping[str, Any]) -> bool:
    return isinstance(found.get("prompt"), str) and ("WanGP" in str(found.get("type")) or "model_type" in found)


def _wrong(file: Path, found: str, remedy: str = "") -> UsageError:
    return UsageError(Problem(path_name(file), found, _ALLOWED, remedy))
