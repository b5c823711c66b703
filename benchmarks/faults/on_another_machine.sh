#!/bin/sh
# The whole campaign of faults, on a machine without a network: 200 faults over 5 films and 100 shots, on a farm.
#
#     sh benchmarks/faults/on_another_machine.sh [RESULT.txt] [more options of `python -m benchmarks.faults`]
#
# It needs a checkout with its .venv (make test makes one; a venv that was copied needs the same Python). Nothing is
# installed, and nothing outside a temporary folder is written but the result. As root the disk is really filled.
# Exit code: that of the campaign, 0 if everything holds.

set -u
cd "$(dirname "$0")/../.." || exit 2
result=${1:-faults.txt}
[ $# -gt 0 ] && shift
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import prefect, cv2, PIL, psutil' || { echo "$python: lacks packages; see docs/benchmarks.md" >&2; exit 2; }
PYTHONPATH=$PWD
OMP_NUM_THREADS=1 # the devices are CPUs; more threads would only wait for each other
export PYTHONPATH OMP_NUM_THREADS
{
    echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    echo "machine: $(getconf _NPROCESSORS_ONLN) cores, $(awk '/MemTotal/ {printf "%.0f GB", $2 / 1e6}' /proc/meminfo), $(uname -sr), as $(id -un)"
    echo "python: $("$python" --version), prefect $("$python" -c 'import prefect; print(prefect.__version__)')"
    echo "began: $(date -u +%FT%TZ)"
    echo "command: python -m benchmarks.faults --farm $*"
} >"$result"
"$python" -m benchmarks.faults --farm "$@" >>"$result" 2>&1
code=$?
echo "ended: $(date -u +%FT%TZ), exit code $code" >>"$result"
cat "$result"
exit $code
