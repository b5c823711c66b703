"""Inheritance of settings: film → scene → shot. Maps merge by key, the nearest value is used, `avoid` adds up.

Every setting keeps the place where it was written, for messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar

from wan_render.authored import (
    Cloud,
    Extend,
    Keyframe,
    KindRender,
    Look,
    ModelChoice,
    PathInFile,
    Qc,
    Render,
    Scene,
    Shot,
    Storyboard,
    Time,
    Transition,
)
from wan_render.take import ShotKind

T = TypeVar("T")


class Level(IntEnum):
    """Where a setting was written. A greater level is nearer to the shot."""

    NOWHERE = 0
    FILM = 1
    SCENE = 2
    SHOT = 3


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A setting, and where it was written. At level NOWHERE it is a built-in default, and place is the shot's."""

    value: T
    place: PathInFile
    level: Level


@dataclass(frozen=True)
class _Layer:
    holder: Any
    place: PathInFile
    level: Level


@dataclass(frozen=True)
class KindSettings:
    """Settings for one kind of shot. The numbers are those written for the model that is used, not for another one."""

    model: Setting[ModelChoice] | None
    steps: Setting[int] | None
    guidance: Setting[tuple[float, ...]] | None
    shift: Setting[float] | None


class Settings(Protocol):
    """The settings of something that is rendered: a shot, or a painted keyframe."""

    @property
    def place(self) -> PathInFile:
        """Its place in the storyboard."""

    @property
    def avoid(self) -> tuple[str, ...]:
        """The words to avoid of all levels."""

    def common(self, key: str) -> Setting[Any] | None:
        """A setting that stands directly under `render`: seed, negative, loras, profile, variant, frames, gpus,
        previous."""

    def of_kind(self, kind: ShotKind) -> KindSettings:
        """The settings under `render.<kind>`; those above the nearest named model are another model's and dropped."""

    def cloud(self, key: str) -> Setting[Any] | None:
        """`allow` or `model` under `cloud`."""


@dataclass(frozen=True)
class PaintedKeyframe:
    """A keyframe that is painted from a prompt, with the settings that it inherits from the film."""

    storyboard: Storyboard
    name: str

    @property
    def place(self) -> PathInFile:
        """Its place in the storyboard."""
        return ("keyframes", self.name)

    @property
    def keyframe(self) -> Keyframe:
        """The keyframe as written."""
        return self.storyboard.keyframes[self.name]

    @property
    def avoid(self) -> tuple[str, ...]:
        """The words to avoid of the film's look."""
        return _avoid(tuple(_inner((_Layer(self.storyboard, (), Level.FILM),), "look", Look)))

    def common(self, key: str) -> Setting[Any] | None:
        """See Settings."""
        return _nearest(self._render_layers, key)

    def of_kind(self, kind: ShotKind) -> KindSettings:
        """See Settings."""
        return _of_kind(self._render_layers, kind)

    def cloud(self, key: str) -> Setting[Any] | None:
        """See Settings: those of the film."""
        film = (_Layer(self.storyboard.defaults, ("defaults",), Level.FILM),)
        return _nearest(tuple(_inner(film, "cloud", Cloud)), key)

    @cached_property
    def _render_layers(self) -> tuple[_Layer, ...]:
        levels = (
            _Layer(self.storyboard.defaults, ("defaults",), Level.FILM),
            _Layer(self.keyframe, self.place, Level.SHOT),
        )
        return tuple(_inner(levels, "render", Render))


