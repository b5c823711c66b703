"""The fixtures of planning."""

from tests.plan.conftest import cache, document, mistakes, models, plan, studio

__all__ = ["cache", "document", "mistakes", "models", "plan", "studio"]
