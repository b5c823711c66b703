"""Upscaling: networks that enlarge pictures, and how their result stays steady in time. Arrays in, arrays out; no files
but those of weights, no store."""
