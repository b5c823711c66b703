"""LoRAs: their files, the layers they change, and transformers that they are applied to."""
