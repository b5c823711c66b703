"""Quality control of a take: what its frames show, in numbers, and what the numbers mean.

measuring      frames and keyframes → Measurements
measurements   the numbers that take.json keeps
thresholds     the one table of limits, and where each comes from
verdicts       Measurements → pass, flag or fail
seams          the joint of two neighbours

small_frames   frames as small copies, and the detail that only large ones have
tracking       how each frame follows from the one before, with the motion taken out
ends           `first`, `last`: whether the clip begins and ends on its keyframes
continuity     `jump`, `cut`: steps that do not follow
freezes        `freeze`: frames that repeat
blank_frames   `black`, `flat`: frames that show nothing
noise          `noise`: garbage instead of pictures
ghosting       `ghost`: double exposures
sharpness      `sharpness`: blur
colour_drift   `drift`: colours that wander off

Measurements are kept; verdicts are computed from them, because thresholds change.
"""
