"""A farm's folder on disk: its password, its time zone, the locks of its runs. No prefect here."""
