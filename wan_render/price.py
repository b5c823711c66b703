"""Money: what an hour of a GPU or a second of hosted video costs, and what a film may cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_PRICE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*([^\W\d_]{1,8}|[$€£¥₹₩])?")

PRICE_FORM = "money per GPU and hour: 2.5, or with a currency 2.50 EUR"
LIMIT_FORM = "an amount and its currency: 30 CNY"


@dataclass(frozen=True)
class Price:
    """Money. currency: a word or a sign; "" if none was given."""

    amount: Decimal
    currency: str = ""

    @staticmethod
    def read(text: str) -> Price:
        """`2.5` or `2.50 EUR`. Raises ValueError."""
        match = _PRICE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"expected {PRICE_FORM}")
        return Price(Decimal(match[1]), match[2] or "")

    @staticmethod
    def read_limit(text: str) -> Price:
        """`30 CNY`: a limit of spending has a currency. Raises ValueError."""
        found = Price.read(text)
        if not found.currency:
            raise ValueError(f"expected {LIMIT_FORM}")
        return found

    def times(self, hours: float) -> Price:
        """The price of so many hours, in cents."""
        return Price((self.amount * Decimal(hours)).quantize(Decimal("0.01")), self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".rstrip()
