"""The service's key in the system's keyring, through the package `keyring`. It is looked up once a process, and in
limited time: a locked keyring may ask somebody for a password, and at night nobody is there."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from queue import Empty, SimpleQueue

from wan_render.printable import one_line

KEYRING_NAME = ("wan-render", "dashscope")
COMMAND = f"keyring set {' '.join(KEYRING_NAME)}"

ANSWER_SECONDS = 30.0
LONGEST_REASON = 160


@dataclass(frozen=True)
class KeyringAnswer:
    """key: "" if there is none. fault: why the keyring could not be read; "" if it could, or if there is none."""

    key: str = field(default="", repr=False)
    fault: str = ""


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("keyring") is not None


@cache
def keyring_answer() -> KeyringAnswer:
    """What the keyring answers. It is asked in a thread of its own, which is left alone if it hangs."""
    if not is_installed():
        return KeyringAnswer()
    answers: SimpleQueue[KeyringAnswer] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_asked()), daemon=True, name="keyring").start()
    try:
        return answers.get(timeout=ANSWER_SECONDS)
    except Empty:
        return KeyringAnswer(fault=f"did not answer within {ANSWER_SECONDS:g} s: it may be waiting for its password")


def _asked() -> KeyringAnswer:
    try:
        import keyring  # optional: not everybody has it
        from keyring.errors import KeyringLocked, NoKeyringError
    except Exception as error:  # noqa: BLE001 - the package looks for backends of others
        return KeyringAnswer(fault=f"cannot be used: {_words(error)}")
    try:
        return KeyringAnswer(keyring.get_password(*KEYRING_NAME) or "")
    except NoKeyringError:
        return KeyringAnswer()
    except KeyringLocked as error:
        return KeyringAnswer(fault=f"is locked: {_words(error)}")
    except Exception as error:  # noqa: BLE001 - whatever a backend does
        return KeyringAnswer(fault=f"cannot be read: {_words(error)}")


def _words(error: Exception) -> str:
    said = one_line(" ".join(str(error).split()))[:LONGEST_REASON]
    return f"{type(error).__name__} ({said})" if said else type(error).__name__
