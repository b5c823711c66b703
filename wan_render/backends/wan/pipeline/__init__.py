"""The stages of a take, in order: encode, condition, denoise, decode."""
