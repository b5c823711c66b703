"""Ways to run a Wan transformer faster than diffusers does: what a profile is, what it needs, and how it is prepared.

`profile` and `schedule` say what; `transformer` is the forward, in terms of `operations` (plain torch, the reference)
or `triton_operations` (the same, fused); `exact`, `float8` say in what precision; `prepare` puts them together.
"""
