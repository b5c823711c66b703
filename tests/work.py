"""How much a piece of code does, counted instead of timed: the machine's load changes no count."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from functools import cache
from types import FrameType
from typing import Any

HANGS_AFTER_SECONDS = 60
"""Of this process's CPU time. Code that `ends` watches takes less than a second, or hours."""

_opened: list[str] | None = None


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, both Python's and C's."""
    profile = Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


def opened_files(work: Callable[[], object]) -> list[str]:
    """The path of every file that is opened, once for each time."""
    global _opened
    _add_hook()
    found: list[str] = []
    _opened = found
    try:
        work()
    finally:
        _opened = None
    return found


@cache
def _add_hook() -> None:
    sys.addaudithook(_note_open)  # a hook cannot be removed


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None and not isinstance(arguments[0], int):
        _opened.append(os.fsdecode(arguments[0]))


@contextmanager
def ends() -> Iterator[None]:
    """Fail instead of hanging, for work whose time must not grow faster than its input."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it runs on after {HANGS_AFTER_SECONDS} s of CPU time")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, HANGS_AFTER_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
