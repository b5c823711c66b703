"""Pictures in motion: the only code that knows ffmpeg, PyAV and colour.

clip        a take's frames as a lossless file, and back, by index
preview     a small copy of a clip that browsers play
film        a cut becomes film.mp4 in one encode
timeline    which pictures make up each film frame; pure
lettering   cards, slates and labels as one ASS file
text        the font: what it lacks, how wide a line is, where it breaks
geometry    how the raster becomes the delivery
colour      BT.709, converted and tagged
chapters    chapters and tags as an ffmetadata file
probe       what a finished file holds
ffmpeg      the program: which one, running it, its failures
"""
