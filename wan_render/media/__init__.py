"""Video files: the only code that knows ffmpeg, PyAV and colour.

clip          a take's frames as a lossless file, and back, by index
any_video     the frames of any video file; nothing in it is trusted
preview       a small copy of a clip that browsers play
film_encode   a cut becomes film.mp4 in one encode
raster        the film's frames, one at a time, before scaling
frame_layers  which pictures make up each film frame; pure
ahead         decodes a few frames ahead of the encoder, in a thread
lettering     cards, slates and labels as one ASS file
text          the font: missing glyphs, line widths, line breaks
webfont       the font, reduced to the characters of a page
geometry      how the raster becomes the delivery
colour_tags   BT.709, converted and tagged
chapters      chapters and tags as an ffmetadata file
probe         what a finished file contains
ffmpeg        the program: which one, running it, its failures
"""
