"""What a farm does while it runs: it keeps its programs alive and looks after its queue."""
