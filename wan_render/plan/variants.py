"""The variant of its profile in which a take is planned: one for the whole film, unless the store already has the take
in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from wan_render.authored import PathInFile
from wan_render.backend_contract import THE_ONLY_VARIANT, Variant
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Setting
from wan_render.take import Take

_PLAIN = "exact"
"""The profile that has only one variant, so that the backend need not be asked."""


AUTO, FIRST = "auto", "float8"
"""In a storyboard: the variant that the backend chooses, and the first one, whose name in keys is ""."""


def _the_only(_profile: str) -> Variant:
    return THE_ONLY_VARIANT


def _nothing(_key: str) -> bool:
    return False


@dataclass(frozen=True)
class VariantChoice:
    """What a plan knows about variants.

    of:       the variant of a profile on the devices that render the film.
    is_there: whether the store has a take with this key.
    """

    of: Callable[[str], Variant] = _the_only
    is_there: Callable[[str], bool] = _nothing


ONE_VARIANT = VariantChoice()
"""The choice if every profile has only one variant."""


@dataclass(frozen=True)
class Variants:
    """The variants of one film. The backend is asked once for each profile."""

    choice: VariantChoice
    findings: Findings
    _known: dict[str, Variant] = field(default_factory=dict)

    def settled(self, take: Take, place: PathInFile, asked: Setting[str] | None = None) -> Take:
        """The take in its profile's variant; or in another one, if the store has only that: a take that was rendered on
        other devices is not rendered again. A variant that is asked for is taken, whatever the store has.

        place: where the profile was written, for warnings and notes. Reports a variant that the profile does not have.
        """
        profile = take.sampling.profile
        variant = THE_ONLY_VARIANT if profile == _PLAIN else self._of(profile)
        if asked is not None and asked.value != AUTO:
            return self._asked(take, asked, variant)
        if profile == _PLAIN:
            return take
        chosen = self.quietly_settled(take)
        if chosen.sampling.variant != variant.name:
            words = f"profile {profile}, {variant.others[chosen.sampling.variant]}"
            self.findings.remark(chosen.key, words)
            self.findings.note(place, f"the store already has a take in another variant: {words}")
            return chosen
        if variant.note:
            self.findings.warn(place, variant.note)
            self.findings.remark(chosen.key, variant.note)
        return chosen

    def _asked(self, take: Take, asked: Setting[str], variant: Variant) -> Take:
        name, known = _name(asked.value), (variant.name, *variant.others)
        if take.sampling.profile == _PLAIN:
            self.findings.warn(
                asked.place, "no effect: profile exact is computed in one way", "", "write a profile, too"
            )
            return take
        if known == ("",):
            self.findings.note(asked.place, f"profile {take.sampling.profile} is computed in one way here: no effect")
            return take
        if name not in known:
            words = ", ".join(each or FIRST for each in known)
            found = f"profile {take.sampling.profile} has no variant {asked.value}"
            self.findings.error(asked.place, found, f"allowed: {AUTO}, {words}", f"write {AUTO}, or another profile")
            return take
        return _in(take, name)

    def quietly_settled(self, take: Take, asked: str | None = None) -> Take:
        """As `settled`, without a word: for a take that may not be wanted."""
        if take.sampling.profile == _PLAIN:
            return take
        variant = self._of(take.sampling.profile)
        if asked is not None and asked != AUTO:
            return _in(take, _name(asked)) if _name(asked) in variant.others else take
        chosen = _in(take, variant.name)
        there = next((each for name in variant.others if self._is_there(each := _in(take, name))), None)
        return there if there is not None and not self._is_there(chosen) else chosen

    def _is_there(self, take: Take) -> bool:
        return self.choice.is_there(take.key)

    def _of(self, profile: str) -> Variant:
        if profile not in self._known:
            self._known[profile] = self.choice.of(profile)
        return self._known[profile]


def _name(asked: str) -> str:
    """The name in keys of a variant as a storyboard writes it."""
    return "" if asked == FIRST else asked


def _in(take: Take, variant: str) -> Take:
    return replace(take, sampling=replace(take.sampling, variant=variant))
