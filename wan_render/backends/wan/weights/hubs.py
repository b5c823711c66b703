"""The hubs that weights come from.

Sources: Hugging Face's HTTP API as huggingface_hub 2.4 uses it, and ModelScope's as modelscope-hub 0.5 does.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlencode

from huggingface_hub import constants
from huggingface_hub.utils import build_hf_headers

from wan_render import __version__
from wan_render.backends.wan.weights.weights_source import RemoteFile, WeightsSource
from wan_render.known_secrets import remember_secret

MOST_FILES = 3000
"""ModelScope truncates a listing here, silently."""


class HuggingFace(WeightsSource):
    """The hub where Wan's authors publish, or a mirror of it that HF_ENDPOINT names."""

    title, branch = "Hugging Face", "main"

    def __init__(self) -> None:
        headers = build_hf_headers(library_name="wan-render", library_version=__version__)
        remember_secret(str(headers.get("authorization", "")).removeprefix("Bearer "))
        super().__init__(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT, headers)

    def listing(self, repository: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """Large files have a SHA-256; small ones are identified by their git blob."""
        api = f"{self.address}/api/models/{repository}"
        commit = str(self.json(f"{api}/revision/{quote(revision, safe='')}")[0]["sha"])
        files, page = [], f"{api}/tree/{commit}?recursive=true&expand=false"
        while page:
            entries, page = self.json(page)
            for entry in (each for each in entries if each["type"] == "file"):
                path, large = str(entry["path"]), entry.get("lfs")
                checksum = f"sha256:{large['oid']}" if large else f"git:{entry['oid']}"
                url = f"{self.address}/{repository}/resolve/{commit}/{quote(path)}"
                files.append(RemoteFile(path, int((large or entry)["size"]), checksum, url))
        return commit, files


class ModelScope(WeightsSource):
    """The hub in China, which has the same Wan repositories, or a mirror of it that MODELSCOPE_ENDPOINT names."""

    title, branch = "ModelScope", "master"

    def __init__(self) -> None:
        super().__init__(os.environ.get("MODELSCOPE_ENDPOINT") or "https://modelscope.cn", {})

    def listing(self, repository: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """Files are read at the named revision. If it moves meanwhile, the checksums reveal it."""
        api = f"{self.address}/api/v1/models/{repository}/repo"
        data = self.json(f"{api}/files?{urlencode({'Revision': revision, 'Recursive': 'True'})}")[0]["Data"] or {}
        entries = data.get("Files") or []
        if len(entries) >= MOST_FILES:
            raise ValueError("the listing is truncated")
        files = []
        for entry in (each for each in entries if each["Type"] == "blob"):
            url = f"{api}?{urlencode({'Revision': revision, 'FilePath': entry['Path']})}"
            files.append(RemoteFile(str(entry["Path"]), int(entry["Size"]), f"sha256:{entry['Sha256'].lower()}", url))
        return _commit(data.get("LatestCommitter") or {}, entries), files


def _commit(latest: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """The newest commit. If the listing abbreviates it, the files that it changed have the full one."""
    short = str(latest.get("ShortId") or "")
    of_files = (str(entry.get("Revision") or "") for entry in entries)
    matching = next((commit for commit in of_files if short and commit.startswith(short)), short)
    return str(latest.get("Id") or matching or "unknown")


SOURCES: dict[str, type[HuggingFace | ModelScope]] = {"huggingface": HuggingFace, "modelscope": ModelScope}
"""An explicit list; the first is the default."""
