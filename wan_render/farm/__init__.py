"""Where takes are rendered: one warm process for each device.

`devices.local_devices` finds this machine's devices, `LocalFarm` renders orders on them one attempt at a time, a
`Scheduler` sees every order of a film to its end; `render_all` is one in a loop. Nothing is imported here: a device
process loads only what renders a take.
"""
