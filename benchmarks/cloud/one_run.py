"""A run of its own process, which a benchmark kills: `python -m benchmarks.cloud.one_run ROOT BUDGET`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.cloud.fault_sequence import buy_all
from tests.backends.dashscope.buying import Buyer

if __name__ == "__main__":
    buy_all(Buyer(Path(sys.argv[1]), sys.argv[2]))
