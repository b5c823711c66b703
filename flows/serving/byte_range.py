"""The header `Range` of a request for a file: one run of bytes, as browsers ask for when somebody scrubs a film."""

from __future__ import annotations

import re

UNIT = "bytes="

_ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
"""First and last byte, or the last so many. No file has a size of more digits."""


class RangeError(ValueError):
    """No part of the file, or more than one part, was asked for: 416."""


def asked_bytes(header: str | None, size: int) -> range | None:
    """The bytes that are asked for, of a file of `size` bytes; None for all of them.

    Raises RangeError for several ranges, which no player asks for, and for one without a byte of the file. A unit that
    is not bytes is ignored. (RFC 9110, section 14.2)
    """
    if header is None or not header.startswith(UNIT):
        return None
    match = _ONE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if first:
        found = range(int(first), min(int(last) + 1, size) if last else size)
    else:
        found = range(max(size - int(last or 0), 0), size)
    if not found:
        raise RangeError(f"{header[:60]} has no byte of a file of {size}")
    return found
