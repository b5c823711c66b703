"""Time zones, by their names in the IANA database."""

from __future__ import annotations

import os
import zoneinfo
from pathlib import Path

UTC_ZONE = "UTC"
LOCALTIME = Path("/etc/localtime")
"""A link to the file of the machine's zone."""

ZONE_EXAMPLES = "such as Europe/Berlin, Asia/Shanghai or UTC"


def machine_zone() -> str:
    """The name of this machine's zone, from TZ or the system; UTC if it has none."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named and LOCALTIME.is_symlink():
        named = str(LOCALTIME.resolve()).partition("zoneinfo/")[2]
    return named if is_zone(named) else UTC_ZONE


def is_zone(name: str) -> bool:
    """Whether a name is one of the zones of the IANA database, as this machine has it."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)
