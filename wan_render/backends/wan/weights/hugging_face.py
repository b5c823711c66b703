"""Hugging Face, or a mirror of it that HF_ENDPOINT names.

Sources: the hub's HTTP API (`/api/models/{repo}/revision/{revision}`, `/api/models/{repo}/tree/{commit}`,
`/{repo}/resolve/{commit}/{path}`), as huggingface_hub 2.4 uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from wan_render.backends.wan.weights.hub import Listing, RemoteFile
from wan_render.backends.wan.weights.web import AbsentError, Site
from wan_render.errors import MachineError, Problem, UsageError

ENDPOINT = "https://huggingface.co"


class HuggingFace:
    """The hub where Wan's authors publish."""

    title = "Hugging Face"
    branch = "main"

    def __init__(self) -> None:
        endpoint = os.environ.get("HF_ENDPOINT") or ENDPOINT
        self.site = Site(self.title, endpoint.rstrip("/"), os.environ.get("HF_TOKEN", ""))

    def listing(self, repository: str, revision: str) -> Listing:
        """What the repository holds at the commit of a branch, tag or commit."""
        commit = self._commit(repository, revision)
        try:
            return Listing(commit, tuple(self._files(repository, commit)))
        except (KeyError, TypeError, ValueError):
            raise self._strange(repository) from None

    def _commit(self, repository: str, revision: str) -> str:
        try:
            found, _ = self.site.json(f"{self._api(repository)}/revision/{quote(revision, safe='')}")
        except AbsentError as fault:
            raise absent(self.title, repository, revision, fault) from None
        if not isinstance(found, dict) or not isinstance(found.get("sha"), str):
            raise self._strange(repository)
        commit: str = found["sha"]
        return commit

    def _files(self, repository: str, commit: str) -> Iterator[RemoteFile]:
        page = f"{self._api(repository)}/tree/{commit}?recursive=true&expand=false"
        while page:
            entries, page = self.site.json(page)
            for entry in entries:
                if entry["type"] == "file":
                    yield self._file(repository, commit, entry)

    def _file(self, repository: str, commit: str, entry: Any) -> RemoteFile:
        """Large files have a SHA-256 of their own; small ones are known by their git blob."""
        path, large = str(entry["path"]), entry.get("lfs")
        checksum = f"sha256:{large['oid']}" if large else f"git:{entry['oid']}"
        url = f"{self.site.endpoint}/{repository}/resolve/{commit}/{quote(path)}"
        return RemoteFile(path, int(large["size"] if large else entry["size"]), checksum, url)

    def _api(self, repository: str) -> str:
        return f"{self.site.endpoint}/api/models/{repository}"

    def _strange(self, repository: str) -> MachineError:
        found = f"answered something else than a listing of {repository}"
        return MachineError(Problem(f"{self.title} ({self.site.endpoint})", found, remedy="is HF_ENDPOINT a mirror?"))


def absent(title: str, repository: str, revision: str, fault: AbsentError | None = None) -> UsageError:
    """A revision that is not there: the repository is one of ours, so it is the likelier mistake."""
    said = f" ({fault.problems[0].found})" if fault is not None else ""
    return UsageError(
        Problem(
            f"{repository}@{revision}", f"is not on {title}{said}", remedy="check --revision, or try another --source"
        )
    )
