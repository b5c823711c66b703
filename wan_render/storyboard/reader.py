"""Reads a file into a Document."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from wan_render.authored import Document, Storyboard, slug_of
from wan_render.authored.spelling import ReferenceKind
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.printable import path_name
from wan_render.storyboard.events import checked_events
from wan_render.storyboard.guesses import Guesses
from wan_render.storyboard.keyframes import KeyframeFolder, check_keyframes, listed
from wan_render.storyboard.mistakes import Mistakes
from wan_render.storyboard.nodes import Tree
from wan_render.storyboard.normal import Mention, Normaliser
from wan_render.storyboard.paths import Grounds, file_on_disk
from wan_render.storyboard.references import References, spell_as_on_disk
from wan_render.storyboard.remains import remains
from wan_render.storyboard.shot_rules import check_shots, number_all
from wan_render.storyboard.sound_rules import check_sounds
from wan_render.storyboard.source import read_source
from wan_render.storyboard.validation import validated

if TYPE_CHECKING:  # importing it imports numpy, which reading a storyboard does not need
    from wan_render.model_card import Models

NO_SLUG = "film"
"""The slug of a film whose title and file name have no letters or digits."""


def read_storyboard(file: Path, *, models: Models, cache: FactCache, allow: tuple[Path, ...] = ()) -> Document:
    """A storyboard, read, checked and in canonical form.

    models: the models that it may name. cache: facts about its pictures. allow: folders, besides the file's own, that
    its paths may lead to.
    Raises StoryboardError with every mistake, in the order of the file, and no other error, whatever the file contains.
    """
    return faultless(read_as_far_as_possible(file, models=models, cache=cache, allow=allow))


def faultless(document: Document) -> Document:
    """The document itself. Raises StoryboardError with its mistakes, in the order of the file, if it has any."""
    if document.mistakes:
        raise StoryboardError(*sorted(document.mistakes, key=document.mistakes.__getitem__))
    return document


def read_as_far_as_possible(file: Path, *, models: Models, cache: FactCache, allow: tuple[Path, ...] = ()) -> Document:
    """As `read_storyboard`, but if only shots or pictures have mistakes, returns a document of the rest with these
    mistakes. Planning it finds further mistakes, of meaning, which reading cannot see."""
    file = file_on_disk(file)
    source = read_source(file)
    mistakes = Mistakes(file)
    tree = Tree(source, checked_events(source))
    for clash in tree.clashes:
        mistakes.add_at(clash.mark, clash.found, clash.allowed, clash.remedy)
    grounds = Grounds(file.parent, allow, Guesses())
    reading = Normaliser(source, mistakes, grounds.guesses)
    data: dict[str, Any] = {"keyframes": {}, "scenes": []} | reading.storyboard(tree.root)
    folder = KeyframeFolder(data["keyframes"])
    if is_folder := isinstance(data["keyframes"], str):
        folder = listed(grounds.as_on_disk(data["keyframes"]), grounds, mistakes)
    data["keyframes"] = {**reading.inline, **folder.keyframes}
    spell_as_on_disk(data, reading.mentions, grounds)
    if is_folder:
        reading.mentions += _used(folder.keyframes, reading.mentions)
    number_all(data)
    storyboard = validated(data, reading)
    check_keyframes(data, mistakes)
    check_shots(data, mistakes)
    check_sounds(data, mistakes)
    References(folder, grounds, models, cache, mistakes).check(reading.mentions)
    if mistakes.problems:
        storyboard = _storyboard(remains(data, mistakes))
        if storyboard is None:
            mistakes.raise_any()
    assert storyboard is not None, "the models refused it without a word"  # noqa: S101
    return Document.model_construct(
        storyboard=_named(storyboard, file),
        file=file,
        marks=mistakes.marks,
        allow=allow,
        mistakes=mistakes.problems,
        refused=frozenset(mistakes.refused),
    )


def _storyboard(data: dict[str, Any] | None) -> Storyboard | None:
    """The canonical form as a Storyboard; None if it is missing or invalid."""
    if data is None:
        return None
    try:
        return Storyboard.model_validate(data, by_alias=True, by_name=False)
    except ValidationError:
        return None


def _used(keyframes: dict[str, Any], mentions: list[Mention]) -> list[Mention]:
    """The pictures of a folder of keyframes that the film uses. The others are not checked."""
    names = (mention.text for mention in mentions if mention.role in (ReferenceKind.START, ReferenceKind.KEYFRAME))
    used = {unicodedata.normalize("NFC", name) for name in names}
    return [
        Mention(("keyframes", name), ReferenceKind.PICTURE, keyframe["image"])
        for name, keyframe in keyframes.items()
        if name in used
    ]


def _named(storyboard: Storyboard, file: Path) -> Storyboard:
    """The storyboard with a title and a slug. The default for both is the file's name."""
    stem = path_name(Path(file.stem))
    film = storyboard.film
    title = film.title or stem
    slug = film.slug or slug_of(title) or slug_of(stem) or NO_SLUG
    return storyboard.model_copy(update={"film": film.model_copy(update={"title": title, "slug": slug})})
