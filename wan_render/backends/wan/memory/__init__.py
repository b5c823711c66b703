"""Which components are on the device, which wait in host memory, and how that is decided."""
