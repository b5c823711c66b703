"""The weights of published models: where they are on this machine, and how they are downloaded from a hub."""
