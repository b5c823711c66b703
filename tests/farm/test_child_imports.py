"""A device process starts quickly, and holds only what renders a take."""

from __future__ import annotations

import subprocess
import sys

NOT_NEEDED = ("cli", "session", "report", "status", "cut", "plan", "storyboard", "production.run", "farm.local")


def test_a_device_process_loads_no_plan_and_no_farm() -> None:
    asked = "import sys, wan_render.farm.process.child; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "wan_render.production.render_take" in loaded
    assert {f"wan_render.{name}" for name in NOT_NEEDED} & loaded == set()
