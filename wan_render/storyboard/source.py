"""Any file → its text, or an error that says why it cannot be a storyboard."""

from __future__ import annotations

import bisect
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wan_render.errors import Problem, StoryboardError
from wan_render.printable import path_name

LARGEST_BYTES = 2 * 1024 * 1024
SIBLINGS_READ = 20
"""YAML files in a folder that are searched for a storyboard: a folder may have thousands."""

_OF_A_STORYBOARD = re.compile(rb"^(film|shots|scenes|keyframes)[ \t]*:", re.MULTILINE)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class Source:
    """A storyboard's text, and its file as the user named it."""

    file: Path
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def mark(self, index: int) -> tuple[int, int]:
        """(line, column) of a character, both from 1, as an editor counts them. Past the end, that of the last one."""
        index = min(index, max(len(self.text) - 1, 0))
        line = bisect.bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def begin(self, number: int) -> int:
        """Where a line begins, in characters. number: from 1."""
        return self._starts[number - 1]

    def line(self, number: int) -> str:
        """A line without its line break; "" outside of the text. number: from 1."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")

    def error(self, index: int, found: str, allowed: str = "", remedy: str = "") -> StoryboardError:
        """An error at a character, after which the rest of the file cannot be read."""
        line, column = self.mark(index)
        return StoryboardError(Problem(f"{path_name(self.file)}:{line}:{column}", found, allowed, remedy))


def read_source(file: Path) -> Source:
    """The text of a file. Raises StoryboardError unless it is a UTF-8 text of at most 2 MiB."""
    return Source(file, _decoded(file, _bytes(file)))


def _refused(file: Path, found: str, allowed: str = "", remedy: str = "") -> StoryboardError:
    return StoryboardError(Problem(path_name(file), found, allowed, remedy))


def _bytes(file: Path) -> bytes:
    try:
        _check_status(file)
        with file.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _refused(file, "no such file", "", _siblings(file)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _refused(file, f"cannot be read: {reason}") from None
    if len(data) > LARGEST_BYTES:
        raise _too_large(file)
    return data


def _check_status(file: Path) -> None:
    status = file.stat()
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            raise _refused(file, f"is {name}", "a storyboard is a YAML file", _siblings(file / "storyboard.yaml"))
    if status.st_size > LARGEST_BYTES:
        raise _too_large(file)


def _too_large(file: Path) -> StoryboardError:
    return _refused(file, "is larger than 2 MiB", "a storyboard is a YAML file of at most 2 MiB")


def _siblings(file: Path) -> str:
    """Which storyboards are in the file's folder, as a hint; "" if there are none."""
    try:
        found = sorted(path for path in file.parent.iterdir() if path.suffix in (".yaml", ".yml"))
        names = [path.name for path in found[:SIBLINGS_READ] if _may_be_a_storyboard(path)][:3]
    except (OSError, ValueError):
        return ""
    return f"in {path_name(file.parent)} there is {', '.join(names)}" if names else ""


def _may_be_a_storyboard(file: Path) -> bool:
    """Whether the file has a storyboard's key at the top. Suggesting a prefect.yaml would not help."""
    if not file.is_file():
        return False
    with suppress(OSError), file.open("rb") as opened:
        return _OF_A_STORYBOARD.search(opened.read(LARGEST_BYTES)) is not None
    return False


def _decoded(file: Path, data: bytes) -> str:
    if data.startswith(_UTF16_MARKS) or b"\x00" in data[:4]:
        raise _refused(file, "is UTF-16 or not a text file", "a storyboard is UTF-8 text", "save it as UTF-8")
    data = data.removeprefix(_UTF8_MARK)
    try:
        source = Source(file, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = Source(file, data[: error.start].decode("utf-8") + "?")
        found = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise before.error(error.start, found, "a storyboard is UTF-8 text", "save it as UTF-8") from None
    if match := _FORBIDDEN.search(source.text):
        found = f"the control character U+{ord(match[0]):04X}"
        raise source.error(match.start(), found, "a storyboard is plain text", "delete it")
    return source.text
