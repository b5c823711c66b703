"""Opens sound and video files of strangers: whatever their decoders raise becomes one error of the caller's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import InputError
from wan_render.printable import one_line

if TYPE_CHECKING:
    from av.container import InputContainer


@contextmanager
def opened_container(
    file: Path, demuxers: Sequence[str], unreadable: Callable[[str], InputError]
) -> Iterator[InputContainer]:
    """The open file, to be decoded inside the `with` block.

    demuxers: FFmpeg's names of the formats that are read. Playlists do not belong here: they open other files.
    unreadable: makes the error from a decoder's words. Errors of the caller's own pass through.
    """
    import av

    options = {"format_whitelist": ",".join(demuxers), "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{file.absolute()}", options=options, metadata_errors="replace") as container:
            yield container
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise unreadable(decoder_words(error)) from error


def decoder_words(error: BaseException) -> str:
    """What a decoder says is wrong, on one line of at most 160 characters."""
    text = getattr(error, "strerror", None) or str(error)
    return one_line(" ".join(str(text).split()))[:160] or type(error).__name__
