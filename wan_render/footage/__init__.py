"""Video files that a storyboard or a command names: their facts, and their frames as a film shows them.

any_video     the frames of any video file; nothing in it is trusted
shown_frame   a decoded frame: upright, square pixels, sRGB
footage_facts size, rate, length and sound of a file, cached by content
footage_part  which moments of a file a film shows
footage_frames  their frames, in the film's shape
still_frame   one frame of a file, as a picture
"""
