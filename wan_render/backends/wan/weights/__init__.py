"""Downloading the weights of published models from a hub, and verifying them."""
