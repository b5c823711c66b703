"""One sequence of runs that buy three takes, with random faults and kills, and what must hold at its end."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.cloud.kill_points import KilledError, killed_at
from tests.backends.dashscope.buying import Buyer, take
from tests.fake_model_studio import FakeService
from wan_render.errors import WanRenderError
from wan_render.purchase import Purchase, PurchaseState

TAKES = (1, 2, 3)
"""The seeds of the takes."""

MOST_MOMENTS = 40
"""A run of three takes has about so many moments at which it may be killed."""

SUBMIT_FAULTS = ("answer lost", "request lost", "429", "500", "503 created", "garbage", "no id", "huge", "redirect")
POLL_FAULTS = ("429", "500", "503", "408", "answer lost", "garbage", "huge", "FAILED", "CANCELED", "UNKNOWN")
VIDEO_FAULTS = ("truncated", "cut", "not a video", "500", "429", "answer lost", "403", "wrong size", "wrong length")

ENDING = ("403", "redirect", "cut", "not a video", "truncated", "wrong size", "wrong length")
"""Faults of a video after which it may be given up as lost."""


class RandomFaults:
    """Faults at a rate of the sequence, until it is quiet. seen: task → the faults of its video."""

    def __init__(self, dice: random.Random) -> None:
        self._dice, self._rate, self.is_quiet = dice, dice.uniform(0.0, 0.5), False
        self.seen: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def __call__(self, request: str, task: str) -> str:
        if self.is_quiet or self._dice.random() > self._rate:
            return ""
        fault = self._dice.choice({"submit": SUBMIT_FAULTS, "poll": POLL_FAULTS, "video": VIDEO_FAULTS}[request])
        if request == "video":
            self.seen[task][fault] += 1
        return fault


@dataclass(frozen=True)
class Ended:
    """How a sequence ended. broken: what does not hold, in words; nothing if all does."""

    seed: int
    broken: tuple[str, ...]
    states: Counter[PurchaseState]
    kills: int
    tasks: int


def run_sequence(
    seed: int, root: Path, service: FakeService, run: Callable[[Buyer, random.Random], bool] | None = None
) -> Ended:
    """Several runs with faults and kills, then two quiet ones. run: makes one run, returns whether it was killed."""
    dice = random.Random(seed)  # noqa: S311 - not for security
    faults = RandomFaults(dice)
    service.faults, service.needed_polls = faults, dice.randrange(3)
    buyer = Buyer(root, budget=str(dice.choice(("2.4", "3.0", "3.6", "9"))))
    kills = sum((run or one_simulated_run)(buyer, dice) for _ in range(dice.randrange(1, 6)))
    faults.is_quiet = True
    for _ in range(2):
        buy_all(buyer)
    settle(service)
    purchases = buyer.purchases
    broken = tuple(faulty(purchases, service, faults, Decimal(buyer.budget)))
    return Ended(seed, broken, Counter(each.state for each in purchases), kills, len(service.tasks))


def one_simulated_run(buyer: Buyer, dice: random.Random) -> bool:
    """A run in this process; whether it was killed."""
    try:
        with killed_at(dice.randrange(MOST_MOMENTS) if dice.random() < 0.7 else 10**9):
            buy_all(buyer)
    except KilledError:
        return True
    return False


def buy_all(buyer: Buyer) -> None:
    """A run as a farm makes it: each take once; one that fails leaves the others alone."""
    for seed in TAKES:
        try:
            buyer.buy(seed)
        except WanRenderError:
            continue


def settle(service: FakeService) -> None:
    """The service bills what it has rendered, whether anybody asked for it or not."""
    for task in service.tasks.values():
        if task.end == "SUCCEEDED":
            service.bill(task)


def faulty(
    purchases: tuple[Purchase, ...], service: FakeService, faults: RandomFaults, limit: Decimal
) -> Iterator[str]:
    """What does not hold at the end of a sequence."""
    known = {each.task: each for each in purchases if each.task}
    by_take = {take(seed).key: seed for seed in TAKES}
    of_take = {seed: [each for each in purchases if by_take[each.take] == seed] for seed in TAKES}
    yield from (f"paid {count} times: {content[:8]}" for content, count in service.paid.items() if count > 1)
    for task in service.tasks.values():
        its = of_take[task.body["parameters"]["seed"]]
        if task.id not in known and not any(each.state is PurchaseState.UNKNOWN for each in its):
            yield f"{task.id} is not listed"
        found = known.get(task.id)
        if found is None or task.end != "SUCCEEDED" or found.state is PurchaseState.BOUGHT:
            continue
        if found.state is not PurchaseState.LOST or not any(faults.seen[task.id][each] for each in ENDING):
            yield f"{task.id} was rendered, and is {found.state}"
    unfinished = (PurchaseState.RESERVED, PurchaseState.SUBMITTED)
    yield from (f"purchase {each.number} is still {each.state}" for each in purchases if each.state in unfinished)
    counted = sum((each.counted.amount for each in purchases), Decimal(0))
    billed = Decimal(str(service.total))
    if billed > limit or counted > limit:
        yield f"billed {billed}, counted {counted}, of {limit}"
    if counted < billed:
        yield f"billed {billed}, and only {counted} counted"
