"""One take, a ledger, and a renderer that buys it from the fake service."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.fake_model_studio import FakeService
from wan_render.backends.dashscope import BACKEND
from wan_render.backends.dashscope.cloud_renderer import CloudRenderer
from wan_render.backends.dashscope.task_service import Pace
from wan_render.errors import ServiceError
from wan_render.model_card import ModelCard
from wan_render.price import Price
from wan_render.purchase import Allowance, Purchase
from wan_render.render_values import Frames, Pixels, TakeInputs
from wan_render.settings import machine_settings
from wan_render.store.purchase_ledger import PurchaseLedger, TakeDesk
from wan_render.take import Plate, Size, Take

SIZE = Size(96, 64)
CARD_NAME = "dashscope:wan2.7-i2v"


def scripted(**faults: Iterable[str]) -> FakeService:
    """A service with these faults, one for each request of a kind, in order; after them there are none."""
    left = {kind: deque(names) for kind, names in faults.items()}

    def fault(request: str, _task: str) -> str:
        return left[request].popleft() if left.get(request) else ""

    return FakeService(fault)


def wan27() -> ModelCard:
    """The card of the model, with the settings of this process."""
    return next(card for card in BACKEND.offered if card.name == CARD_NAME)


def picture(seed: int) -> Pixels:
    """Coarse patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return patches.repeat(SIZE.height // 4, 0).repeat(SIZE.width // 6, 1).copy()


def take(seed: int = 1) -> Take:
    """Two seconds between two pictures."""
    card = wan27()
    (sampling,) = {defaults.sampling for defaults in card.kinds.values()}
    return Take(
        backend=card.backend,
        model=card.identity,
        first=Plate("a" * 64, SIZE),
        last=Plate("b" * 64, SIZE),
        prompt="a river",
        negative="",
        frames=61,
        size=SIZE,
        rate=Fraction(30),
        seed=seed,
        sampling=sampling,
    )


@dataclass(frozen=True)
class Buyer:
    """A machine that buys a film's takes. budget: in CNY."""

    root: Path
    budget: str = "100"

    @property
    def ledger(self) -> PurchaseLedger:
        return PurchaseLedger(self.root)

    @property
    def purchases(self) -> tuple[Purchase, ...]:
        return self.ledger.read()

    def buy(self, seed: int = 1) -> Frames:
        """One attempt, by a process of its own."""
        wanted = take(seed)
        allowance = Allowance(Price(Decimal(self.budget), "CNY"), "film.budget")
        desk = TakeDesk(self.ledger, wanted.key, "river", f"1/{seed:03} take 1", allowance)
        renderer = CloudRenderer(wan27(), machine_settings(), Pace(0.001))
        return renderer.render(wanted, TakeInputs(picture(1), picture(2), desk=desk), lambda _: None)

    def refused(self, seed: int = 1) -> str:
        """The words with which an attempt fails."""
        try:
            self.buy(seed)
        except ServiceError as error:
            return str(error)
        raise AssertionError("it was bought")
