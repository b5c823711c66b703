"""Rendering with the Wan models through diffusers."""
