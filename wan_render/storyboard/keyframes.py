"""Keyframes as written: lists a folder, and checks that each keyframe has a picture or a prompt."""

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
"""Suffixes of pictures that are not supported, and the names of their formats."""

_VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})


@dataclass(frozen=True)
class KeyframeFolder:
    """A listed folder.

    keyframes: every picture in it, in canonical form, by its name without suffix.
    others:    the other files, by name without suffix. If a keyframe is missing, one of them may be meant.
    """

    keyframes: dict[str, Any] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


def listed(folder: str, grounds: Grounds, mistakes: Mistakes) -> KeyframeFolder:
    """Every picture in the folder of `keyframes: folder/`, by its name without suffix."""
    try:
        found = listed_in(grounds, folder)
    except Misspelt as error:
        mistakes.add(_PATH, error.found, error.allowed, error.remedy)
        return KeyframeFolder()
    if not found.pictures:
        instead = next((unread(path) for path in found.others.values() if _is_picture(path)), None)
        why, remedy = instead or ("", "")
        allowed = f"pictures: {', '.join(sorted(PICTURES))}"
        mistakes.add(_PATH, f"{shown(folder)} contains no pictures{f': {why}' if why else ''}", allowed, remedy)
        return KeyframeFolder()
    keyframes: dict[str, Any] = {}
    for name, paths in found.pictures.items():
        if len(paths) > 1:
            mistakes.add((*_PATH, name), f"two pictures are named {shown(name)}: {', '.join(paths)}", "", "rename one")
        elif name == PREVIOUS:
            mistakes.add((*_PATH, name), f"{shown(name)} is a reserved word", "", f"rename {paths[0]}")
        keyframes[name] = {"image": paths[0]}
    return KeyframeFolder(keyframes, found.others)


def unread(path: str) -> tuple[str, str]:
    """Why a file of the folder is not a keyframe, and what to do about it."""
    suffix = PurePosixPath(path).suffix
    if not suffix:
        return f"{path} exists, but has no suffix", "add the suffix of its format, such as .png or .jpg"
    if suffix.lower() in _FORMATS:
        return f"{path} exists, but {_FORMATS[suffix.lower()]} is not supported", "save it as JPEG or PNG"
    if suffix.lower() in _VIDEOS:
        return f"{path} exists, but is a video", "save one of its frames as PNG"
    remedy = "save the picture as JPEG or PNG, or rename it if it is one"
    return f"{path} exists, but {shown(suffix)} files are not read as pictures", remedy


def _is_picture(path: str) -> bool:
    suffix = PurePosixPath(path).suffix.lower()
    return not suffix or suffix in _FORMATS


def check_keyframes(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Check that each keyframe has one of image, prompt and clip."""
    for name, keyframe in data["keyframes"].items():
        path = (*_PATH, name)
        has = [key for key in ("image", "prompt", "clip") if key in keyframe or mistakes.has((*path, key))]
        if len(has) > 1:
            mistakes.add(path, f"both {has[0]} and {has[1]}", "a picture, or a prompt to paint it from", "delete one")
        elif not has:
            mistakes.add(path, "neither image nor prompt", "a picture, or a prompt to paint it from", "add one")
        if "frame" in keyframe and has != ["clip"]:
            mistakes.add((*path, "frame"), "'frame' without 'clip'", "a frame of a video file", "add clip: FILE")
