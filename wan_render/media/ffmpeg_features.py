"""What the ffmpeg in use can do."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from wan_render.errors import FfmpegKilledError, FfmpegMissingError, Problem
from wan_render.media.ffmpeg import killed_words, program, retry_if_killed, unstarted

NEEDED: Mapping[str, tuple[str, ...]] = {
    "filters": ("anullsrc", "ass", "crop", "format", "pad", "scale", "setparams", "setsar"),
    "encoders": ("aac", "libx264"),
    "muxers": ("mp4",),
    "demuxers": ("ffmetadata", "matroska,webm", "rawvideo", "wav"),
    "bsfs": ("h264_metadata",),
}
"""What wan-render needs of ffmpeg, by the lists that ffmpeg prints."""


def version() -> str:
    """The version that ffmpeg prints, "9.0.2-static". Raises FfmpegError if no ffmpeg runs."""
    first = _listing("-version").splitlines()[0]
    return first.removeprefix("ffmpeg version ").split(" ")[0]


def missing_features() -> tuple[str, ...]:
    """What this ffmpeg lacks to make films: ("filter ass", "encoder libx264")."""
    missing = []
    for kind, names in NEEDED.items():
        listed = features(kind)
        missing += [f"{kind[:-1]} {name}" for name in names if name not in listed]
    return tuple(missing)


def features(kind: str) -> frozenset[str]:
    """What this ffmpeg has of a kind: `encoders`, `filters`, `muxers`, … Raises FfmpegError if no ffmpeg runs."""
    # A line is flags and a name, or only a name (bit stream filters).
    return frozenset(word for line in _listing(f"-{kind}").splitlines() for word in line.split()[:2])


def require_ffmpeg() -> None:
    """Raise FfmpegMissingError if no ffmpeg runs, or if it cannot make films."""
    missing = missing_features()
    if missing:
        found = f"ffmpeg {version()} lacks {', '.join(missing)}"
        raise FfmpegMissingError(Problem(program(), found, "", "set or unset WAN_RENDER_FFMPEG"))


def _listing(option: str) -> str:
    exe = program()
    changed = Path(exe).stat().st_mtime_ns if Path(exe).exists() else 0
    return retry_if_killed(f"the list of ffmpeg {option}", lambda: _listed(exe, option, changed))


@lru_cache(maxsize=32)
def _listed(exe: str, option: str, _changed: int) -> str:
    """What ffmpeg prints. A process that makes several films asks once, or again if the file was changed."""
    try:
        done = subprocess.run(
            [exe, "-hide_banner", option], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FfmpegMissingError(Problem(exe, f"does not run: {error}")) from error
    except OSError as error:
        raise unstarted(exe, error) from error
    if done.returncode < 0:
        raise FfmpegKilledError(Problem(exe, killed_words(-done.returncode)))
    if done.returncode != 0 or not done.stdout:
        found = f"is not ffmpeg: {option} exited with code {done.returncode}"
        raise FfmpegMissingError(Problem(exe, found, "", done.stderr[-500:]))
    return done.stdout
