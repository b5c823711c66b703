"""Is a file what the hub says it is?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 4 << 20


def sha256_of(file: Path, check: Callable[[], None]) -> str:
    """64 hex digits over the file's bytes; `check` is called between chunks and may raise."""
    return _hex(hashlib.sha256(), file, check)


def agrees(file: Path, checksum: str, check: Callable[[], None]) -> bool:
    """Whether the file has the checksum: `sha256:…`, or `git:…` of a blob (SHA-1 over its length and bytes)."""
    kind, _, expected = checksum.partition(":")
    if kind == "sha256":
        return sha256_of(file, check) == expected
    blob = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    return _hex(blob, file, check) == expected


def _hex(digest: hashlib._Hash, file: Path, check: Callable[[], None]) -> str:
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            check()
            digest.update(chunk)
    return digest.hexdigest()
