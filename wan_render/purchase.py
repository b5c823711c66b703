"""A take that is bought from a service: what was reserved for it, where its task is, what it cost in the end.

`PurchaseDesk` is what a renderer sees of the ledger. The ledger itself is in the store (store.purchase_ledger).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from wan_render.price import Price


class PurchaseState(StrEnum):
    """Where a purchase stands.

    RESERVED:  the money is set aside and the service may have been asked. After a crash nobody knows whether it was.
    SUBMITTED: the service gave the task an id. The task is taken up again by whoever comes next.
    BOUGHT:    the video is in the store's folder `cloud`.
    UNKNOWN:   the service may bill it, and nobody knows its task: the answer to the submit was lost, or the service
               does not know the task any more. It counts as paid, and is never ordered again without being asked to.
    LOST:      it was billed, and its video cannot be used.
    WRITTEN_OFF: a person gave it up. It counts as paid, and its take may be ordered again.
    FREE:      the service refused it, failed or cancelled it, and bills nothing.
    """

    RESERVED = "reserved"
    SUBMITTED = "submitted"
    BOUGHT = "bought"
    UNKNOWN = "paid, unknown"
    LOST = "paid, lost"
    WRITTEN_OFF = "written off"
    FREE = "not billed"


OPEN_STATES = (PurchaseState.RESERVED, PurchaseState.SUBMITTED, PurchaseState.UNKNOWN, PurchaseState.LOST)
"""A take with a purchase in one of these is not ordered again."""


@dataclass(frozen=True)
class Purchase:
    """One order of a take at a service.

    number:   of the purchase in its ledger, from 1.
    take:     the key of the take. film: the slug. label: `1/020 take 1`.
    model:    the model's name there. listed: the date of the price list.
    reserved: the dearest price, set aside before the service is asked.
    cost:     what was billed, by the service's own usage; None while it is not known. Then `reserved` counts.
    base:     the address of the service. task: the task's id there; "" while there is none.
    video:    the SHA-256 of the video; "" while there is none.
    note:     what happened, in words.
    ordered:  when, in seconds since the epoch, by the clock of the machine that ordered it. Nothing is decided by it.
    """

    number: int
    take: str
    film: str
    label: str
    model: str
    listed: str
    reserved: Price
    state: PurchaseState = PurchaseState.RESERVED
    cost: Price | None = None
    base: str = ""
    task: str = ""
    video: str = ""
    note: str = ""
    ordered: float = 0.0

    @property
    def counted(self) -> Price:
        """What it counts as against a budget."""
        if self.state is PurchaseState.FREE:
            return Price(Decimal(0), self.reserved.currency)
        return self.reserved if self.cost is None else self.cost

    @property
    def is_paid_for(self) -> bool:
        """Whether its take is bought, or may be: nothing more is to be paid for it until a person says so."""
        return self.state not in (PurchaseState.FREE, PurchaseState.WRITTEN_OFF)

    @property
    def is_unsettled(self) -> bool:
        """Whether a person has to say what becomes of it; the other purchases end by themselves."""
        return self.state in (PurchaseState.UNKNOWN, PurchaseState.LOST, PurchaseState.RESERVED)

    @property
    def is_open(self) -> bool:
        """Whether a new order of its take could pay twice."""
        return self.state in OPEN_STATES


@dataclass(frozen=True)
class Allowance:
    """What a film may spend in its lifetime. limit: None if nothing limits it. set_by: what set the limit, in words."""

    limit: Price | None = None
    set_by: str = ""

    def at_most(self, limit: Price | None, set_by: str) -> Allowance:
        """With a further limit, if that is lower. A limit in another currency replaces this one: prices decide."""
        if limit is None or (
            self.limit is not None and self.limit.currency == limit.currency and self.limit.amount <= limit.amount
        ):
            return self
        return Allowance(limit, set_by)


NOTHING_LIMITS = Allowance()
"""The allowance of a film without a budget."""


def spent(purchases: Iterable[Purchase]) -> tuple[Price, ...]:
    """What purchases come to, one sum for each currency."""
    sums: dict[str, Decimal] = {}
    for each in purchases:
        sums[each.counted.currency] = sums.get(each.counted.currency, Decimal(0)) + each.counted.amount
    return tuple(Price(amount, currency) for currency, amount in sorted(sums.items()) if amount)


def spent_words(purchases: Iterable[Purchase]) -> str:
    """`6.00 CNY for 2 takes`; "" if nothing was spent."""
    counting = [each for each in purchases if each.state is not PurchaseState.FREE]
    if not counting:
        return ""
    sums = " and ".join(map(str, spent(counting))) or "nothing"
    takes = len({each.take for each in counting})
    return f"{sums} for {takes} take{'s' * (takes != 1)}"


class PurchaseDesk(Protocol):
    """The ledger as the renderer of one take sees it. Every method may raise DiskError."""

    def found(self) -> Purchase | None:
        """The take's newest purchase that was neither free nor written off; None if there is none."""

    def reserve(self, price: Price, model: str, listed: str, base: str) -> Purchase:
        """Set the money aside, on the disk, before the service is asked.

        Raises BudgetError if the film's budget does not allow it, or if the take has an open purchase.
        """

    def write(self, purchase: Purchase) -> Purchase:
        """Write what has become of a purchase; returns it."""

    def part(self) -> Path:
        """A file that a video may be downloaded to."""

    def keep(self, part: Path) -> str:
        """Move a downloaded video to its place; its SHA-256."""

    def video(self, digest: str) -> Path:
        """The place of a video."""
