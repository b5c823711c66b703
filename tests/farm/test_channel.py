"""Messages over a socket."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator

import pytest

from wan_render.farm.process.channel import Channel, ClosedError, Done, ProgressMessage
from wan_render.farm.process.inbox import Inbox
from wan_render.render_values import Phase, Progress

Ends = tuple[Channel, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    one, other = socket.socketpair()
    with one, other:
        yield Channel(one), Channel(other)


def send(channel: Channel, messages: list[Done]) -> None:
    for message in messages:
        channel.send(message)


def test_messages_arrive_whole_and_in_order_however_large(ends: Ends) -> None:
    one, other = ends
    sent = [Done(1, b"x" * size) for size in (0, 1, 5_000_000, 3)]
    sender = threading.Thread(target=send, args=(one, sent))
    sender.start()
    assert [other.receive() for _ in sent] == sent
    sender.join()


def test_several_threads_never_mix_their_messages(ends: Ends) -> None:
    one, other = ends
    threads = [threading.Thread(target=send, args=(one, [Done(1, bytes([n]) * 5000)] * 200)) for n in range(4)]
    for thread in threads:
        thread.start()
    received = [other.receive().result for _ in range(800)]
    assert all(len(set(body)) == 1 and len(body) == 5000 for body in received)


def test_what_does_not_pickle_leaves_the_channel_as_it_was(ends: Ends) -> None:
    one, other = ends
    with pytest.raises((pickle.PicklingError, AttributeError)):
        one.send(Done(1, lambda: 0))
    one.send(Done(1, 1))
    assert other.receive() == Done(1, 1)


def test_the_end_comes_after_what_was_sent(ends: Ends) -> None:
    one, other = ends
    one.send(Done(1, 1))
    one.close()
    assert other.receive() == Done(1, 1)
    with pytest.raises(ClosedError):
        other.receive()
    with pytest.raises(OSError):  # noqa: PT011 - a broken pipe or a closed socket, whichever is noticed first
        other.send(Done(1, 2))


def test_closing_wakes_the_thread_that_receives(ends: Ends) -> None:
    one, _other = ends
    ended = threading.Event()

    def receive() -> None:
        with pytest.raises(ClosedError):
            one.receive()
        ended.set()

    threading.Thread(target=receive).start()
    one.close()
    assert ended.wait(60)


def test_only_unread_progress_of_one_phase_is_superseded() -> None:
    inbox = Inbox()
    loading, step, done, again = (
        ProgressMessage(1, Progress(phase, count, 2))
        for phase, count in ((Phase.LOADING, 0), (Phase.STEP, 1), (Phase.STEP, 2), (Phase.STEP, 0))
    )
    for message in (loading, step, done, Done(1, 1), again):
        inbox.put(message)
    assert [inbox.get(0) for _ in range(5)] == [loading, done, Done(1, 1), again, None]
