"""Takes that are bought from a service."""
