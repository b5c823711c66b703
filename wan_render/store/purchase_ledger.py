"""cloud/ledger.json: every purchase of a store, under one lock that all of its machines share.

cloud/ledger.json       all purchases; rewritten whole, by a rename
cloud/videos/<sha256>   the videos as the service delivered them, by content
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from wan_render.errors import BudgetError, DiskError, Problem
from wan_render.price import Price
from wan_render.purchase import Allowance, Purchase, PurchaseState, spent
from wan_render.store.disk import disk_errors, file_digest, flush, write_whole
from wan_render.store.file_locks import at_most, locked

FOLDER, LEDGER, VIDEOS = "cloud", "ledger.json", "videos"

LOCK_SECONDS = 300.0
"""The lock is held for milliseconds. A network drive may keep a dead machine's lock for a minute and a half."""

MOST_UNKNOWN = 3
"""A film with this many purchases of unknown fate orders nothing more: something is wrong with the connection."""


class PurchaseLedger:
    """The purchases of one store. root: of the store."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    @property
    def file(self) -> Path:
        """The ledger."""
        return self.folder / LEDGER

    def read(self, film: str | None = None) -> tuple[Purchase, ...]:
        """All purchases, oldest first, or those of one film. Raises DiskError if the ledger cannot be read: whoever
        cannot read it must not spend."""
        try:
            data = json.loads(self.file.read_bytes())
            found = tuple(_purchase(each) for each in data["purchases"])
        except FileNotFoundError:
            return ()
        except OSError as error:
            with disk_errors(self.file, "read"):
                raise error from None
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            why = f"cannot be read: {type(error).__name__}"
            remedy = "restore it from a backup: it says what was paid for, and nothing is bought without it"
            raise DiskError(Problem(str(self.file), why, "the ledger of a store", remedy)) from None
        return found if film is None else tuple(each for each in found if each.film == film)

    def of_take(self, key: str) -> Purchase | None:
        """The newest purchase of a take that was neither free nor written off; None if there is none."""
        return next((each for each in reversed(self.read()) if each.take == key and _counts(each)), None)

    def reserve(self, wanted: Purchase, allowance: Allowance) -> Purchase:
        """Add a purchase, if its film may still spend that much. Its number is given here.

        Raises BudgetError; DiskError.
        """
        with self._locked():
            before = self.read()
            if (
                open_one := next((each for each in before if each.take == wanted.take and each.is_open), None)
            ) is not None:
                raise BudgetError(_bought_already(open_one))
            _check(wanted, [each for each in before if each.film == wanted.film], allowance)
            purchase = replace(wanted, number=len(before) + 1, ordered=time.time())
            self._write((*before, purchase))
        return purchase

    def write(self, purchase: Purchase) -> Purchase:
        """Replace the purchase of the same number. Raises DiskError."""
        with self._locked():
            others = self.read()
            self._write([purchase if each.number == purchase.number else each for each in others])
        return purchase

    def part(self) -> Path:
        """A file for a download, in the folder of the videos."""
        folder = self.folder / VIDEOS
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f".part-{os.getpid()}-{time.monotonic_ns()}"

    def keep(self, part: Path) -> str:
        """Move a download to its place by content; its SHA-256."""
        with disk_errors(part):
            digest = file_digest(part)
            flush(part)
            part.replace(self.video(digest))
            flush(part.parent)
        return digest

    def video(self, digest: str) -> Path:
        """The place of a video."""
        return self.folder / VIDEOS / digest

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        waiting: Callable[[], None] = at_most(LOCK_SECONDS, lambda: None, str(self.file))
        with locked(self.folder.absolute() / ".ledger.lock", waiting):
            yield

    def _write(self, purchases: Sequence[Purchase]) -> None:
        data = {"version": 1, "purchases": [_fields(each) for each in purchases]}
        with disk_errors(self.file):
            write_whole(self.file, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode())
            flush(self.folder)


@dataclass(frozen=True)
class TakeDesk:
    """The ledger for one take (purchase.PurchaseDesk). film: the slug. label: `1/020 take 1`."""

    ledger: PurchaseLedger
    take: str
    film: str
    label: str
    allowance: Allowance

    def found(self) -> Purchase | None:
        """See PurchaseDesk."""
        return self.ledger.of_take(self.take)

    def reserve(self, price: Price, model: str, listed: str, base: str) -> Purchase:
        """See PurchaseDesk."""
        wanted = Purchase(0, self.take, self.film, self.label, model, listed, price, base=base)
        return self.ledger.reserve(wanted, self.allowance)

    def write(self, purchase: Purchase) -> Purchase:
        """See PurchaseDesk."""
        return self.ledger.write(purchase)

    def part(self) -> Path:
        """See PurchaseDesk."""
        return self.ledger.part()

    def keep(self, part: Path) -> str:
        """See PurchaseDesk."""
        return self.ledger.keep(part)

    def video(self, digest: str) -> Path:
        """See PurchaseDesk."""
        return self.ledger.video(digest)


def _counts(purchase: Purchase) -> bool:
    return purchase.state not in (PurchaseState.FREE, PurchaseState.WRITTEN_OFF)


def _bought_already(purchase: Purchase) -> Problem:
    found = f"is {purchase.state} (purchase {purchase.number}): it is not ordered twice"
    return Problem(purchase.label, found, remedy="`wan-render cloud STORYBOARD` lists it, and what can be done")


def _check(wanted: Purchase, before: Sequence[Purchase], allowance: Allowance) -> None:
    """Raise BudgetError unless a film with these purchases may spend more."""
    unknown = [each for each in before if each.state is PurchaseState.UNKNOWN]
    if len(unknown) >= MOST_UNKNOWN:
        found = f"{len(unknown)} orders of this film may be paid, and nobody knows their tasks: nothing more is ordered"
        remedy = "`wan-render cloud STORYBOARD` lists them, and what can be done"
        raise BudgetError(Problem(wanted.label, found, f"fewer than {MOST_UNKNOWN}", remedy))
    limit = allowance.limit
    if limit is None:
        return
    sums = {each.currency: each.amount for each in spent(before)}
    if set(sums) | {wanted.reserved.currency} != {limit.currency}:
        others = ", ".join(sorted({*sums, wanted.reserved.currency} - {limit.currency}))
        found = f"costs {wanted.reserved}, and prices in {others} cannot be held against {allowance.set_by}: {limit}"
        raise BudgetError(Problem(wanted.label, found, remedy=f"write it in {wanted.reserved.currency}"))
    already = sums.get(limit.currency, Decimal(0))
    if already + wanted.reserved.amount > limit.amount:
        found = f"may cost {wanted.reserved}, and {Price(already, limit.currency)} of {limit} are spent or set aside"
        remedy = f"raise {allowance.set_by}, or name another model"
        raise BudgetError(Problem(wanted.label, found, f"{allowance.set_by}: {limit}", remedy))


def _fields(purchase: Purchase) -> dict[str, Any]:
    return {
        "number": purchase.number,
        "take": purchase.take,
        "film": purchase.film,
        "label": purchase.label,
        "model": purchase.model,
        "listed": purchase.listed,
        "reserved": _money(purchase.reserved),
        "state": purchase.state.value,
        "cost": None if purchase.cost is None else _money(purchase.cost),
        "base": purchase.base,
        "task": purchase.task,
        "video": purchase.video,
        "note": purchase.note,
        "ordered": purchase.ordered,
    }


def _purchase(fields: dict[str, Any]) -> Purchase:
    """Raises KeyError, ValueError, TypeError or ArithmeticError."""
    known = dict(fields)
    known["reserved"] = _price(known["reserved"])
    known["cost"] = None if known["cost"] is None else _price(known["cost"])
    known["state"] = PurchaseState(known["state"])
    return Purchase(**known)


def _money(price: Price) -> dict[str, str]:
    return {"amount": str(price.amount), "currency": price.currency}


def _price(fields: dict[str, str]) -> Price:
    return Price(Decimal(fields["amount"]), fields["currency"])
