"""The Python API: read a storyboard, plan it, render it with the animatic, and print the film's path.

python docs/examples/api.py storyboards/river-to-dove/storyboard.yaml outputs
"""

import sys
from pathlib import Path

from wan_render.backends import backend, family_for
from wan_render.devices import cpu
from wan_render.facts import FactCache
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.plan import make_plan
from wan_render.production.failures import failures
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.settings import machine_settings
from wan_render.store import Store
from wan_render.storyboard import read_storyboard


def main(file: Path, outputs: Path) -> None:
    """Raises the errors of wan_render.errors; a shot that cannot be rendered becomes a slate."""
    animatic, device = backend("animatic"), cpu()
    store, cache = Store(outputs), FactCache(machine_settings().cache)
    models = family_for(animatic).catalogue(cache)
    document = read_storyboard(file, models=models, cache=cache)
    plan = make_plan(document, models=models, backend_id=animatic.id, cache=cache)
    with begin(plan, animatic, store, devices=[device]) as run, LocalFarm([device], outputs) as farm:
        film = finish(run, failures(render_all(run.orders, farm)))
    print(film.video)


if __name__ == "__main__":  # device processes import this module, too
    main(Path(sys.argv[1]), Path(sys.argv[2]))
