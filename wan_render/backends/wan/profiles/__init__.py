"""Profiles (`exact`, `fast`, …): what each needs of a device, and how it prepares a transformer."""
