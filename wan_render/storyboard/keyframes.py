"""Keyframes as written: a folder is listed, a picture or a prompt is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from wan_render.authored import PREVIOUS
from wan_render.authored.spelling import Misspelt
from wan_render.printable import shown
from wan_render.storyboard.mistakes import Mistakes
from wan_render.storyboard.paths import PICTURES, Grounds, listed_in

_PATH = ("keyframes",)

_FORMATS = {
    ".heic": "HEIC", ".heif": "HEIF", ".hif": "HEIF", ".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000",
    ".psd": "Photoshop's format", ".psb": "Photoshop's format", ".xcf": "GIMP's format", ".kra": "Krita's format",
    ".svg": "SVG", ".pdf": "PDF", ".eps": "PostScript", ".ai": "Illustrator's format", ".exr": "OpenEXR",
    ".hdr": "Radiance HDR", ".tga": "Targa", ".dng": "a camera's raw format", ".cr2": "a camera's raw format",
    ".cr3": "a camera's raw format", ".nef": "a camera's raw format", ".arw": "a camera's raw format",
    ".raf": "a camera's raw format", ".orf": "a camera's raw format", ".rw2": "a camera's raw format",
}  # fmt: skip
"""Endings of pictures that are not read here, and what they are."""

_VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})


@dataclass(frozen=True)
class KeyframeFolder:
    """A listed folder. keyframes: every picture in it, in canonical form, by its name without ending. others: the other
    files, by theirs: one of them may be meant where a keyframe is missing."""

    keyframes: dict[str, Any] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


def listed(folder: str, grounds: Grounds, mistakes: Mistakes) -> KeyframeFolder:
    """`keyframes: folder/` becomes every picture in it, by its name without ending."""
    try:
        found = listed_in(grounds, folder)
    except Misspelt as error:
        mistakes.add(_PATH, error.found, error.allowed, error.remedy)
        return KeyframeFolder()
    if not found.pictures:
        instead = next((unread(path) for path in found.others.values() if _is_picture(path)), None)
        why, remedy = instead or ("", "")
        allowed = f"pictures: {', '.join(sorted(PICTURES))}"
        mistakes.add(_PATH, f"{shown(folder)} has no picture in it{f': {why}' if why else ''}", allowed, remedy)
        return KeyframeFolder()
    keyframes: dict[str, Any] = {}
    for name, paths in found.pictures.items():
        if len(paths) > 1:
            mistakes.add((*_PATH, name), f"two pictures are called {shown(name)}: {', '.join(paths)}", "", "rename one")
        elif name == PREVIOUS:
            mistakes.add((*_PATH, name), f"{shown(name)} is a word of the format", "", f"rename {paths[0]}")
        keyframes[name] = {"image": paths[0]}
    return KeyframeFolder(keyframes, found.others)


def unread(path: str) -> tuple[str, str]:
    """Why a file of the folder is no keyframe, and what to do about it."""
    ending = PurePosixPath(path).suffix
    if not ending:
        return f"{path} is there, but has no ending", "add the ending of its format, such as .png or .jpg"
    if ending.lower() in _FORMATS:
        return f"{path} is there, but {_FORMATS[ending.lower()]} is not read", "save it as JPEG or PNG"
    if ending.lower() in _VIDEOS:
        return f"{path} is there, but is a video", "save one of its frames as PNG"
    remedy = "save the picture as JPEG or PNG, or rename it if it is one"
    return f"{path} is there, but files that end in {shown(ending)} are not read", remedy


def _is_picture(path: str) -> bool:
    ending = PurePosixPath(path).suffix.lower()
    return not ending or ending in _FORMATS


def check_keyframes(data: dict[str, Any], mistakes: Mistakes) -> None:
    """A keyframe has an image or a prompt, and not both."""
    for name, keyframe in data["keyframes"].items():
        path = (*_PATH, name)
        has = [key for key in ("image", "prompt") if key in keyframe or mistakes.has((*path, key))]
        if len(has) == 2:
            mistakes.add(path, "both image and prompt", "a picture, or a prompt to paint it from", "delete one")
        elif not has:
            mistakes.add(path, "neither image nor prompt", "a picture, or a prompt to paint it from", "add one")
