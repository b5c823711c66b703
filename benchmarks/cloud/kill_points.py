"""A run that ends at a chosen moment: before or after any request, any write of the ledger, any video that is kept.

It stands for `kill -9`, without the start of a process: what was on the disk stays, nothing else does. __main__.py has
real kills as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wan_render.backends.dashscope import task_service
from wan_render.bounded_http import HttpService
from wan_render.store.purchase_ledger import PurchaseLedger


class KilledError(BaseException):
    """The process is gone."""


@contextmanager
def killed_at(moment: int) -> Iterator[None]:
    """Raise KilledError at this moment, counted from 0. Without a so late one, the run ends as usual."""
    left = [moment]

    def point() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            point()
            found = function(*arguments, **options)
            point()
            return found

        return called

    places = [
        (HttpService, "_asked"),
        (PurchaseLedger, "_write"),
        (PurchaseLedger, "keep"),
        (task_service, "fetch_file"),
    ]
    kept = [(holder, name, getattr(holder, name)) for holder, name in places]
    for holder, name, function in kept:
        setattr(holder, name, around(function))
    try:
        yield
    finally:
        for holder, name, function in kept:
            setattr(holder, name, function)
