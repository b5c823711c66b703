"""Random faults and kills while takes are bought from the stand-in service.

    python -m benchmarks.cloud --sequences 1000 --kills 20

What must hold, whatever happens: no take is paid twice (the service counts), no result with a known task is lost, every
order of unknown fate is listed, and spending never passes the limit. tests/backends/dashscope runs a short form.

fault_sequence   one sequence: faults and kills, run after run, then two quiet runs, then the count
kill_points      where a run may end at any moment: around every request and every write
remembered_videos  decodes each video once
one_run          a run of its own process, for real kills
"""
