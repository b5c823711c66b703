"""Video files: the only code that knows ffmpeg, PyAV and colour.

clip          the frames of a take or intermediate as a lossless file, and back, by index
clip_coding   how both are coded; frame_encoders: several frames at the same time; stored_pictures: pictures as frames
preview       a small copy of a clip that browsers play
film_encode   a cut becomes film.mp4 in one encode
deliverable_encode  the same cut as a file in another codec; deliverable_codecs: what ffmpeg is told for each
deliverable_pictures  as PNGs, a poster, a GIF or WebP
deep_frames   the film's frames with 16 bits
reframing     crops around the focus of each shot
raster        the film's frames, one at a time, before scaling
frame_layers  which pictures make up each film frame; pure
linear_light  mixes pictures of a dissolve as light
ahead         decodes a few frames ahead of the encoder, in a thread
lettering     cards, slates, labels and burned-in subtitles as one ASS file
text          line breaks, and the size at which a text fits
shaping       a line in pieces of one font and direction, and their widths
bidi          the order of text from right to left
fonts         which font has a character
subtitle_blocks  subtitles in at most two lines, balanced; subtitle_files: as .srt and .vtt
hidden_track  a subtitle track that players do not show by themselves
webfont       the base font, reduced to the characters of a page
geometry      how the raster becomes the delivery
colour_tags   BT.709, converted and tagged
chapters      chapters and tags as an ffmetadata file
probe         what a finished file contains
ffmpeg        the program: which one, running it, its failures
"""
