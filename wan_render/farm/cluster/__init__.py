"""A farm of the GPUs of a Ray cluster. Nothing here is imported unless WAN_RENDER_FARM is `ray`.

Ray finds the nodes, gives out their GPUs and carries messages. Which take comes next, what a failure means and how a
take is rendered is decided as on one machine.
"""
