"""The farm's queue: its order, how far its films are, and answers to films that wait."""
