"""In which variant of its profile a take is planned: one for the whole film, unless it is there in another already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from wan_render.authored import PathInFile
from wan_render.backend_contract import THE_ONLY_VARIANT, Variant
from wan_render.plan.findings import Findings
from wan_render.take import Take

_PLAIN = "exact"
"""The profile that is computed in one way, so that nobody need be asked for it."""


def _the_only(_profile: str) -> Variant:
    return THE_ONLY_VARIANT


def _nothing(_key: str) -> bool:
    return False


@dataclass(frozen=True)
class VariantChoice:
    """What a plan is told of variants.

    of: the variant of a profile on the devices that the film is rendered on. is_there: whether a take with this key is
    in the store.
    """

    of: Callable[[str], Variant] = _the_only
    is_there: Callable[[str], bool] = _nothing


ONE_VARIANT = VariantChoice()
"""Every profile has one, or nobody is asked."""


@dataclass(frozen=True)
class Variants:
    """The variants of one film, each profile asked once."""

    choice: VariantChoice
    findings: Findings
    _known: dict[str, Variant] = field(default_factory=dict)

    def settled(self, take: Take, place: PathInFile) -> Take:
        """The take in its profile's variant; in another one where it is there in that and not in this: whoever rendered
        it elsewhere need not do so again. `place` is where the profile was written, for what is told."""
        profile = take.sampling.profile
        if profile == _PLAIN:
            return take
        variant = self._of(profile)
        chosen = _in(take, variant.name)
        there = next((each for name in variant.others if self._is_there(each := _in(take, name))), None)
        if there is not None and not self._is_there(chosen):
            words = f"profile {profile}, {variant.others[there.sampling.variant]}"
            self.findings.remark(there.key, words)
            self.findings.note(place, f"a take is there already, in another variant than this film's: {words}")
            return there
        if variant.told:
            self.findings.warn(place, variant.told)
            self.findings.remark(chosen.key, variant.told)
        return chosen

    def _is_there(self, take: Take) -> bool:
        return self.choice.is_there(take.key)

    def _of(self, profile: str) -> Variant:
        if profile not in self._known:
            self._known[profile] = self.choice.of(profile)
        return self._known[profile]


def _in(take: Take, variant: str) -> Take:
    return replace(take, sampling=replace(take.sampling, variant=variant))
