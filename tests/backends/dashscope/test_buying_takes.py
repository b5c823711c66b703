"""A take is ordered once, whatever the service and the network do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from tests.backends.dashscope.buying import Buyer, picture, scripted
from tests.backends.dashscope.conftest import Serve
from tests.fake_model_studio import KEY, FakeService
from wan_render.errors import BudgetError, DiskFullError, Problem, ServiceError
from wan_render.price import Price
from wan_render.purchase import Purchase, PurchaseState
from wan_render.store.purchase_ledger import PurchaseLedger


def states(buyer: Buyer) -> list[PurchaseState]:
    return [purchase.state for purchase in buyer.purchases]


def test_a_take_is_bought_and_conformed(serve: Serve, buyer: Buyer) -> None:
    service = serve(FakeService())

    frames = buyer.buy()

    assert frames.pixels.shape == (61, 64, 96, 3)
    for end, seed in ((0, 1), (-1, 2)):
        assert np.abs(frames.pixels[end].astype(int) - picture(seed)).mean() < 12
    (purchase,) = buyer.purchases
    assert purchase.state is PurchaseState.BOUGHT
    assert (purchase.cost, service.total) == (Price(Decimal("1.2"), "CNY"), 1.2)
    assert buyer.ledger.video(purchase.video).is_file()


def test_a_bought_take_is_not_ordered_again(serve: Serve, buyer: Buyer) -> None:
    service = serve(FakeService())

    assert np.array_equal(buyer.buy().pixels, buyer.buy().pixels)

    assert len(service.tasks) == 1
    assert service.requests["video"] == 1


@pytest.mark.parametrize(
    "fault", ["answer lost", "500", "503 created", "garbage", "no id", "key as id", "huge", "redirect", "408"]
)
def test_an_order_without_a_clear_answer_is_paid_and_unknown(serve: Serve, buyer: Buyer, fault: str) -> None:
    service = serve(scripted(submit=[fault]))

    said = buyer.refused()

    assert said.startswith("1/001 take 1: paid, unknown: ")
    assert "`wan-render cloud STORYBOARD` lists it" in said
    assert buyer.refused() == said
    assert states(buyer) == [PurchaseState.UNKNOWN]
    assert KEY not in buyer.ledger.file.read_text()
    assert sum(service.requests[each] for each in service.requests if each.startswith("submit")) == 1


def test_an_order_that_was_surely_not_taken_is_sent_again(serve: Serve, buyer: Buyer) -> None:
    service = serve(scripted(submit=["429"] * 5))

    buyer.buy()

    assert len(service.tasks) == 1
    assert states(buyer) == [PurchaseState.BOUGHT]


def test_a_storm_of_429_ends_without_a_bill(serve: Serve, buyer: Buyer) -> None:
    service = serve(scripted(submit=["429"] * 12))

    assert "was refused: answers 429" in buyer.refused()

    assert states(buyer) == [PurchaseState.FREE]
    buyer.buy()
    assert (len(service.tasks), service.total) == (1, 1.2)


def test_without_a_connection_nothing_is_billed(serve: Serve, buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(FakeService())
    monkeypatch.setenv("WAN_RENDER_DASHSCOPE_URL", "http://127.0.0.1:9/api/v1")

    assert "no connection" in buyer.refused()

    assert states(buyer) == [PurchaseState.FREE]


def test_a_key_of_another_region_is_refused_and_not_shown(
    serve: Serve, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(FakeService())
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-of-singapore-42")

    said = buyer.refused()

    assert "InvalidApiKey" in said
    assert "key, address and model belong to one region" in said
    assert "sk-of-singapore-42" not in said + buyer.ledger.file.read_text()
    assert (states(buyer), service.tasks) == ([PurchaseState.FREE], {})


@pytest.mark.parametrize("end", ["FAILED", "CANCELED"])
def test_a_task_that_ends_without_a_video_is_not_billed(serve: Serve, buyer: Buyer, end: str) -> None:
    service = serve(scripted(poll=["", end]))

    said = buyer.refused()

    assert f"its task was {end.lower()}: DataInspectionFailed: *** said no" in said
    assert KEY not in said
    assert (states(buyer), service.total) == ([PurchaseState.FREE], 0)
    buyer.buy()
    assert states(buyer) == [PurchaseState.FREE, PurchaseState.BOUGHT]


def test_an_unknown_task_is_never_ordered_again(serve: Serve, buyer: Buyer) -> None:
    service = serve(scripted(poll=["UNKNOWN"]))

    assert "the service does not know its task" in buyer.refused()
    assert "paid, unknown" in buyer.refused()

    assert states(buyer) == [PurchaseState.UNKNOWN]
    assert len(service.tasks) == 1


def test_polls_go_on_after_faults(serve: Serve, buyer: Buyer) -> None:
    serve(scripted(poll=["429", "500", "answer lost", "garbage", "503", "408", "huge"]))

    buyer.buy()

    assert states(buyer) == [PurchaseState.BOUGHT]


def test_a_task_is_taken_up_by_the_next_run(serve: Serve, buyer: Buyer) -> None:
    service = serve(scripted(poll=["500"] * 40))

    assert "the next run asks again" in buyer.refused()
    assert states(buyer) == [PurchaseState.SUBMITTED]
    buyer.buy()

    assert (len(service.tasks), service.total) == (1, 1.2)


@pytest.mark.parametrize("faults", [["truncated", "cut"], ["not a video"], ["500", "429"], ["answer lost"], ["403"]])
def test_a_video_is_fetched_again(serve: Serve, buyer: Buyer, faults: list[str]) -> None:
    service = serve(scripted(video=faults))

    buyer.buy()

    assert (len(service.tasks), states(buyer)) == (1, [PurchaseState.BOUGHT])


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["403"] * 2, "its video cannot be fetched: answers 403"),
        (["redirect"] * 2, "redirects to localhost, which is not followed"),
        (["cut"] * 3, "its video"),
        (["wrong size"], "its video is 120x176, and the take is 96x64"),
        (["wrong length"], "its video lasts 0.97 s, and the take 2.00 s"),
    ],
)
def test_a_video_that_cannot_be_used_is_paid_and_lost(
    serve: Serve, buyer: Buyer, faults: list[str], words: str
) -> None:
    service = serve(scripted(video=faults))

    assert words in buyer.refused()
    assert "paid, lost" in buyer.refused()

    (purchase,) = buyer.purchases
    assert (purchase.state, purchase.cost) == (PurchaseState.LOST, Price(Decimal("1.2"), "CNY"))
    assert len(service.tasks) == 1


def test_a_run_that_was_killed_while_it_ordered_does_not_order_again(serve: Serve, buyer: Buyer) -> None:
    service = serve(FakeService())
    buyer.buy()
    (bought,) = buyer.purchases
    buyer.ledger.write(replace(bought, state=PurchaseState.RESERVED, task="", video="", cost=None))

    assert "paid, unknown: the run ended while the order was being sent" in buyer.refused()

    assert len(service.tasks) == 1


def test_the_budget_holds_over_runs(serve: Serve, buyer: Buyer) -> None:
    service, poor = serve(FakeService()), Buyer(buyer.root, budget="3")
    poor.buy(1)
    poor.buy(2)

    with pytest.raises(BudgetError, match=r"may cost 1\.2 CNY, and 2\.4 CNY of 3 CNY are spent or set aside"):
        poor.buy(3)

    assert service.total == 2.4


def test_three_orders_of_unknown_fate_stop_the_film(serve: Serve, buyer: Buyer) -> None:
    service = serve(scripted(submit=["answer lost"] * 9))
    for seed in (1, 2, 3):
        buyer.refused(seed)

    assert "nothing more is ordered" in buyer.refused(4)

    assert len(service.tasks) == 3


def test_a_wrong_clock_changes_nothing(serve: Serve, buyer: Buyer) -> None:
    serve(FakeService(skew=-400 * 24 * 3600.0))

    buyer.buy()

    assert states(buyer) == [PurchaseState.BOUGHT]


def test_a_key_is_sent_to_no_other_address(serve: Serve, buyer: Buyer) -> None:
    """A ledger is a file: whoever can write to it must not get the key of somebody else."""
    service = serve(FakeService())
    buyer.buy()
    (bought,) = buyer.purchases
    thief = serve(FakeService())
    serve(service)
    buyer.ledger.write(replace(bought, state=PurchaseState.SUBMITTED, base=thief.base))

    with pytest.raises(ServiceError, match="is no address of the service"):
        buyer.buy()

    assert thief.seen_keys == set()


def test_a_video_is_fetched_from_the_services_hosts_only_and_without_the_key(
    serve: Serve, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(FakeService())
    monkeypatch.setenv("WAN_RENDER_CLOUD_HOSTS", "aliyuncs.com")

    assert "on no host of the service (aliyuncs.com)" in buyer.refused()

    assert service.requests["video"] == 0
    assert "video" not in service.seen_keys


def test_a_task_whose_id_cannot_be_written_is_told(
    serve: Serve, buyer: Buyer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full just then: the next run finds the order of unknown fate, and the log has what settles it."""
    service = serve(FakeService())

    def full(ledger: PurchaseLedger, _purchase: Purchase) -> Purchase:
        raise DiskFullError(Problem(str(ledger.file), "the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(PurchaseLedger, "write", full)
        with pytest.raises(DiskFullError):
            buyer.buy()

    (task,) = service.tasks
    assert f"its task is {task}" in caplog.text
    assert "paid, unknown" in buyer.refused()
