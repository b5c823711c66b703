"""Which processes the kernel kills first when memory runs out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_oom_score: int | None = None
"""The oom_score_adj that every ffmpeg gets; None: that of this process."""


def protect_from_our_oom_score(own: int) -> None:
    """From now on every ffmpeg gets the oom_score_adj `own`, not that of this process, which is about to be raised.
    Killing an ffmpeg frees almost no memory and loses its file."""
    global _oom_score
    _oom_score = own


def protect(pid: int) -> None:
    """Give a new ffmpeg its oom_score_adj."""
    if _oom_score is not None:
        with suppress(OSError):  # Linux only, and not below the minimum that an administrator set
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(_oom_score), encoding="ascii")
