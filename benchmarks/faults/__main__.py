"""A night of five films and a hundred shots, with faults at random times. In the end every film must be whole.

    python -m benchmarks.faults                          # 200 faults, about five minutes on two cores
    python -m benchmarks.faults --farm                   # with a server, a worker and flows, which are killed as well
    python -m benchmarks.faults --farm --postgresql      # and Debian's PostgreSQL instead of SQLite
    sh benchmarks/faults/on_another_machine.sh out.txt   # the same where there is no network, with the result as a text
    python -m benchmarks.faults --ray                    # on two nodes of a Ray cluster, which are killed as well
    python -m benchmarks.faults --faults 20 --films 2 --shots 6 --gap 0.4

The animatic renders on two CPU devices, slowed down by sleeping. Whenever the night ends, in whichever way, it is
started again, until all faults have happened. A last night without faults completes the films. Then:

- the films equal those of a run without faults of the storyboards as edited, frame for frame;
- every take was rendered once, plus once for each time its files were damaged. A take that was lost to a fault before
  it was published counts as not finished. Renders are counted from the backend's own record, and publications by
  looking at the folder;
- every published file verifies, and no process, lock or temporary file is left.

The seed gives the same storyboards, faults and pauses. Which process does what at that moment is the machine's choice.
As root the outputs are on a small tmpfs, which can be filled. Others get a stand-in: the backend says that the disk is
full.

Prediction, written before the first run: all of it holds; 100 shots cost about 250 renders that were begun.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.faults.campaign import Campaign


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults at random times over a night.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--films", type=int, default=5)
    parser.add_argument("--shots", type=int, default=20, help="of each film")
    parser.add_argument("--gap", type=float, default=1.0, help="seconds between two faults, on average")
    parser.add_argument("--step", type=float, default=0.15, help="seconds that a frame sleeps")
    parser.add_argument("--farm", action="store_true", help="nights are runs of batch/overnight on a farm of their own")
    parser.add_argument("--postgresql", action="store_true", help="with --farm: its server's database is PostgreSQL")
    parser.add_argument("--ray", action="store_true", help="the devices are those of a Ray cluster")
    parser.add_argument("--kinds", default="", help="only these kinds of faults: 'clock,full disk'")
    parser.add_argument("--keep", type=Path, help="an empty folder for everything, which is kept")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="wan-render-faults-"))
    kinds = tuple(filter(None, options.kinds.split(",")))
    terms = (folder, options.seed, options.films, options.shots, options.gap, options.step, kinds)
    with ExitStack() as opened:
        if options.farm:
            from benchmarks.faults.farm_campaign import FarmCampaign
            from tests.flows.postgresql import postgresql
            from tests.ports import free_port

            database = opened.enter_context(postgresql(free_port())) if options.postgresql else ""
            campaign: Campaign = FarmCampaign(*terms, database=database)
        elif options.ray:
            from benchmarks.faults.ray_campaign import RayCampaign

            campaign = RayCampaign(*terms)
        else:
            campaign = Campaign(*terms)
        complaints = campaign.run(options.faults)
    for complaint in complaints:
        print(f"NOT AS IT SHOULD BE: {complaint}")
    print("everything holds" if not complaints else f"{len(complaints)} complaints; see {folder}")
    if not complaints and options.keep is None:
        campaign.remove()
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
