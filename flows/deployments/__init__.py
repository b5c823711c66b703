"""What can be requested of a farm: its deployments and its work pool, and what a request holds."""
