"""The arithmetic of a transformer block and of the decoder: plain torch as the reference, Triton for GPUs."""
