"""Retiming: a clip of one frame rate becomes a clip of the film's.

gaps          which frames of the clip each film frame lies between; pure
interpolator  how the frames in between are made; the method of a name
flow          by optical flow
rife          by the network of rife_network
clip_retimer  retimes one clip
retimed_cut   retimes every clip of a cut that needs it, as intermediates

Motion is only interpolated between two frames of one clip or, at a continuous joint, between the last frame of a clip
and the first of the next. Never across a cut.
"""
