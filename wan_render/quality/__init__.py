"""Quality control of a take: what its frames show, in numbers, and what the numbers mean.

measuring      frames and keyframes → Measurements
measurements   the numbers that take.json keeps
thresholds     the one table of limits, and where each comes from
verdicts       Measurements → pass, flag or fail
unjudged_checks  measurements without those of some checks, for previews
seams          the joint of two neighbours

samples        arithmetic of pictures, in few passes
even_blocks    how far a picture consists of even blocks
small_frames   frames as small copies, and the detail that only large ones have
tracking       how each frame follows from the one before, with the motion taken out
ends           `first`, `last`: whether the clip begins and ends on its keyframes
continuity     `jump`, `cut`: steps that do not follow
step_neighbours  which steps say what is usual for a step
step_proofs    what landmarks say of a step
landmarks      places that are found again in another frame
quiet_steps    the same steps in pictures without noise
fades          the faint ends of fades
loss           whether two pictures differ by noise alone
freezes        `freeze`: frames that repeat
blank_frames   `black`, `flat`: frames that show nothing
noise          `noise`: garbage instead of pictures
ghosting       `ghost`: double exposures
sharpness      `sharpness`: blur
colour_drift   `drift`: colours that wander off

Measurements are kept; verdicts are computed from them, because thresholds change.
"""
