"""Files → bytes, within bounds: no file can make this hang or fill the memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from wan_render.errors import PictureError, Problem

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""Still formats that Pillow decodes by itself, without starting another program (EPS would start Ghostscript)."""

ALLOWED = "allowed: a still picture as PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF"

LARGEST_FILE_BYTES = 256 * 1024 * 1024

_LOOKS_LIKE = (
    (b"<svg", "an SVG drawing", "export it as PNG"),
    (b"%PDF", "a PDF document", "export the page as PNG"),
    (b"%!PS", "a PostScript file", "export it as PNG"),
    (b"ftyphei", "a HEIC photo", "save it as JPEG or PNG"),
    (b"ftypmif1", "a HEIF photo", "save it as JPEG or PNG"),
    (b"ftypavi", "an AVIF picture of an unsupported kind, or damaged", "save it as PNG"),
    (b"ftypjp", "a JPEG 2000 picture", "save it as PNG"),
    (b"JXL \r\n", "a JPEG XL picture", "save it as PNG"),
    (b"8BPS", "a Photoshop document", "save a flat copy as PNG"),
    (b"gimp xcf", "a GIMP document", "export it as PNG"),
    (b"ftyp", "a video", "save one of its frames as PNG"),
    (b"\x1aE\xdf\xa3", "a video", "save one of its frames as PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the picture itself", "run `git lfs pull`"),
    (b"<html", "a web page", "download the picture itself"),
    (b"<!DOCTYPE html", "a web page", "download the picture itself"),
)

_DEEP = "save it as a 16-bit PNG or TIFF"
_BEGINS_WITH = (
    (b"v/1\x01", "an OpenEXR picture", _DEEP),
    (b"#?RADIANCE", "a Radiance HDR picture", _DEEP),
    (b"SDPX", "a DPX picture", _DEEP),
    (b"XPDS", "a DPX picture", _DEEP),
    (b"\xff\x0a", "a JPEG XL picture", "save it as PNG"),
    (b"II*\0", "a TIFF of an unsupported kind (floating-point samples, for example)", _DEEP),
    (b"MM\0*", "a TIFF of an unsupported kind (floating-point samples, for example)", _DEEP),
    (b"\xff\xd8\xff", "a JPEG that is damaged or of an unsupported kind", "save it as PNG"),
    (b"\x89PNG", "a PNG that is damaged at its beginning", "save, copy or download it again"),
)


def picture_error(file: Path, found: str, allowed: str = ALLOWED, remedy: str = "") -> PictureError:
    """The error for a picture's file. found: what is wrong with it."""
    return PictureError(Problem(str(file), found, allowed, remedy))


def check_file(file: Path) -> None:
    """Raise PictureError unless this is a regular, non-empty file of a sensible size. Opens nothing."""
    found = regular_file(file, picture_error, "picture")
    if found.st_size > LARGEST_FILE_BYTES:
        raise picture_error(
            file, f"is {found.st_size:,} bytes", f"at most {LARGEST_FILE_BYTES:,}", "save a smaller copy"
        )


def regular_file(file: Path, wrong: Callable[..., Exception], what: str) -> os.stat_result:
    """What the system says of a file. Raises `wrong(file, found, remedy=…)` unless it is regular and not empty. what:
    `picture` or `video`, for the remedy. Opens nothing."""
    try:
        found = file.stat()
    except FileNotFoundError as error:
        raise wrong(file, "no such file", remedy="check the name, its case, and the folder") from error
    except (OSError, ValueError) as error:  # a null byte in the name raises ValueError
        raise wrong(file, f"cannot be read ({reason(error)})") from error
    if stat.S_ISDIR(found.st_mode):
        raise wrong(file, "is a folder", remedy=f"name a {what} in it")
    if not stat.S_ISREG(found.st_mode):
        raise wrong(file, "is a pipe, socket or device, not a file")
    if found.st_size == 0:
        raise wrong(file, "is empty (0 bytes)", remedy=f"save or copy the {what} again")
    return found


def read_bytes(file: Path) -> bytes:
    """The bytes of a picture's file. Raises PictureError like `check_file`, or if reading fails."""
    check_file(file)
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123 - no blocking on a pipe
            size = os.fstat(stream.fileno()).st_size  # `read` reserves as much memory as it is asked for
            return stream.read(min(size, LARGEST_FILE_BYTES) + 1)
    except OSError as error:
        raise picture_error(file, f"cannot be read ({reason(error)})", remedy="check its permissions") from error


_CUT_OFF = ("truncated", "unexpected end", "ended prematurely", "not enough data", "eof")
_UNREAD = ("unsupported", "not supported", "cannot handle", "not available", "unknown", "not implemented", "no codec")
"""Words in decoders' errors for files that are too short, and for unsupported kinds. Only their text says which."""


def undecodable(file: Path, error: Exception) -> PictureError:
    """The error for a picture that its decoder refused. It claims no more than the decoder's text."""
    said = reason(error)
    words = said.lower()
    if isinstance(error, EOFError) or any(word in words for word in _CUT_OFF):
        return picture_error(file, f"is cut off ({said})", remedy="save, copy or download it again")
    if isinstance(error, KeyError | NotImplementedError) or any(word in words for word in _UNREAD):
        return picture_error(file, f"is of an unsupported kind ({said})", remedy="save it as PNG")
    remedy = "if another program opens it, save it as PNG there; else save, copy or download it again"
    return picture_error(file, f"cannot be decoded ({said})", remedy=remedy)


def unidentified(file: Path, data: bytes) -> PictureError:
    """The error for bytes that are in none of the formats, by what they look like."""
    head = data[:512]
    for start, what, remedy in _BEGINS_WITH:
        if head.startswith(start):
            return picture_error(file, f"is {what}", remedy=remedy)
    for mark, what, remedy in _LOOKS_LIKE:
        if mark in head:
            return picture_error(file, f"is {what}", remedy=remedy)
    return picture_error(file, "is not a picture, or one of an unsupported kind", remedy="save it as PNG")


def reason(error: BaseException) -> str:
    """The text of a foreign error on one short line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:160]
    return line or type(error).__name__
