"""A service that hangs, drips, redirects, lies, and answers too much: each ends in time, and nobody hears the key."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.extension.chat_service import DRIP, HANG, REDIRECT, ChatService, chat_service, completion
from tests.extension.conftest import KEY
from wan_render.errors import UsageError
from wan_render.extension.chat_endpoint import MOST_BYTES, ChatEndpoint
from wan_render.extension.language_model import (
    ForbiddenLanguageModelError,
    LanguageModelError,
    LostLanguageModelError,
    Question,
)

QUESTION = Question("say it", "what moves?")


def endpoint(
    service: ChatService, seconds: float = 20.0, sleep: Callable[[float], None] = lambda _: None
) -> ChatEndpoint:
    return ChatEndpoint(service.url, "qwen-vl-test", KEY, seconds, sleep)


def test_the_answer_is_the_text_of_the_first_choice() -> None:
    parts = json.dumps({"choices": [{"message": {"content": [{"type": "text", "text": "two "}, {"text": "parts"}]}}]})
    with chat_service("one text", parts.encode()) as service:
        model = endpoint(service)
        assert [model.answer(QUESTION), model.answer(QUESTION)] == ["one text", "two parts"]
        assert service.keys == [f"Bearer {KEY}"] * 2


@pytest.mark.parametrize("step", [HANG, DRIP])
def test_a_service_that_hangs_is_left_in_time(step: int) -> None:
    with chat_service(step) as service, pytest.raises(LostLanguageModelError, match="did not answer within 1 s"):
        endpoint(service, 1.0).answer(QUESTION)


def test_a_busy_service_is_asked_again_after_the_pause_that_it_wants() -> None:
    pauses: list[float] = []
    with chat_service(503, 429, "at last") as service:
        assert endpoint(service, sleep=pauses.append).answer(QUESTION) == "at last"
    assert pauses == [2.0, 8.0]
    with chat_service(503) as service:
        with pytest.raises(LostLanguageModelError, match="answered 503"):
            endpoint(service).answer(QUESTION)
        assert len(service.asked) == 3


def test_a_service_that_is_not_there() -> None:
    with chat_service("gone") as service:
        gone = endpoint(service)
    with pytest.raises(LostLanguageModelError, match=r"at 127.0.0.1:\d+: cannot be reached: .*WAN_RENDER_LLM_URL"):
        gone.answer(QUESTION)


def test_a_redirect_gets_no_key() -> None:
    with chat_service("here") as other, chat_service(REDIRECT) as service:
        service.other = other.url
        with pytest.raises(ForbiddenLanguageModelError, match="answered 307, a redirect, which is not followed"):
            endpoint(service).answer(QUESTION)
        assert other.asked == []


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (b"<html>welcome</html>", "something else than a chat completion"),
        (b'{"choices": []}', "something else than a chat completion"),
        (b'{"choices": [{"message": {"content": null}}]}', "without a text"),
        (b"[" * 100_000, "something else than a chat completion"),
        (completion("x" * 20, "length"), "more text than it may"),
        (completion("x" * (MOST_BYTES + 1)), "more than 1024 KiB"),
        (completion(f"the key is {KEY}"), "answered with the key"),
    ],
    ids=["html", "no-choice", "null", "nested", "cut-off", "huge", "key"],
)
def test_anything_but_an_answer_is_refused(step: bytes, why: str) -> None:
    with chat_service(step) as service, pytest.raises(LanguageModelError, match=why) as caught:
        endpoint(service).answer(QUESTION)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_told_without_the_key(status: int) -> None:
    with (
        chat_service(status) as service,
        pytest.raises(LanguageModelError, match=rf"{status}: no: Bearer \*\*\*") as caught,
    ):
        endpoint(service).answer(QUESTION)
    assert isinstance(caught.value, ForbiddenLanguageModelError) == (status != 400)
    assert KEY not in repr(endpoint(service)) + repr(caught.value)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/v1", "http://… or https://…"),
        (KEY, "is no address; http://… or https://…"),
        ("api.example.com/v1", "http://… or https://…"),
        (f"https://user:{KEY}@host/v1", "contains more than an address"),
        (f"https://host/v1?key={KEY}", "contains more than an address"),
        ("http://api.example.com/v1", "would send the key unencrypted to api.example.com"),
    ],
)
def test_an_address_that_would_leak_or_cannot_work_is_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        ChatEndpoint(url, "m", KEY)
    assert KEY not in str(caught.value)


def test_keys_go_unencrypted_only_to_near_hosts() -> None:
    for url in ("http://127.0.0.1:8000/v1", "http://gpu-box:8000/v1", "http://192.168.1.5/v1", "http://[::1]:1/v1"):
        ChatEndpoint(url, "m", KEY)
    with pytest.raises(UsageError, match="WAN_RENDER_LLM_KEY"):
        ChatEndpoint("https://host/v1", "m", "sk-1\r\nHost: evil")
