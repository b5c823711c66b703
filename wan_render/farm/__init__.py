"""Where takes are rendered: one warm process per device.

`devices.local_devices` finds this machine's devices. `LocalFarm` makes attempts at orders on them. A `Scheduler`
repeats attempts until every order of a film has ended; `render_all` runs one. Nothing is imported here, so a device
process loads only what it needs to render a take.
"""
