"""Bringing a published model's weights to this machine: from a hub, checked, in the precision that renders.

Needs neither torch nor a hub's own package: the hubs' packages start a file anew after an interruption, and a
shard has five gigabytes.
"""

from wan_render.backends.wan.weights.manifest import MANIFEST, Manifest, manifest_of
from wan_render.backends.wan.weights.pull import Order, Pulled, pull
from wan_render.backends.wan.weights.sources import SOURCES
from wan_render.backends.wan.weights.watch import Outlook, Watch

__all__ = ["MANIFEST", "SOURCES", "Manifest", "Order", "Outlook", "Pulled", "Watch", "manifest_of", "pull"]
