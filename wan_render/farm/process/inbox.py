"""Messages from a device process that wait for the thread that renders."""

from __future__ import annotations

import threading
from collections import deque

from wan_render.farm.process.channel import ProgressMessage

Message = object


class Inbox:
    """A queue in which newer progress replaces unread progress of the same phase.

    So a listener that is slower than the device neither delays it nor fills the memory.
    """

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._arrived = threading.Condition()

    def put(self, message: Message) -> None:
        """Append a message. Never blocks."""
        with self._arrived:
            if self._messages and _supersedes(message, self._messages[-1]):
                self._messages.pop()
            self._messages.append(message)
            self._arrived.notify()

    def get(self, timeout: float) -> Message | None:
        """The oldest message, or None if none came within `timeout` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._messages), timeout)
            return self._messages.popleft() if self._messages else None


def _supersedes(newer: Message, older: Message) -> bool:
    return (
        isinstance(newer, ProgressMessage)
        and isinstance(older, ProgressMessage)
        and newer.progress.phase is older.progress.phase
    )