@dataclass(frozen=True)
class Inherited:
    """One shot with all settings that it inherits. index: (scene, shot) in the file, from 0."""

    storyboard: Storyboard
    index: tuple[int, int]

    @property
    def scene(self) -> Scene:
        """The scene that the shot is in."""
        return self.storyboard.scenes[self.index[0]]

    @property
    def shot(self) -> Shot:
        """The shot as written."""
        return self.scene.shots[self.index[1]]

    @property
    def id(self) -> str:
        """`1/020`."""
        return f"{self.scene.id}/{self.shot.id}"

    @property
    def omitted(self) -> bool:
        """Whether the shot or its whole scene is left out of the film."""
        return self.shot.status == "omit" or self.scene.status == "omit"

    @property
    def place(self) -> PathInFile:
        """The shot's place in the storyboard."""
        return ("scenes", self.index[0], "shots", self.index[1])

    def at(self, key: str) -> PathInFile:
        """The place of one of the shot's keys."""
        return (*self.place, key)

    @property
    def duration(self) -> Setting[Time | Literal["narration"]] | None:
        """Screen time, if any was written; or the word for that of the shot's narration."""
        return _nearest(self._levels, "duration")

    @property
    def takes(self) -> Setting[int] | None:
        """How many takes are wanted, if any number was written."""
        return _nearest(self._levels, "takes")

    @property
    def transition(self) -> Setting[Transition] | None:
        """The joint to the next shot."""
        return _nearest(self._levels, "transition")

    def extend(self, key: str) -> Setting[Any] | None:
        """A key of `render.extend`: enabled, language, unanswered or names."""
        return _nearest(tuple(_inner(self._render_layers, "extend", Extend)), key)

    @property
    def retakes(self) -> Setting[int] | None:
        """How many more takes failed ones may cost, if any number was written."""
        return _nearest(self._qc_layers, "retakes")

    @property
    def check(self) -> Setting[str] | None:
        """Whether takes are checked, `on` or `off`, if it was written."""
        return _nearest(self._qc_layers, "check")

    def look(self, key: str) -> str:
        """`style` or `setting` of the look; "" if it is not set, or cleared."""
        words: Setting[str] | None = _nearest(self._look_layers, key)
        return words.value if words is not None else ""

    @property
    def avoid(self) -> tuple[str, ...]:
        """The words to avoid of all levels, outermost first, each once. An empty list clears those of outer levels."""
        return _avoid(self._look_layers)

    def common(self, key: str) -> Setting[Any] | None:
        """A setting that stands directly under `render`: seed, negative, loras, profile, variant, frames, gpus,
        previous."""
        return _nearest(self._render_layers, key)

    def of_kind(self, kind: ShotKind) -> KindSettings:
        """The settings under `render.<kind>`; those above the nearest named model are another model's and dropped."""
        return _of_kind(self._render_layers, kind)

    def cloud(self, key: str) -> Setting[Any] | None:
        """`allow` or `model` under `cloud`."""
        return _nearest(tuple(_inner(self._levels, "cloud", Cloud)), key)

    @cached_property
    def _levels(self) -> tuple[_Layer, ...]:
        return (
            _Layer(self.storyboard.defaults, ("defaults",), Level.FILM),
            _Layer(self.scene, ("scenes", self.index[0]), Level.SCENE),
            _Layer(self.shot, self.place, Level.SHOT),
        )

    @cached_property
    def _render_layers(self) -> tuple[_Layer, ...]:
        return tuple(_inner(self._levels, "render", Render))

    @cached_property
    def _qc_layers(self) -> tuple[_Layer, ...]:
        return tuple(_inner(self._levels, "qc", Qc))

    @cached_property
    def _look_layers(self) -> tuple[_Layer, ...]:
        film = _Layer(self.storyboard, (), Level.FILM)
        return tuple(_inner((film, *self._levels[1:]), "look", Look))


def _of_kind(renders: tuple[_Layer, ...], kind: ShotKind) -> KindSettings:
    layers = tuple(_inner(renders, kind.value, KindRender))
    named = [at for at, layer in enumerate(layers) if layer.holder.model is not None]
    own = layers[named[-1] :] if named else layers
    model: Setting[ModelChoice] | None = _nearest(own, "model")
    return KindSettings(
        model if model is not None and model.value.is_written else None,
        _nearest(own, "steps"),
        _nearest(own, "guidance"),
        _nearest(own, "shift"),
    )


def _avoid(looks: tuple[_Layer, ...]) -> tuple[str, ...]:
    words: tuple[str, ...] = ()
    for layer in looks:
        avoid = layer.holder.avoid
        words = () if avoid == () else words + (avoid or ())
    return tuple(dict.fromkeys(word for word in words if word))


def _inner(layers: tuple[_Layer, ...], key: str, kind: type) -> Iterator[_Layer]:
    """The maps under `key` of those layers that have one."""
    for layer in layers:
        holder = getattr(layer.holder, key)
        if isinstance(holder, kind):
            yield _Layer(holder, (*layer.place, key), layer.level)


def _nearest(layers: tuple[_Layer, ...], key: str) -> Setting[Any] | None:
    for layer in reversed(layers):
        value = getattr(layer.holder, key)
        if value is not None:
            return Setting(value, (*layer.place, key), layer.level)
    return None
