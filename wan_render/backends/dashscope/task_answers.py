"""What the service answers about a task, read without trusting it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from wan_render.hosted_model import HostedModel
from wan_render.price import Price
from wan_render.printable import one_line

RUNNING = ("PENDING", "RUNNING", "SUSPENDED")
ENDED_FREE = ("FAILED", "CANCELED")
SUCCEEDED, NOT_KNOWN = "SUCCEEDED", "UNKNOWN"

MOST_ID_CHARACTERS = 128


@dataclass(frozen=True)
class TaskAnswer:
    """status: a word of the service's, in capitals. video_url: "" if there is none. said: its code and message.
    usage: what it bills, as it came."""

    status: str
    video_url: str
    said: str
    usage: Any


def task_answer(answer: Any) -> TaskAnswer | None:
    """An answer to a poll; None if it is none."""
    output = answer.get("output") if isinstance(answer, dict) else None
    status = output.get("task_status") if isinstance(output, dict) else None
    if not isinstance(output, dict) or not isinstance(status, str):
        return None
    url = output.get("video_url")
    said = ": ".join(_text(output.get(key)) for key in ("code", "message") if output.get(key))
    return TaskAnswer(status.upper(), url if isinstance(url, str) else "", said, answer.get("usage"))


def new_task(answer: Any) -> str | None:
    """The id in an answer to a submit; None if there is none that could be one."""
    output = answer.get("output") if isinstance(answer, dict) else None
    task = output.get("task_id") if isinstance(output, dict) else None
    return task if isinstance(task, str) and is_task_id(task) else None


def is_task_id(text: str) -> bool:
    """Whether a text can be a task's id, which becomes part of an address."""
    return 0 < len(text) <= MOST_ID_CHARACTERS and all(c.isascii() and (c.isalnum() or c in "-_.") for c in text)


def billed(usage: Any, model: HostedModel, ordered: str) -> Price | None:
    """What a usage comes to; None if it does not say. ordered: the resolution that was asked for."""
    if not isinstance(usage, dict):
        return None
    seconds = _number(usage.get("video_duration", usage.get("duration")))
    count = _number(usage.get("video_count", 1))
    lines = _number(str(usage.get("SR", "")).removesuffix("P"))
    by_lines = [each for each in model.resolutions if lines is not None and each.lines == lines]
    chosen = by_lines or [each for each in model.resolutions if each.name == ordered]
    second = chosen[0].second if chosen else None
    if seconds is None or count is None or second is None:
        return None
    return Price((second.amount * seconds * count).normalize() + 0, second.currency)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found < 10**6 else None


def _text(value: Any) -> str:
    return one_line(str(value))[:300]
