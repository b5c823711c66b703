"""ModelScope, or the address that MODELSCOPE_ENDPOINT names.

Sources: its HTTP API as modelscope 1.x and modelscope-hub 0.5 use it: `/api/v1/models/{repo}/repo/files` with
`Revision` and `Recursive`, `/api/v1/models/{repo}/repo` with `Revision` and `FilePath`; every file has its SHA-256.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlencode

from wan_render.backends.wan.weights.hub import Listing, RemoteFile
from wan_render.backends.wan.weights.hugging_face import absent
from wan_render.backends.wan.weights.web import AbsentError, Site
from wan_render.errors import MachineError, Problem

ENDPOINT = "https://modelscope.cn"

MOST_FILES = 3000
"""The server cuts a listing here, without a word."""


class ModelScope:
    """The hub that is near in China; Wan's repositories have the same names there."""

    title = "ModelScope"
    branch = "master"

    def __init__(self) -> None:
        self.site = Site(self.title, (os.environ.get("MODELSCOPE_ENDPOINT") or ENDPOINT).rstrip("/"))

    def listing(self, repository: str, revision: str) -> Listing:
        """What the repository holds at a branch or tag.

        An unknown revision is answered with success and no files. Files are read at the revision as it is named;
        should it move meanwhile, the checksums say so.
        """
        query = urlencode({"Revision": revision, "Recursive": "True"})
        try:
            answer, _ = self.site.json(f"{self._api(repository)}/repo/files?{query}")
        except AbsentError as fault:
            raise absent(self.title, repository, revision, fault) from None
        try:
            data = answer["Data"] or {}
            entries = [entry for entry in data.get("Files") or [] if entry["Type"] == "blob"]
            files = tuple(self._file(repository, revision, entry) for entry in entries)
            commit = _commit(data, entries)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._strange(f"answered something else than a listing of {repository}") from None
        if not files:
            raise absent(self.title, repository, revision)
        if len(data["Files"]) >= MOST_FILES:
            raise self._strange(f"cut its listing of {repository} at {MOST_FILES} files")
        return Listing(commit, files)

    def _file(self, repository: str, revision: str, entry: Any) -> RemoteFile:
        path = str(entry["Path"])
        query = urlencode({"Revision": revision, "FilePath": path})
        return RemoteFile(
            path, int(entry["Size"]), f"sha256:{entry['Sha256'].lower()}", f"{self._api(repository)}/repo?{query}"
        )

    def _api(self, repository: str) -> str:
        return f"{self.site.endpoint}/api/v1/models/{repository}"

    def _strange(self, found: str) -> MachineError:
        return MachineError(Problem(f"{self.title} ({self.site.endpoint})", found, remedy="try --source huggingface"))


def _commit(data: Any, entries: list[Any]) -> str:
    """The newest commit: the listing has it in full, or in short with the full one on the files that it changed."""
    latest = data.get("LatestCommitter") or {}
    short = str(latest.get("ShortId") or "")
    if full := str(latest.get("Id") or ""):
        return full
    of_files = (str(entry.get("Revision") or "") for entry in entries)
    return next((commit for commit in of_files if short and commit.startswith(short)), short or "unknown")
