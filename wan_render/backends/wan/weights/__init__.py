"""Bringing a published model's weights to this machine: from a hub, checked, in the precision that renders.

Needs neither torch nor a hub's own package: the hubs' packages start a file anew after an interruption, and a
shard has five gigabytes. `pull.pull` does it; nothing is imported here, since every plan looks for manifests.
"""
