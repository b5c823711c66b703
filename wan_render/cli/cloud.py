"""`cloud`: list what was bought from services for a film, and settle purchases of unknown fate."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.printable import shown
from wan_render.purchase import Purchase, PurchaseState, spent_words
from wan_render.session.columns import aligned
from wan_render.session.film_session import Session

_LOST = (PurchaseState.UNKNOWN, PurchaseState.LOST)


def run(arguments: argparse.Namespace) -> int:
    """List, or settle one."""
    session = session_of(arguments)
    say_first(session)
    if arguments.number is not None:
        _settle(session, arguments)
    elif arguments.task or arguments.not_billed or arguments.paid_again:
        raise UsageError(Problem("cloud", "missing number of a purchase", "for example: cloud FILE 3 --not-billed"))
    purchases = session.store.purchases.read(session.slug)
    if arguments.json:
        report = {"version": 1, "purchases": [_fields(each) for each in purchases]}
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(purchases)) or "nothing was bought for this film")
    return 0


def _settle(session: Session, arguments: argparse.Namespace) -> None:
    """Write what a person knows of a purchase. Raises UsageError."""
    purchases = session.store.purchases.read(session.slug)
    found = next((each for each in purchases if each.number == arguments.number), None)
    if found is None:
        numbers = ", ".join(str(each.number) for each in purchases) or "there are none"
        raise UsageError(Problem("cloud", f"no purchase {arguments.number}", f"of this film: {numbers}"))
    if not found.is_unsettled:
        remedy = "only unknown, lost and interrupted ones can be settled"
        raise UsageError(Problem("cloud", f"purchase {found.number} is {found.state.value}", remedy=remedy))
    if arguments.task is not None:
        if not _is_id(arguments.task):
            raise UsageError(Problem("--task", f"invalid id {shown(arguments.task)}", "letters, digits, '-', '_', '.'"))
        settled = replace(found, state=PurchaseState.SUBMITTED, task=arguments.task, note="its task was named by hand")
    elif arguments.not_billed:
        settled = replace(found, state=PurchaseState.FREE, note="not billed, as somebody said")
    elif arguments.paid_again:
        settled = replace(found, state=PurchaseState.WRITTEN_OFF)
    else:
        raise UsageError(Problem("cloud", "missing option", "--task ID, --not-billed or --paid-again"))
    session.store.purchases.write(settled)


def _lines(purchases: tuple[Purchase, ...]) -> Iterator[str]:
    yield from aligned([_row(each) for each in purchases])
    if words := spent_words(purchases):
        yield f"spent or set aside: {words}"
    if any(each.is_unsettled for each in purchases):
        yield ""
        yield "Look for these orders in the service's console, by their time. Then, for purchase N:"
        yield "  cloud FILE N --task ID      it has this task: the next run takes it up"
        yield "  cloud FILE N --not-billed   it has no such task: the next run orders it"
        yield "  cloud FILE N --paid-again   it is paid and lost: the next run orders it, and it is paid twice"


def _row(purchase: Purchase) -> tuple[str, ...]:
    money = str(purchase.counted)
    return (
        f"{purchase.number}",
        purchase.label,
        purchase.model,
        purchase.state.value,
        money,
        purchase.task,
        purchase.note,
    )


def _fields(purchase: Purchase) -> dict[str, Any]:
    counted = purchase.counted
    return {
        "number": purchase.number,
        "take": purchase.take,
        "label": purchase.label,
        "model": purchase.model,
        "price_list": purchase.listed,
        "state": purchase.state.value,
        "amount": str(counted.amount),
        "currency": counted.currency,
        "task": purchase.task,
        "note": purchase.note,
    }


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 128 and all(c.isascii() and (c.isalnum() or c in "-_.") for c in text)
