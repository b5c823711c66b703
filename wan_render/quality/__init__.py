"""Quality control of a take: what its frames show, in numbers, and what the numbers mean.

small_frames   frames as small copies, one at a time, and the detail that only large frames have
measuring      frames and keyframes → Measurements
measurements   the numbers that take.json keeps
ends           whether the clip begins and ends on its keyframes
continuity     jumps, cuts and freezes
substance      black frames, flat frames, noise and blur
ghosting       double exposures: frames that a blend of the two keyframes explains
colour_drift   colours that wander off
seams          the joint of two neighbours
thresholds     the one table of limits, and where each comes from
verdicts       Measurements → pass, flag or fail

Measurements are kept; verdicts are computed from them, because thresholds change.
"""
