"""The Python API: read a storyboard, plan it, render it with the animatic, and print the film's path.

python docs/examples/api.py storyboards/river-to-dove/storyboard.yaml outputs
"""

import sys

import wan_render


def main(storyboard: str, outputs: str) -> None:
    """Raises wan_render.WanRenderError; a shot that cannot be rendered becomes a slate."""
    film = wan_render.read(storyboard, outputs=outputs, backend="animatic")
    print(f"{film.plan().title}: {len(film.missing())} takes to render", file=sys.stderr)
    rendered = film.render()
    for take, reason in rendered.missing.items():
        print(f"{take}: {reason}", file=sys.stderr)
    print(film.finish(rendered).video)


if __name__ == "__main__":  # device processes import this module, too
    main(*sys.argv[1:])
