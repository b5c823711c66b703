"""What happens in the run of a film: approval, takes as tasks, cancelling, and what is logged of its end."""
