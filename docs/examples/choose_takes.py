"""Render two takes of every shot, and print the verdict of each: the start of a film that chooses by itself.

python docs/examples/choose_takes.py storyboards/river-to-dove/storyboard.yaml outputs
"""

import sys

import wan_render
from wan_render.plan import Rendered
from wan_render.status import judgement_of


def main(storyboard: str, outputs: str) -> None:
    """Raises wan_render.WanRenderError."""
    film = wan_render.read(storyboard, outputs=outputs, backend="animatic")
    film.render()
    for shot in film.plan().shots:
        if not isinstance(shot.content, Rendered):
            continue
        for take in shot.content.takes:
            judgement = judgement_of(film.session.store, take.take.key)
            verdict = "not rendered" if judgement is None else str(judgement.verdict)
            print(f"{shot.id} take {take.number}: {verdict}")


if __name__ == "__main__":  # device processes import this module, too
    main(*sys.argv[1:])
