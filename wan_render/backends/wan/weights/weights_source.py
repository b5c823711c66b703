"""The seam to a hub, through huggingface_hub. What is left to it: docs/decisions/0022-downloads.md."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import disable_progress_bars, hf_raise_for_status, http_stream_backoff

from wan_render.errors import MachineError, Problem, WanRenderError, WeightsError

constants.DOWNLOAD_CHUNK_SIZE = 1 << 16  # `http_get` writes in such pieces; an interruption loses the last one
disable_progress_bars()

MOST_JSON_BYTES = 50_000_000
"""A real listing has a few kilobytes."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed a little later."""

NETWORK = "check the network and proxies (HTTPS_PROXY), or name a mirror (HF_ENDPOINT) or another --source"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    path:     in the repository, with `/`. The hub chooses it, so it may lead out of a folder.
    size:     bytes.
    checksum: `sha256:<64 hex digits>`, or `git:<40 hex digits>`, the name of a git blob.
    """

    path: str
    size: int
    checksum: str
    url: str

    def __post_init__(self) -> None:
        if self.size < 0 or not re.fullmatch(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}", self.checksum):
            raise ValueError(f"{self.path} has {self.size} bytes and the checksum {self.checksum}")


class LostConnectionError(MachineError):
    """The network or the hub failed; another attempt may resume."""

    worth_retrying = True


class WeightsSource(ABC):
    """A hub that models are published on. Call its methods inside `errors`.

    title:   the hub's name.
    branch:  the name of its main branch.
    address: its URL, or the URL of a mirror.
    headers: for every request to the address. A token among them is sent to no other host.
    """

    title: ClassVar[str]
    branch: ClassVar[str]

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self.address = address.rstrip("/")
        self._place = f"{self.title} ({self.address})"
        self._headers = {**headers, "Accept-Encoding": "identity"}

    @abstractmethod
    def listing(self, repository: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """The commit that a revision resolves to, and its files. No files if the revision is unknown."""

    def append(self, stream: BinaryIO, file: RemoteFile, have: int) -> None:
        """Append the file's bytes from `have` on. If the hub ignores ranges, truncate the stream and start over."""
        http_get(file.url, stream, resume_size=have, headers=self._headers, expected_size=file.size)

    def beginning(self, url: str, is_enough: Callable[[bytearray], bool]) -> tuple[bytearray, str]:
        """The first bytes at a URL, until there are enough, and the URL of the next page or ""."""
        found, timeout = bytearray(), constants.HF_HUB_DOWNLOAD_TIMEOUT
        answer = http_stream_backoff("GET", url, headers=self._headers, timeout=timeout, retry_on_exceptions=())
        with answer as response:
            hf_raise_for_status(response)
            for chunk in response.iter_bytes():
                found += chunk
                if is_enough(found):
                    break
            return found, response.links.get("next", {}).get("url", "")

    def json(self, url: str) -> tuple[Any, str]:
        """A JSON value, and the URL of the next page or ""."""
        text, following = self.beginning(url, lambda text: len(text) > MOST_JSON_BYTES)
        if following and not following.startswith(f"{self.address}/"):
            raise ValueError("the token would be sent to another host")
        return json.loads(text), following

    @contextmanager
    def errors(self, what: str, absent: type[WanRenderError] = MachineError) -> Iterator[None]:
        """Translate errors of the network, the hub and its client. Errors of the disk pass through.

        Raises `absent` if the hub doesn't have `what`, LostConnectionError if another attempt may resume, WeightsError
        if a file is shorter than listed, else MachineError.
        """
        try:
            yield
        except OfflineModeIsEnabled:
            raise MachineError(Problem(self._place, "HF_HUB_OFFLINE is set", remedy="unset it to download")) from None
        except HfHubHTTPError as fault:
            raise self._refusal(fault, what, absent) from None
        except (httpx2.RequestError, OSError) as fault:
            if isinstance(fault, OSError) and fault.errno is not None:
                raise
            why = "cannot be reached" if isinstance(fault, httpx2.ConnectError) else "the connection was lost"
            found = f"{why}: {str(fault) or type(fault).__name__}"
            raise LostConnectionError(Problem(self._place, found, remedy=NETWORK)) from None
        except (httpx2.InvalidURL, AttributeError, LookupError, TypeError, ValueError) as fault:
            found, remedy = f"unexpected answer for {what}: {fault!r}", "is it a hub, or a login page in between?"
            raise MachineError(Problem(self._place, found, remedy=remedy)) from None

    def _refusal(self, fault: HfHubHTTPError, what: str, absent: type[WanRenderError]) -> WanRenderError:
        answer, words = fault.response, fault.server_message or ""
        said = f"answered {answer.status_code} {answer.reason_phrase}; {words}".rstrip("; ")
        if answer.status_code in PASSING:
            return LostConnectionError(Problem(self._place, f"{said}, asked for {what}", remedy="try again later"))
        if answer.status_code == 416:  # the file is shorter than listed
            return WeightsError(Problem(what, f"{self._place} {said}"))
        if answer.status_code in (401, 404) and not isinstance(fault, GatedRepoError):
            remedy = "check --revision and the token (HF_TOKEN), or try another --source"
            return absent(Problem(what, f"is not on {self.title}: {self.address} {said}", remedy=remedy))
        remedy = "accept the model's terms on its page, and set HF_TOKEN"
        return MachineError(Problem(self._place, f"{said}, asked for {what}", remedy=remedy))
