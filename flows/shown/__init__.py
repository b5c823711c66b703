"""What runs leave in Prefect's UI: artifacts, links, names and progress."""
