"""The farm's server: Prefect's behind a gate, and finished films beside it."""
