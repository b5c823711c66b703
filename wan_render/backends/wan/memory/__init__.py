"""What is kept on the device, what waits in host memory, and how both are decided."""
