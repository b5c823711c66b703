"""A language model behind an OpenAI-compatible endpoint: POST {url}/chat/completions, pictures as data URLs.

Python's own HTTP client is used: it is in the base install, and honours HTTPS_PROXY and SSL_CERT_FILE. A whole attempt
has a time limit, whatever the service does: names that do not resolve, headers that come byte by byte. Redirects are
not followed, so the key reaches no other host. Answers are bounded in size, and no message repeats the key.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import queue
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from wan_render import __version__
from wan_render.errors import Problem, UsageError
from wan_render.extension.language_model import (
    ForbiddenLanguageModelError,
    LanguageModelError,
    LostLanguageModelError,
    Question,
)
from wan_render.known_secrets import INSTEAD
from wan_render.printable import one_line, shortened

URL_SETTING, MODEL_SETTING, KEY_SETTING = "WAN_RENDER_LLM_URL", "WAN_RENDER_LLM_MODEL", "WAN_RENDER_LLM_KEY"

MOST_BYTES = 1024 * 1024
"""Of an answer. A prompt has a few kilobytes."""

MOST_TOKENS = 1024
"""That the service is asked for at most."""

ATTEMPT_SECONDS = 120.0
PAUSES = (2.0, 8.0)
"""Seconds before the second and the third attempt."""

LONGEST_PAUSE = 30.0
"""Seconds that `Retry-After` may ask for."""

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
REFUSING = frozenset({401, 403, 404, 405})
LONGEST_REASON = 300
READ_BYTES = 16 * 1024
"""Of an error's body that is no JSON."""


@dataclass(frozen=True)
class ChatEndpoint:
    """One model of one service. key: never shown; "" without one. attempt_seconds: how long one attempt may take.
    sleep: waits between attempts."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    attempt_seconds: float = ATTEMPT_SECONDS
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Raises UsageError for an address that cannot be used."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _setting("is no address", "http://… or https://…, up to /v1", "correct it")  # it may be the key
        if "@" in parts.netloc or parts.query or parts.fragment:
            allowed = "an address without a user, `?` and `#`"
            raise _setting("contains more than an address", allowed, f"write the key into {KEY_SETTING}")
        if self.key and parts.scheme == "http" and not _is_near(parts.hostname):
            allowed = "https, or a host of your own network"
            raise _setting(f"would send the key unencrypted to {parts.hostname}", allowed, "write https")
        if any(not "!" <= character <= "~" for character in self.key):
            raise UsageError(Problem(KEY_SETTING, "has a character that no key has", "visible ASCII", "correct it"))

    @property
    def name(self) -> str:
        """See LanguageModel."""
        return self.model

    def answer(self, question: Question) -> str:
        """See LanguageModel. Busy services are asked up to three times."""
        pauses = iter(PAUSES)
        while True:
            try:
                return self._text(self._timed(question))
            except _Busy as busy:
                pause = next(pauses, None)
                if pause is None:
                    raise self._error(LostLanguageModelError, busy.found) from None
                self.sleep(min(max(pause, busy.retry_after), LONGEST_PAUSE))

    def _timed(self, question: Question) -> bytes:
        """The body of one answer, in time. The attempt is in a thread of its own, which is left alone if it hangs."""
        results: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

        def attempt() -> None:
            try:
                results.put(self._body(question))
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits
                results.put(error)

        threading.Thread(target=attempt, daemon=True, name="language model").start()
        try:
            result = results.get(timeout=self.attempt_seconds)
        except queue.Empty:
            raise self._late() from None
        if isinstance(result, Exception):
            raise result from None
        return result

    def _body(self, question: Question) -> bytes:
        try:
            with _opener().open(self._request(question), timeout=self.attempt_seconds) as answer:
                return self._bounded(answer)
        except HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (URLError, HTTPException, OSError) as error:
            if isinstance(getattr(error, "reason", error), TimeoutError):
                raise self._late() from None
            why = str(getattr(error, "reason", "") or error) or type(error).__name__
            raise _Busy(f"cannot be reached: {why}") from None

    def _bounded(self, answer: IO[bytes]) -> bytes:
        body = answer.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise self._error(LanguageModelError, f"answered with more than {MOST_BYTES // 1024} KiB")
        return body

    def _request(self, question: Question) -> urllib.request.Request:
        address = f"{self.url.rstrip('/')}/chat/completions"
        headers = {"Content-Type": "application/json", "User-Agent": f"wan-render/{__version__}"}
        body = json.dumps(_form(self.model, question)).encode()
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310 - its scheme was checked
        if self.key:
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        return request

    def _refused(self, error: HTTPError) -> Exception:
        said = self._without_key(_reason(error.read(MOST_BYTES)))
        found = f"answered {error.code}{': ' + said if said else ''}"
        if error.code in PASSING:
            return _Busy(found, _seconds(error.headers))
        if 300 <= error.code < 400:
            found = f"answered {error.code}, a redirect, which is not followed"
        kind = ForbiddenLanguageModelError if error.code in REFUSING or error.code < 400 else LanguageModelError
        return self._error(kind, found)

    def _text(self, body: bytes) -> str:
        """The text of the first choice. Raises LanguageModelError for anything but a finished one."""
        try:
            choice = json.loads(body)["choices"][0]
            content = choice["message"]["content"]
            ended = choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, RecursionError, AttributeError):
            raise self._error(LanguageModelError, "answered with something else than a chat completion") from None
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if not isinstance(content, str):
            raise self._error(LanguageModelError, "answered without a text")
        if ended == "length":
            raise self._error(LanguageModelError, "answered with more text than it may")
        if self.key and self.key in content:
            raise self._error(LanguageModelError, "answered with the key")
        return content

    def _late(self) -> LanguageModelError:
        return self._error(LostLanguageModelError, f"did not answer within {self.attempt_seconds:g} s")

    def _error(self, kind: type[LanguageModelError], found: str) -> LanguageModelError:
        host = urlsplit(self.url).netloc
        remedy = f"check {URL_SETTING}, {MODEL_SETTING}, {KEY_SETTING} and the network, then `wan-render extend`"
        return kind(Problem(f"language model {one_line(self.model)} at {host}", self._without_key(found), "", remedy))

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, INSTEAD) if self.key else text


class _Busy(Exception):  # noqa: N818 - it never leaves this module
    """Another attempt may succeed, after `retry_after` seconds."""

    def __init__(self, found: str, retry_after: float = 0.0) -> None:
        super().__init__(found, retry_after)
        self.found, self.retry_after = found, retry_after


def _opener() -> urllib.request.OpenerDirector:
    """As the opener of urllib, with proxies, but without redirects: a redirect is an HTTPError."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _form(model: str, question: Question) -> dict[str, Any]:
    pictures = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"}}
        for picture in question.pictures
    ]
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": question.instruction},
            {"role": "user", "content": [{"type": "text", "text": question.text}, *pictures]},
        ],
        "max_tokens": MOST_TOKENS,
        "stream": False,
    }


def _reason(body: bytes) -> str:
    """What an error's body says, shortened to one line."""
    try:
        said = json.loads(body)
        error = said.get("error", said) if isinstance(said, dict) else said
        text = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        text = body[:READ_BYTES].decode("utf-8", "replace")
    return shortened(one_line(" ".join(str(text).split())), LONGEST_REASON)


def _seconds(headers: Message) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _is_near(host: str) -> bool:
    """Whether a host is on this machine or in a private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".localhost"))


def _setting(found: str, allowed: str, remedy: str) -> UsageError:
    return UsageError(Problem(URL_SETTING, found, allowed, remedy))
