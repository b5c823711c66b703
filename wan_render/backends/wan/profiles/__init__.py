"""Profiles (`exact`, `fast`, …): what each needs from a device, and how it prepares a transformer."""
